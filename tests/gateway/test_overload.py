"""More requests than the gateway takes: refused at once, told when to come back, and nothing is held for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx
import openai
import pytest
from gateways import PATIENCE_S, running_gateway
from invoices import FAST
from provider import Provider
from provider_acts import Act

RUNNING, WAITING, CALLERS = 2, 3, 12
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Fix the login bug"}], "max_tokens": 40}


@pytest.fixture
def provider():
    with Provider() as started:
        yield started


@pytest.fixture
def gateway(provider, tmp_path):
    patient = {"api_key": "sk-test", **FAST, "first_byte_timeout_s": PATIENCE_S}
    told = {"openai": {"base_url": provider.openai_url, **patient}, "anthropic": {"base_url": provider.url, **patient}}
    limits = {"max_running": RUNNING, "max_waiting": WAITING}
    with running_gateway(tmp_path, provider.url, providers=told, limits=limits) as started:
        yield started


@pytest.mark.parametrize("is_stream", [False, True])
def test_so_many_run_so_many_wait_and_all_others_are_refused_at_once(gateway, provider, is_stream):
    provider.rule(Act(at="answer", then="wait"))
    refused, answered, is_full = [], [], threading.Event()

    def ask(_):
        answer = gateway.post(CHAT, {**ASK, "stream": is_stream})
        (answered if answer.status_code == 200 else refused).append(answer)
        if len(refused) == CALLERS - RUNNING - WAITING:
            is_full.set()

    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [pool.submit(ask, number) for number in range(CALLERS)]
        assert is_full.wait(PATIENCE_S)
        assert (answered, len(provider.calls)) == ([], RUNNING)
        gpt = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)
        with gpt, pytest.raises(openai.InternalServerError) as as_openai:
            gpt.chat.completions.create(**ASK)
        claude = anthropic.Anthropic(base_url=gateway.url, api_key="x", max_retries=0)
        with claude, pytest.raises(anthropic.InternalServerError) as as_anthropic:
            claude.messages.create(**ASK)
        provider.release()
        for one in asking:
            one.result(PATIENCE_S)
    assert as_openai.value.code == "overloaded"
    assert as_anthropic.value.body["error"]["type"] == "overloaded_error"
    assert {(one.status_code, one.headers["retry-after"], one.json()["error"]["code"]) for one in refused} == {
        (503, "1", "overloaded")
    }
    assert len(answered) == RUNNING + WAITING == len(provider.settled().calls)
    assert (gateway.settled().posted_nanousd, gateway.held_nanousd) == (provider.billed_nanousd, 0)


def test_whoever_hangs_up_while_waiting_costs_nothing(gateway, provider):
    provider.rule(Act(at="answer", then="wait"))
    with ThreadPoolExecutor(RUNNING) as pool:
        running = [pool.submit(gateway.post, CHAT, ASK) for _ in range(RUNNING)]
        provider.wait_for_calls(RUNNING)
        for _ in range(WAITING):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(gateway.url + CHAT, json=ASK, timeout=0.05)
        provider.release()
        assert [one.result(PATIENCE_S).status_code for one in running] == [200] * RUNNING
    assert gateway.post(CHAT, ASK).status_code == 200
    assert len(provider.settled().calls) == RUNNING + 1
    assert (gateway.settled().posted_nanousd, gateway.held_nanousd) == (provider.billed_nanousd, 0)
