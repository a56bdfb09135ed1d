"""Every way in which a provider fails: what is said, whether it may be tried again, whether it was billed."""

import pytest
from calling import body, complete, stream
from hypothesis import given
from hypothesis import strategies as st
from provider_acts import (
    BROKEN_UTF8,
    CONTEXT_TOO_LONG,
    HANG,
    HTML,
    RESET_AFTER,
    RESET_BEFORE,
    TRUNCATED_JSON,
    Act,
    gzip_bomb,
    rate_limited,
)

from pointsman.errors import UpstreamError, UpstreamTimeout
from pointsman.gateway.upstreams import MAX_REPLY_BYTES
from pointsman.gateway.upstreams.failures import MAX_MESSAGE, Wording, read_error, retry_after_s
from pointsman.settings import Retries

ONCE = Retries(attempts=1)
SHORT = {"first_byte_timeout_s": 0.05}
IDLE = {"idle_timeout_s": 0.2}


def failure(provider, act, **more):
    """Return how a call fails that goes like this."""
    provider.script(act)
    with pytest.raises(UpstreamError) as failed:
        complete(provider, retries=ONCE, **more)
    error = failed.value
    assert type(error) is (UpstreamTimeout if error.code == "upstream_timeout" else UpstreamError)
    return error


def facts(error):
    return error.code, error.status, error.is_retryable, error.is_unbilled, error.upstream_code


REFUSALS = {
    "limited": (rate_limited("7"), ("upstream", 429, True, True, "rate_limit_exceeded")),
    "poor": (Act(status=429, code="insufficient_quota"), ("upstream", 429, False, True, "insufficient_quota")),
    "broken": (Act(status=500), ("upstream", 500, True, True, "server_error")),
    "down": (Act(status=503), ("upstream", 503, True, True, "server_error")),
    "forbidden": (Act(status=401), ("upstream", 401, False, True, "invalid_request_error")),
    "too long": (CONTEXT_TOO_LONG, ("upstream", 400, False, True, "context_length_exceeded")),
    "unknown": (Act(status=404, code="model_not_found"), ("upstream", 404, False, True, "model_not_found")),
    "slow gateway": (Act(status=504), ("upstream_timeout", 504, False, False, "server_error")),
    "slow origin": (Act(status=524), ("upstream_timeout", 524, False, False, "server_error")),
    "moved": (
        Act(status=302, headers={"location": "http://169.254.169.254/"}),
        ("upstream", 302, False, False, "invalid_request_error"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_refusal_says_its_status_and_whether_it_was_billed(provider, name, is_stream):
    act, expected = REFUSALS[name]
    assert facts(failure(provider, act, sent=body(stream=is_stream))) == expected


def test_a_refusal_repeats_the_providers_words(provider):
    assert failure(provider, CONTEXT_TOO_LONG).message == (
        "openai answered 400 (context_length_exceeded): maximum context length is 128000 tokens"
    )
    assert failure(provider, rate_limited("7")).retry_after_s == 7.0


def test_a_redirect_is_not_followed(provider):
    error = failure(provider, Act(status=302, headers={"location": f"{provider.url}/v1/models"}))
    assert error.message.endswith("Redirects aren't followed; set the provider's base_url to where it ends.")
    assert len(provider.calls) == 1


NONSENSE = {
    "html": (HTML, "openai answered text/html of 65 bytes, not a JSON object; what it billed isn't known."),
    "nothing": (Act(body=b""), "openai answered application/json of 0 bytes, not a JSON object; what"),
    "a list": (Act(body=b"[1]"), "openai answered application/json of 3 bytes, not a JSON object; what"),
    "an error": (Act(body=b'{"error": {"message": "no"}}'), "openai answered an error: no; what it billed isn't"),
    "a body cut short": (Act(length_lie=10), "openai broke off after "),
    "a body reset": (Act(at=10, then="reset"), "openai broke off after "),
    "a reset": (RESET_AFTER, "openai broke off before it answered (Client"),
    "a cut": (Act(at="answer", then="cut"), "openai broke off before it answered (ServerDisconnectedError); what"),
    "a reset unread": (RESET_BEFORE, "openai broke off before it answered (Client"),
    "packed nonsense": (Act(body=b"{}", headers={"content-encoding": "gzip"}), "openai broke off "),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_an_error_whose_bill_isnt_known(provider, name):
    act, message = NONSENSE[name]
    error = failure(provider, act)
    assert error.message.startswith(message)
    assert facts(error)[0] == "upstream"
    assert (error.is_retryable, error.is_unbilled) == (False, False)


@pytest.mark.parametrize("act", [BROKEN_UTF8, TRUNCATED_JSON])
def test_what_starts_as_an_object_is_left_to_who_reads_it(provider, act):
    provider.script(act)
    assert complete(provider).body == act.body


def test_bytes_beyond_the_length_are_an_error(provider):
    assert failure(provider, Act(length_lie=-20)).message.startswith("openai broke off before it answered (")


# Time


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_provider_that_hangs_is_left_and_its_bill_isnt_known(provider, is_stream):
    error = failure(provider, HANG, sent=body(stream=is_stream), **SHORT)
    assert facts(error) == ("upstream_timeout", None, False, False, None)
    assert error.message == "openai answered nothing for 0.05 s (first_byte_timeout_s)."


def test_an_answer_that_stops_is_left(provider):
    error = failure(provider, Act(at=10, then="hang"), **IDLE)
    assert facts(error) == ("upstream_timeout", 200, False, False, None)
    assert error.message.startswith("openai stopped answering after 10 bytes: 0.2 s without a byte (idle_timeout_s)")


def test_an_answer_that_trickles_is_left_when_it_takes_too_long(provider):
    error = failure(provider, Act(piece_bytes=1, every_s=0.01), total_timeout_s=0.1)
    assert error.message.endswith("or 0.1 s in all (total_timeout_s).")


def test_an_answer_that_trickles_within_its_time_is_whole(provider):
    provider.script(Act(piece_bytes=16, every_s=0.0005))
    assert b"You said" in complete(provider).body


def test_a_refusal_whose_words_never_come_is_still_that_refusal(provider):
    assert facts(failure(provider, Act(status=503, at=5, then="hang"), **IDLE))[:3] == ("upstream", 503, True)


# Size


def test_a_gzip_bomb_is_cut_at_the_bound(provider):
    error = failure(provider, gzip_bomb(MAX_REPLY_BYTES + (1 << 20)))
    assert error.message == "openai answered more than 64 MB; what it billed isn't known."


def test_packed_answers_are_unpacked(provider):
    provider.script(Act(body=b'{"packed": true}', gzip=True))
    assert complete(provider).body == b'{"packed": true}'


# Streams


@pytest.mark.parametrize("then", ["cut", "half", "reset"])
def test_a_stream_that_breaks_gives_what_came_and_an_error(provider, then):
    provider.script(Act(words=9, at=4, then=then))
    came, answer, error = stream(provider)
    assert came.count(b'"content":"') >= 4
    assert error.message.startswith(f"openai broke off after {len(came):,} bytes (")
    assert (error.status, error.is_unbilled, answer.total_ms) == (200, False, None)
    assert provider.settled().invoice[0].usage.output == 4


@pytest.mark.parametrize(("at", "last"), [("usage", b'"finish_reason":"stop"'), ("done", b'"completion_tokens":2')])
def test_a_stream_that_ends_cleanly_too_soon_is_left_to_who_reads_it(provider, at, last):
    provider.script(Act(words=2, at=at, then="end"))
    came, _, error = stream(provider, sent=body(stream=True, stream_options={"include_usage": True}))
    assert (last in came.split(b"\n\n")[-2], error) == (True, None)


def test_an_error_event_is_handed_on(provider):
    provider.script(Act(words=9, at=2, then="error", message="overloaded"))
    came, _, error = stream(provider)
    assert (b'data: {"error":{"message":"overloaded"' in came, error) == (True, None)


def test_a_stream_that_hangs_is_left(provider):
    provider.script(Act(words=9, at=2, then="hang"))
    came, _, error = stream(provider, **IDLE)
    assert came.count(b"\n\n") == 3
    assert facts(error) == ("upstream_timeout", 200, False, False, None)


@pytest.mark.parametrize("act", [HTML, Act(body=b'{"choices": []}')])
def test_a_whole_answer_in_place_of_a_stream_is_an_error(provider, act):
    error = failure_of_stream(provider, act)
    assert (error.status, error.is_unbilled) == (200, False)


def failure_of_stream(provider, act):
    provider.script(act)
    with pytest.raises(UpstreamError) as failed:
        stream(provider)
    return failed.value


# Words


def test_no_key_is_repeated(provider):
    error = failure(provider, Act(), api_key="sk-proj-abc123")
    assert error.message == "openai answered 401 (invalid_api_key): Incorrect API key provided: [key]"


def test_no_configured_header_is_repeated(provider):
    act = Act(status=400, message="bad header s3cret-token")
    assert "s3cret" not in failure(provider, act, headers={"x-team": "s3cret-token"}).message


def test_a_prompt_that_is_quoted_is_left_out(provider):
    sent = body(user="x", messages=[{"role": "user", "content": "the patient has a rare and awful disease of hers"}])
    act = Act(status=400, message='flagged: "patient has a rare and awful disease" is not allowed')
    assert failure(provider, act, sent=sent).message.endswith(": flagged: […] is not allowed")


def test_long_words_of_many_lines_become_one_short_line(provider):
    error = failure(provider, Act(status=400, message="bad\r\nthing\x1b[31m " + "z " * 5000))
    words = error.message.partition("): ")[2]
    assert words.startswith("bad thing [31m z z")
    assert (len(words), words[-1]) == (MAX_MESSAGE, "…")


@given(st.text(), st.text(min_size=4, alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_cleaned_words_are_one_printable_line_without_the_secret(text, secret):
    clean = Wording([secret]).clean(f"{text}{secret}{text}")
    assert secret not in clean or secret in "[key]"
    assert clean.isprintable()
    assert len(clean) <= MAX_MESSAGE


SHAPES = {
    b'{"error": {"message": "m", "code": "c", "type": "t"}}': ("c", "m"),
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}': ("overloaded_error", "m"),
    b'{"error": "m"}': (None, "m"),
    b'{"detail": [{"loc": "x"}]}': (None, "[{'loc': 'x'}]"),
    b'{"error": {"code": 429, "message": "m"}}': (None, "m"),
    b"[]": (None, ""),
    b"<html>": (None, "it is a page of HTML, not JSON."),
    b"busy": (None, "busy"),
    b"\xff": (None, "\ufffd"),
    b"[" * 100_000: (None, "[" * 2000),
}


@pytest.mark.parametrize("body", SHAPES, ids=range(len(SHAPES)))
def test_errors_are_read_in_every_shape_that_providers_use(body):
    assert read_error(body) == SHAPES[body]


@given(st.binary(max_size=200))
def test_any_bytes_of_an_error_can_be_read(body):
    code, message = read_error(body)
    assert isinstance(message, str)
    assert code is None or isinstance(code, str)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:10 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_milliseconds_seconds_or_a_date(headers, expected):
    assert retry_after_s(headers) == expected
