"""Providers that LiteLLM speaks to. What needs the library runs where it is installed: `pip install litellm`."""

import asyncio
import importlib.util
import json
import warnings

import pytest
from calling import ASK, KEY, body, complete, opened, settings, stream
from provider_acts import HANG, Act, rate_limited

from pointsman.errors import InvalidChat, UpstreamError, UpstreamTimeout
from pointsman.gateway.upstreams.through_litellm import PASSED_FIELDS, _arguments, _library
from pointsman.settings import Retries

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
HOSTILE = {
    "api_base": "http://169.254.169.254",
    "base_url": "http://169.254.169.254",
    "api_key": "sk-other",
    "extra_headers": {"x": "y"},
    "extra_body": {"model": "dearer"},
    "fallbacks": ["gpt-4o"],
    "mock_response": "free",
    "custom_llm_provider": "ollama",
    "metadata": {"user_api_key": "x"},
    "timeout": 1,
    "num_retries": 9,
    "litellm_params": {},
}


def test_only_the_fields_of_a_chat_are_handed_on():
    sent = body(temperature=0.5, tools=[{"type": "function"}], **HOSTILE)
    assert _arguments(sent) == {
        "model": "gpt-4o-mini",
        "messages": ASK,
        "temperature": 0.5,
        "tools": [{"type": "function"}],
    }
    assert not PASSED_FIELDS & set(HOSTILE)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}},
        {"type": "image_url", "image_url": "https://elsewhere/x.png"},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "file", "file": {"file_id": "gs://bucket/secret"}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "ftp://x"}}]},
    ],
)
def test_what_a_message_links_to_is_never_fetched(part):
    with pytest.raises(InvalidChat, match="links to a picture or file") as refused:
        _arguments(body(messages=[{"role": "user", "content": [PICTURE, part]}]))
    assert refused.value.field == "messages"


def test_data_in_a_message_and_links_in_its_words_are_handed_on():
    content = [PICTURE, {"type": "text", "text": "see http://example.com"}]
    assert _arguments(body(messages=[{"role": "user", "content": content}]))["messages"][0]["content"] == content


DEEP = b'{"messages": ' + b'[{"a":' * 480 + b"1" + b"}]" * 480 + b"}"


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, DEEP])
def test_a_body_that_is_no_object_is_refused(sent):
    with pytest.raises(InvalidChat, match="isn't a JSON object"):
        _arguments(sent)


needs_litellm = [
    pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="litellm isn't installed"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def _imported():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _library()


def with_litellm(test):
    for mark in (*needs_litellm, pytest.mark.usefixtures("_imported")):
        test = mark(test)
    return test


LITELLM = {"protocol": "litellm", "first_byte_timeout_s": 5.0}
SENT = body("openai/gpt-4o-mini")


@with_litellm
def test_an_answer_through_litellm_has_openais_shape(provider):
    answer = complete(provider, sent=SENT, **LITELLM)
    told = json.loads(answer.body)
    assert told["choices"][0]["message"]["content"] == "You said: one two three"
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (7, 5)
    assert provider.calls[0].headers["authorization"] == f"Bearer {KEY}"


@with_litellm
def test_a_stream_through_litellm_has_openais_events_and_its_usage(provider):
    sent = body("openai/gpt-4o-mini", stream=True, stream_options={"include_usage": True})
    came, answer, error = stream(provider, sent=sent, **LITELLM)
    events = [event.removeprefix(b"data: ") for event in came.split(b"\n\n") if event]
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    usage = [c["usage"]["completion_tokens"] for c in chunks if c.get("usage")]
    assert (text, usage, events[-1], error) == ("You said: one two three", [5], b"[DONE]", None)
    assert answer.first_ms <= answer.total_ms


@with_litellm
@pytest.mark.parametrize(
    ("act", "status", "is_unbilled"),
    [(Act(status=400), 400, True), (Act(status=401), 401, True), (rate_limited("7"), 429, True)],
)
def test_a_refusal_through_litellm_says_that_it_was_unbilled(provider, act, status, is_unbilled):
    provider.rule(act)
    with pytest.raises(UpstreamError) as refused:
        complete(provider, sent=SENT, retries=Retries(attempts=1), **LITELLM)
    error = refused.value
    assert (error.status, error.is_unbilled, len(provider.calls)) == (status, is_unbilled, 1)
    assert KEY not in error.message


@with_litellm
def test_a_moment_of_too_many_calls_through_litellm_is_sent_again(provider):
    provider.script(rate_limited(None))
    assert complete(provider, sent=SENT, **LITELLM).tries == 2


@with_litellm
@pytest.mark.parametrize("act", [Act(status=500), Act(status=503), Act(at="answer", then="reset")])
def test_what_litellm_calls_a_failure_of_the_server_isnt_sent_again(provider, act):
    provider.script(act)
    with pytest.raises(UpstreamError) as failed:
        complete(provider, sent=SENT, **LITELLM)
    assert (failed.value.is_unbilled, len(provider.calls)) == (False, 1)


@with_litellm
def test_a_provider_that_hangs_behind_litellm_is_left(provider):
    provider.script(HANG)
    with pytest.raises(UpstreamTimeout):
        complete(provider, sent=SENT, total_timeout_s=0.2, protocol="litellm")


@with_litellm
def test_a_stream_that_breaks_behind_litellm_gives_what_came_and_an_error(provider):
    provider.script(Act(words=9, at=4, then="reset"))
    came, _, error = stream(provider, sent=body("openai/gpt-4o-mini", stream=True), **LITELLM)
    assert (came.count(b'"content":') >= 1, type(error), error.is_unbilled) == (True, UpstreamError, False)


@with_litellm
def test_leaving_a_stream_of_litellm_before_its_end_ends_the_call(provider):
    provider.script(Act(words=50, at=2, then="hang"))

    async def call():
        async with opened(settings(provider, "litellm")) as upstreams:
            async with upstreams.stream("litellm", body("openai/gpt-4o-mini", stream=True)) as answer:
                async for chunk in answer:
                    if b"word2" in chunk:
                        break
            await asyncio.to_thread(provider.settled)

    asyncio.run(call())
    assert [(line.end, line.usage.output) for line in provider.invoice] == [("hung_up", 2)]


@with_litellm
def test_a_callers_fields_dont_turn_a_call_elsewhere(provider):
    complete(provider, sent=body("openai/gpt-4o-mini", **HOSTILE), **LITELLM)
    assert len(provider.calls) == 1


@with_litellm
def test_litellm_and_http_providers_live_side_by_side(provider):
    async def call():
        async with opened(settings(provider), settings(provider, "litellm")) as upstreams:
            return [await upstreams.complete("openai", body()), await upstreams.complete("litellm", SENT)]

    texts = [json.loads(answer.body)["choices"][0]["message"]["content"] for answer in asyncio.run(call())]
    assert texts == ["You said: one two three"] * 2
