"""The provider that stands in, and a gateway in front of it."""

import anthropic
import openai
import pytest
from gateways import running_gateway
from provider import Provider


@pytest.fixture
def provider():
    with Provider() as started:
        yield started


@pytest.fixture
def gateway(provider, tmp_path):
    with running_gateway(tmp_path, provider.url) as started:
        yield started


@pytest.fixture
def gpt(gateway):
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-none", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway):
    with anthropic.Anthropic(base_url=gateway.url, api_key="sk-none", max_retries=0) as client:
        yield client
