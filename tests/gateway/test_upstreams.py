"""Calls of providers: what comes back, what goes out, and what is sent again."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from calling import ASK, KEY, body, complete, opened, settings, stream
from provider_acts import RESET_AFTER, Act, rate_limited

from pointsman.errors import InvalidConfig, MissingExtra, UpstreamError, UpstreamTimeout
from pointsman.gateway.upstreams.wire import endpoint
from pointsman.settings import Provider, Retries

CLAUDE = json.dumps({"model": "claude-haiku", "max_tokens": 20, "messages": ASK}).encode()


def test_an_answer_of_an_openai_provider_comes_back_as_it_was_sent(provider):
    answer = complete(provider)
    told = json.loads(answer.body)
    assert told["choices"][0]["message"]["content"] == "You said: one two three"
    assert (answer.status, answer.request_id, answer.tries) == (200, told["id"], 1)
    assert 0 < answer.first_ms <= answer.total_ms


def test_the_repr_of_an_answer_doesnt_say_what_it_says(provider):
    answer = complete(provider)
    assert repr(answer) == f"Answer(status=200, {len(answer.body)} bytes, request_id='chatcmpl_1')"


def test_an_answer_of_an_anthropic_provider_comes_back_as_it_was_sent(provider):
    answer = complete(provider, protocol="anthropic", sent=CLAUDE)
    told = json.loads(answer.body)
    assert told["content"] == [{"type": "text", "text": "You said: one two three"}]
    assert answer.request_id == told["id"]


def test_a_stream_gives_the_bytes_that_were_sent(provider):
    provider.script(Act(words=3))
    came, answer, error = stream(provider)
    events = came.split(b"\n\n")
    assert (len(events), events[-2:], error) == (7, [b"data: [DONE]", b""], None)
    assert (answer.status, answer.request_id, answer.tries) == (200, "chatcmpl_1", 1)
    assert 0 < answer.first_ms <= answer.total_ms


def test_an_anthropic_stream_gives_its_named_events(provider):
    came, _, error = stream(provider, protocol="anthropic", sent=CLAUDE[:-1] + b', "stream": true}')
    assert (came.startswith(b"event: message_start\n"), came.count(b"event: content_block_delta"), error) == (
        True,
        5,
        None,
    )


def test_the_body_is_sent_unchanged_and_only_versions_of_the_callers_headers(provider):
    sent = body(metadata={"x": "é"}) + b"\n "
    headers = {
        "OpenAI-Beta": "assistants=v2",
        "Authorization": "Bearer sk-mine",
        "Host": "evil",
        "X-Forwarded-For": "1",
    }
    complete(provider, sent=sent, told=headers)
    got = provider.calls[0].headers
    assert provider.calls[0].body["metadata"] == {"x": "é"}
    assert got == {
        "host": f"127.0.0.1:{provider.port}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "pointsman",
        "authorization": f"Bearer {KEY}",
        "openai-beta": "assistants=v2",
        "content-length": str(len(sent)),
    }


def test_a_callers_anthropic_version_takes_the_place_of_ours(provider):
    async def call():
        async with opened(settings(provider, "anthropic")) as upstreams:
            await upstreams.complete("anthropic", CLAUDE)
            await upstreams.complete("anthropic", CLAUDE, {"anthropic-version": "2026-10-21", "anthropic-beta": "x"})

    asyncio.run(call())
    told = [(call.headers["anthropic-version"], call.headers.get("anthropic-beta")) for call in provider.calls]
    assert told == [("2023-06-01", None), ("2026-10-21", "x")]
    assert {call.headers["x-api-key"] for call in provider.calls} == {KEY}


def test_a_body_of_many_megabytes_is_sent_whole(provider):
    complete(provider, sent=body(padding="x" * (3 << 20)))
    assert len(provider.calls[0].body["padding"]) == 3 << 20


def test_calls_one_after_another_use_one_connection(provider):
    async def call():
        async with opened(settings(provider)) as upstreams:
            for _ in range(5):
                await upstreams.complete("openai", body())
                async with upstreams.stream("openai", body(stream=True)) as answer:
                    async for _ in answer:
                        pass
            return provider.connections

    assert (asyncio.run(call()), len(provider.calls)) == (1, 10)


def test_more_calls_than_connections_wait_for_one_another(provider):
    async def call():
        async with opened(settings(provider, max_connections=2)) as upstreams:
            answers = await asyncio.gather(*(upstreams.complete("openai", body()) for _ in range(10)))
            return len(answers), provider.connections

    assert asyncio.run(call()) == (10, 2)


def test_where_no_connection_gets_free_nothing_was_sent(provider):
    provider.script(Act(at="answer", then="wait"))

    async def call():
        async with opened(settings(provider, max_connections=1, connect_timeout_s=0.2)) as upstreams:
            first = asyncio.create_task(upstreams.complete("openai", body()))
            await asyncio.to_thread(provider.wait_for_calls, 1)
            with pytest.raises(UpstreamTimeout, match="no free connection") as refused:
                await upstreams.complete("openai", body())
            provider.release()
            await first
            return refused.value

    error = asyncio.run(call())
    assert (error.is_unbilled, error.is_retryable, len(provider.calls)) == (True, True, 1)


def test_leaving_a_stream_before_its_end_ends_the_call(provider):
    provider.script(Act(words=50, at=2, then="hang"))

    async def call():
        async with opened(settings(provider)) as upstreams, upstreams.stream("openai", body(stream=True)) as answer:
            came = b""
            async for chunk in answer:
                came += chunk
                if b"word2" in came:
                    break
            return answer.total_ms

    assert asyncio.run(call()) is None
    assert [(line.end, line.usage.output) for line in provider.settled().invoice] == [("hung_up", 2)]


# Retries


@pytest.mark.parametrize(
    "act", [rate_limited(None), Act(status=500), Act(status=502), Act(status=503), Act(status=529)]
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_what_was_refused_for_the_moment_is_sent_again(provider, act, is_stream):
    provider.script(act)
    answer = stream(provider)[1] if is_stream else complete(provider)
    assert (answer.tries, [line.is_billed for line in provider.invoice]) == (2, [False, True])


@pytest.mark.parametrize(
    "act",
    [
        RESET_AFTER,
        Act(at="answer", then="cut"),
        Act(at=10, then="cut"),
        Act(at="headers", then="reset"),
        Act(status=504),
        Act(status=408),
        Act(status=524),
        Act(status=400),
        Act(status=401),
        Act(status=404),
        Act(status=429, code="insufficient_quota"),
    ],
)
def test_what_may_have_been_billed_or_would_fail_again_is_sent_once(provider, act):
    provider.script(act)
    with pytest.raises(UpstreamError):
        complete(provider)
    assert len(provider.calls) == 1


def test_retries_end(provider):
    provider.rule(Act(status=503))
    with pytest.raises(UpstreamError) as refused:
        complete(provider, retries=Retries(attempts=4))
    assert (refused.value.status, len(provider.calls)) == (503, 4)


def test_waits_stay_below_a_bound_that_doubles_to_the_longest(provider):
    provider.rule(Act(status=503))
    waits = []
    with pytest.raises(UpstreamError):
        complete(provider, retries=Retries(attempts=7, base_delay_s=1.0, max_delay_s=5.0), waits=waits)
    bounds = [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert len(waits) == 6
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len(set(waits)) == 6


def test_a_provider_is_given_the_time_it_asks_for(provider):
    provider.script(rate_limited("3"))
    waits = []
    assert complete(provider, waits=waits).tries == 2
    assert waits == [3.0]


def test_a_provider_that_asks_for_too_long_is_left_for_the_next_model(provider):
    provider.script(rate_limited("60"))
    with pytest.raises(UpstreamError) as refused:
        complete(provider)
    assert (refused.value.retry_after_s, refused.value.is_retryable, len(provider.calls)) == (60.0, True, 1)


def test_a_connection_that_was_refused_is_tried_again_and_costs_nothing(provider):
    port = provider.port
    provider.__exit__()
    waits = []
    with pytest.raises(
        UpstreamError, match=rf"can't be reached at 127\.0\.0\.1:{port}.* Nothing was sent\."
    ) as refused:
        complete(provider, waits=waits)
    assert (refused.value.is_unbilled, refused.value.status, len(waits)) == (True, None, 1)
    provider.__enter__()


def test_a_server_without_tls_where_tls_is_expected_got_nothing(provider):
    with pytest.raises(UpstreamError, match=r"can't be reached .* Nothing was sent\.") as refused:
        complete(provider, base_url=provider.openai_url.replace("http:", "https:"))
    assert (refused.value.is_unbilled, provider.calls) == (True, [])


@pytest.fixture
def impostor(tmp_path):
    """Give the port of a TLS server whose certificate nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout {key}"
    subprocess.run([*command.split(), "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with contextlib.suppress(OSError):
                        context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl isn't installed")
def test_a_server_whose_certificate_nobody_signed_gets_nothing(provider, impostor):
    with pytest.raises(UpstreamError, match=r"certificate verify failed.* Nothing was sent\.") as refused:
        complete(provider, base_url=f"https://127.0.0.1:{impostor}/v1")
    assert (refused.value.is_unbilled, refused.value.status) == (True, None)


# Configuration


@pytest.mark.parametrize(
    ("protocol", "base_url", "expected"),
    [
        ("openai", "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
        ("openai", "https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
        ("openai", "http://h:1/a%2Fb?api-version=1", "http://h:1/a%2Fb/chat/completions?api-version=1"),
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://h/anthropic", "https://h/anthropic/v1/messages"),
    ],
)
def test_base_urls_are_joined_as_the_official_clients_join_them(protocol, base_url, expected):
    assert str(endpoint(Provider("p", base_url, protocol=protocol))) == expected


@pytest.mark.parametrize(
    "base_url", [None, "", "api.openai.com", "file:///etc/passwd", "https://u:p@h/v1", "http://h:x", "https://h/#a"]
)
def test_a_base_url_that_leads_nowhere_is_refused(base_url):
    with pytest.raises(InvalidConfig, match=r"providers\.p\.base_url is .*; expected one such as"):
        endpoint(Provider("p", base_url))


def test_a_provider_that_isnt_configured_is_never_called():
    async def call():
        async with opened(Provider("known", "http://127.0.0.1:1/v1")) as upstreams:
            await upstreams.complete("http://evil", body())

    with pytest.raises(InvalidConfig, match="'http://evil' isn't configured; expected one of known"):
        asyncio.run(call())


def test_without_litellm_its_providers_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "litellm", None)

    async def call():
        async with opened(Provider("x", protocol="litellm")):
            pass

    with pytest.raises(MissingExtra, match=r'pip install "pointsman\[litellm\]"'):
        asyncio.run(call())


def test_proxies_of_the_environment_are_not_used(provider, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert complete(provider).status == 200


def test_a_configured_proxy_is_used(provider):
    with pytest.raises(UpstreamError, match=r"no such path: http://model\.invalid/v1/chat/completions"):
        complete(provider, base_url="http://model.invalid/v1", proxy=provider.url)


@pytest.mark.parametrize("proxy", ["proxy", "socks5://h:1", "http://h:x"])
def test_a_proxy_that_leads_nowhere_is_refused(provider, proxy):
    with pytest.raises(InvalidConfig, match=r"providers\.openai\.proxy isn't a URL"):
        complete(provider, proxy=proxy)


def test_draining_waits_for_the_calls_under_way(provider):
    provider.script(Act(at="answer", then="wait"))

    async def call():
        async with opened(settings(provider)) as upstreams:
            await upstreams.drain()
            answer = asyncio.create_task(upstreams.complete("openai", body()))
            await asyncio.to_thread(provider.wait_for_calls, 1)
            drained = asyncio.create_task(upstreams.drain())
            await asyncio.sleep(0)
            was_drained = drained.done()
            provider.release()
            await drained
            return was_drained, answer.done()

    assert asyncio.run(call()) == (False, True)
