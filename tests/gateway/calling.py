"""Upstreams as the tests of the gateway use them: against the provider that stands in, waiting for nothing."""

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager

from pointsman.errors import PointsmanError
from pointsman.gateway.upstreams import Upstreams
from pointsman.settings import Provider, Retries

KEY = "sk-test"
RETRIES = Retries()
ASK = [{"role": "user", "content": "one two three"}]


def body(model="gpt-4o-mini", **more):
    return json.dumps({"model": model, "messages": ASK, **more}).encode()


def settings(provider, protocol="openai", **more):
    """Return how a provider that stands in is configured, under the name of its protocol."""
    url = provider.url if protocol == "anthropic" else provider.openai_url
    return Provider(**{"name": protocol, "base_url": url, "api_key": KEY, "protocol": protocol, **more})


@asynccontextmanager
async def opened(*providers, retries=RETRIES, waits=None):
    """Give upstreams whose waits are only noted."""

    async def sleep(seconds):
        if waits is not None:
            waits.append(seconds)

    made = Upstreams(providers, retries, clock=time.monotonic, rng=random.Random(7), sleep=sleep)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def complete(provider, *, sent=None, told=None, retries=RETRIES, waits=None, protocol="openai", **more):
    """Return the answer of one call, or raise what it raised."""
    configured = settings(provider, protocol, **more)

    async def call():
        async with opened(configured, retries=retries, waits=waits) as upstreams:
            return await upstreams.complete(configured.name, sent or body(), told or {})

    return asyncio.run(call())


def stream(provider, *, sent=None, retries=RETRIES, protocol="openai", **more):
    """Return (bytes that came, stream, error that ended it or None)."""
    configured = settings(provider, protocol, **more)

    async def call():
        came = []
        start = sent or body(stream=True)
        async with opened(configured, retries=retries) as ups, ups.stream(configured.name, start) as answer:
            try:
                async for chunk in answer:
                    came.append(chunk)
            except PointsmanError as error:
                return b"".join(came), answer, error
            return b"".join(came), answer, None

    return asyncio.run(call())
