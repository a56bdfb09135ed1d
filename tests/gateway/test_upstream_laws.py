"""Laws of calls, whatever the provider does: each failure is told as one, and "unbilled" is true on the invoice."""

import pytest
from calling import ASK, body, complete, stream
from hypothesis import given, settings
from hypothesis import strategies as st
from provider import Provider
from provider_acts import Act

from pointsman.errors import UpstreamError
from pointsman.settings import Retries

SHORT = {"first_byte_timeout_s": 0.1, "idle_timeout_s": 0.1, "total_timeout_s": 2.0}

acts = st.builds(
    Act,
    words=st.sampled_from([None, 0, 3]),
    status=st.sampled_from([200, 200, 200, 302, 400, 401, 404, 429, 500, 502, 503, 529]),
    code=st.sampled_from([None, "insufficient_quota", "context_length_exceeded"]),
    headers=st.sampled_from([{}, {"retry-after": "0"}, {"retry-after": "99"}, {"content-type": "text/plain"}]),
    body=st.sampled_from([None, None, b"", b"<html>", b"\xff{", b'{"error": {}}', b"null"]),
    length_lie=st.sampled_from([0, 0, -1, 5]),
    gzip=st.booleans(),
    at=st.sampled_from([None, None, "answer", "headers", "usage", "done", 1]),
    then=st.sampled_from(["reset", "cut", "half", "end", "error"]),
    usage=st.sampled_from([None, {}, {"completion_tokens": -1}]),
    reasoning=st.sampled_from([0, 5]),
)
slow_gateways = st.builds(Act, status=st.sampled_from([408, 499, 504, 520, 524]), is_billed=st.just(True))
"""What somebody between us and the model says while the model works on, and bills."""


@pytest.fixture(scope="module")
def shared():
    with Provider() as started:
        yield started


def outcome(call):
    """Return (the tries of an answer, the error of a failure), one of them None."""
    try:
        got = call()
    except UpstreamError as error:
        return None, error
    return (got[1].tries, got[2]) if isinstance(got, tuple) else (got.tries, None)


@settings(max_examples=80, deadline=None)
@given(
    script=st.lists(acts | slow_gateways, min_size=1, max_size=3), is_stream=st.booleans(), is_anthropic=st.booleans()
)
def test_whatever_happens_one_hold_covers_what_was_billed(shared, script, is_stream, is_anthropic):
    shared.reset()
    shared.script(*script)
    model, protocol = ("claude-haiku", "anthropic") if is_anthropic else ("gpt-4o-mini", "openai")
    sent = body(model, messages=ASK, max_tokens=50, stream=is_stream)
    ask = stream if is_stream else complete
    tries, error = outcome(lambda: ask(shared, sent=sent, protocol=protocol, retries=Retries(attempts=3), **SHORT))
    billed = [line for line in shared.settled().invoice if line.is_billed]
    assert len(billed) <= 1
    if tries is None:
        assert not (error.is_unbilled and billed)
        assert "sk-test" not in error.message
    else:
        assert len(shared.calls) == tries
        assert len(billed) == 1
