"""Requests that can't be answered: each is refused in its caller's protocol, and nothing is held, sent or leaked."""

import gzip
import json
import socket
import string

import anthropic
import httpx
import openai
import pytest
from gateways import PATIENCE_S, running_gateway
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider import Provider

from pointsman.access import KeyTerms
from pointsman.store import open_keys

SECRET = "a secret for the keys of tests, long enough"
CHAT, MESSAGES, EXECUTE = "/v1/chat/completions", "/v1/messages", "/v1/execute"
SAY = [{"role": "user", "content": "Fix the login bug"}]
BODIES = {
    CHAT: {"model": "auto", "messages": SAY},
    MESSAGES: {"model": "auto", "messages": SAY, "max_tokens": 100},
    EXECUTE: {"description": "Fix the login bug"},
}
LIMITS = {"max_body_bytes": 1 << 20, "max_depth": 64}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def provider():
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def place(provider, tmp_path_factory):
    """Return a gateway that asks for keys, and a key of it."""
    folder = tmp_path_factory.mktemp("bad")
    url = f"sqlite:///{folder}/pointsman.db"
    with open_keys(url, SECRET) as keys:
        token = keys.create(KeyTerms(role="admin"), changed_by="eve").token
    told = {"keys": {"required": True, "secret": SECRET}, "limits": LIMITS, "database_url": url}
    with running_gateway(folder, provider.url, **told) as gateway:
        yield gateway, token


@pytest.fixture
def untouched(place, provider):
    """Assert that the test sent nothing to the provider, and that no money is held or spent by it."""
    gateway, _ = place
    before, calls = gateway.settled().posted_nanousd, len(provider.calls)
    yield
    assert (gateway.settled().posted_nanousd, gateway.held_nanousd, len(provider.calls)) == (before, 0, calls)


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=PATIENCE_S) as opened:
        yield opened


def sent(place, client, path, content, **headers):
    gateway, token = place
    told = {"authorization": f"Bearer {token}", "content-type": "application/json", **headers}
    return client.post(f"{gateway.url}{path}", content=content, headers=told)


def check_refusal(answer, path, status):
    """Assert that an answer is an error in the shape of its path's protocol, without a trace of the inside."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    if path == CHAT:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
    elif path == MESSAGES:
        assert (set(body), body["type"]) == ({"type", "error"}, "error")
        assert set(body["error"]) == {"type", "message"}
    else:
        assert set(body["error"]) >= {"code", "message"}
    assert len(body["error"]["message"]) > 10
    for trace in ("Traceback", 'File "', ".py", "pointsman."):
        assert trace not in answer.text


RAW = {
    "nothing": (b"", 400),
    "no JSON": (b"model=auto", 400),
    "JSON that ends early": (b'{"model": "auto", "messages": [', 400),
    "NaN": (b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}', 400),
    "Infinity": (b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "max_tokens": Infinity}', 400),
    "broken UTF-8": (b'{"model": "auto", "messages": [{"role": "user", "content": "\xff\xfe"}]}', 400),
    "deep JSON": (b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "deep JSON that never ends": (b"[" * 500_000, 400),
    "too large": (b'{"model": "' + b"a" * (1 << 20) + b'"}', 413),
    "trailing words": (b'{"model": "auto"} {"model": "auto"}', 400),
    "a UTF-16 body": ('{"model": "auto"}'.encode("utf-16"), 400),
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", RAW)
@pytest.mark.usefixtures("untouched")
def test_a_body_that_is_no_request_is_refused(place, client, path, name):
    content, status = RAW[name]
    check_refusal(sent(place, client, path, content), path, status)


WRONG = {
    "no object": ([], (400, 422)),
    "a number": (7, (400, 422)),
    "no model": ({"messages": SAY}, (400,)),
    "a model that is no text": ({"model": 7, "messages": SAY}, (400,)),
    "an unknown model": ({"model": "gpt-9", "messages": SAY, "max_tokens": 5}, (404,)),
    "a model of line breaks": ({"model": "auto\r\nx-evil: 1", "messages": SAY, "max_tokens": 5}, (400, 404)),
    "a URL as the model": ({"model": "http://evil.test/v1", "messages": SAY, "max_tokens": 5}, (404,)),
    "no messages": ({"model": "auto", "max_tokens": 5}, (400,)),
    "empty messages": ({"model": "auto", "messages": [], "max_tokens": 5}, (400,)),
    "messages of texts": ({"model": "auto", "messages": ["hi"], "max_tokens": 5}, (400,)),
    "an unknown role": ({"model": "auto", "messages": [{"role": "root", "content": "x"}], "max_tokens": 5}, (400,)),
    "content of an unknown kind": (
        {"model": "auto", "messages": [{"role": "user", "content": [{"type": "video"}]}], "max_tokens": 5},
        (400,),
    ),
    "half a surrogate pair": (
        {"model": "auto", "messages": [{"role": "user", "content": "\ud800"}], "max_tokens": 5},
        (400,),
    ),
    "tools that are no list": ({"model": "auto", "messages": SAY, "max_tokens": 5, "tools": "all"}, (400,)),
    "a tool without a name": (
        {"model": "auto", "messages": SAY, "max_tokens": 5, "tools": [{"type": "function"}]},
        (400,),
    ),
    "a tool of an unknown kind": (
        {"model": "auto", "messages": SAY, "max_tokens": 5, "tools": [{"type": "rocket"}]},
        (400,),
    ),
    "negative tokens": ({"model": "auto", "messages": SAY, "max_tokens": -1}, (400,)),
    "tokens of no whole number": ({"model": "auto", "messages": SAY, "max_tokens": 1.5}, (400,)),
    "very many tokens": ({"model": "auto", "messages": SAY, "max_tokens": 10**30}, (400,)),
    "true tokens": ({"model": "auto", "messages": SAY, "max_tokens": True}, (400,)),
    "a stream that is no flag": ({"model": "auto", "messages": SAY, "max_tokens": 5, "stream": "yes"}, (400,)),
    "a call elsewhere": ({"model": "auto", "messages": SAY, "max_tokens": 5, "base_url": "http://evil.test"}, (400,)),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("untouched")
def test_a_chat_that_cannot_be_meant_is_refused(place, client, path, name):
    body, statuses = WRONG[name]
    answer = sent(place, client, path, json.dumps(body).encode())
    assert answer.status_code in statuses, answer.text
    check_refusal(answer, path, answer.status_code)


@pytest.mark.parametrize(
    "told",
    [
        {"x-pointsman-budget-usd": "nan"},
        {"x-pointsman-budget-usd": "inf"},
        {"x-pointsman-budget-usd": "-1"},
        {"x-pointsman-budget-usd": "1e999"},
        {"x-pointsman-min-quality": "nan"},
        {"x-pointsman-min-quality": "7"},
        {"x-pointsman-type": "x" * 5000},
        {"x-pointsman-tags": "user=bob"},
        {"x-pointsman-tags": "project=" + "p" * 5000},
        {"x-pointsman-priority": "urgent"},
        {"x-pointsman-cost-usd": "0"},
        {"content-encoding": "gzip"},
        {"content-encoding": "br, gzip"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.usefixtures("untouched")
def test_a_header_that_cannot_be_meant_is_refused(place, client, path, told):
    answer = sent(place, client, path, json.dumps(BODIES[path]).encode(), **told)
    check_refusal(answer, path, answer.status_code)
    assert answer.status_code in (400, 402, 415, 422)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("key", ["", "Bearer", "Bearer pm-wrong", "Basic cG06", "Bearer " + "x" * 10_000, "pm-bare"])
@pytest.mark.usefixtures("untouched")
def test_a_wrong_key_is_refused(place, client, path, key):
    answer = sent(place, client, path, json.dumps(BODIES[path]).encode(), authorization=key)
    check_refusal(answer, path, 401)
    assert key[7:] not in answer.text or len(key) < 12


@pytest.mark.usefixtures("untouched")
def test_a_gzip_bomb_is_not_unpacked(place, client):
    answer = sent(place, client, CHAT, gzip.compress(bytes(50 << 20)), **{"content-encoding": "gzip"})
    check_refusal(answer, CHAT, 415)


@pytest.mark.usefixtures("untouched")
def test_a_body_of_100_mb_is_refused_long_before_its_end(place):
    gateway, token = place
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {100 << 20}\r\n\r\n"
    assert raw(gateway, head.encode() + bytes(1000)).startswith(b"HTTP/1.1 413 ")
    chunked = head.replace(f"Content-Length: {100 << 20}", "Transfer-Encoding: chunked").encode()
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    assert raw(gateway, chunked + 20 * chunk).startswith(b"HTTP/1.1 413 ")


def raw(gateway, data):
    """Return what comes back for these bytes."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        wire.sendall(data)
        wire.settimeout(1.0)
        came = b""
        try:
            while chunk := wire.recv(65536):
                came += chunk
                if b"\r\n\r\n" in came:
                    break
        except TimeoutError:
            pass
        return came


def request(token, path=CHAT, headers="", body=None, target=None, method="POST"):
    content = json.dumps(BODIES[CHAT] if body is None else body).encode()
    size = "" if "ength" in headers or "ncoding: chunked" in headers else f"Content-Length: {len(content)}\r\n"
    head = (
        f"{method} {target or path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n{size}{headers}\r\n"
    )
    return head.encode("latin-1") + content


SMUGGLED = {
    "two lengths": "Content-Length: 5\r\nContent-Length: 64\r\n",
    "a length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "a length of no number": "Content-Length: +64\r\n",
    "a length in hex": "Content-Length: 0x40\r\n",
    "a negative length": "Content-Length: -1\r\n",
    "a long length": "Content-Length: " + "9" * 40 + "\r\n",
    "chunks by another name": "Transfer-Encoding: xchunked\r\nContent-Length: 64\r\n",
    "chunks after a space": "Transfer-Encoding : chunked\r\nContent-Length: 64\r\n",
    "two keys": "Authorization: Bearer pm-another\r\n",
    "another key elsewhere": "x-api-key: pm-another\r\n",
    "a zero byte": "X-Zero: a\0b\r\n",
    "a lone carriage return": "X-Cr: a\rX-Evil: b\r\n",
    "a folded header": "X-Fold: a\r\n b\r\n",
    "a header without a colon": "nonsense\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.usefixtures("untouched")
def test_a_request_that_two_servers_could_read_differently_is_refused(place, name):
    gateway, token = place
    answer = raw(gateway, request(token, headers=SMUGGLED[name]))
    assert answer[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 413 ", b"HTTP/1.1 401 "), answer[:300]
    assert b"Traceback" not in answer


PATHS = [
    "/v1/../v1/chat/completions",
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/chat/completions/",
    "/V1/CHAT/COMPLETIONS",
    "/v1/chat/completions;x=1",
    "/%76%31/keys/../chat/completions",
    "/v1/messages%00",
    "/v1/chat/completions%0d%0aX-Evil:1",
    "/livez/../v1/chat/completions",
    "/docs/../v1/keys",
    "*",
]


@pytest.mark.parametrize("target", PATHS)
@pytest.mark.usefixtures("untouched")
def test_another_spelling_of_an_address_reaches_nothing(place, target):
    gateway, token = place
    for key in (token, "pm-wrong"):
        answer = raw(gateway, request(key, target=target))
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404", b"HTTP/1.1 403", b"HTTP/1.1 405"), (
            answer
        )
        assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.usefixtures("untouched")
def test_an_address_in_escapes_is_the_same_address_to_the_guard(place):
    gateway, _ = place
    for target in ("/v1/chat%2fcompletions", "/%76%31/chat/completions", "/v1/%63hat/completions"):
        assert raw(gateway, request("pm-wrong", target=target)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.usefixtures("untouched")
def test_the_official_clients_raise_their_own_errors(place):
    gateway, token = place
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=token, max_retries=0) as gpt:
        ask = gpt.chat.completions.create
        for error, more in (
            (openai.NotFoundError, {"model": "gpt-9", "messages": SAY}),
            (openai.BadRequestError, {"model": "auto", "messages": []}),
            (openai.BadRequestError, {"model": "auto", "messages": SAY, "tools": [{"type": "rocket"}]}),
            (
                openai.APIStatusError,
                {"model": "auto", "messages": SAY, "extra_headers": {"x-pointsman-budget-usd": "nan"}},
            ),
            (
                openai.AuthenticationError,
                {"model": "auto", "messages": SAY, "extra_headers": {"Authorization": "Bearer pm-no"}},
            ),
        ):
            with pytest.raises(error):
                ask(**more)
    with anthropic.Anthropic(base_url=gateway.url, api_key=token, max_retries=0) as claude:
        for error, more in (
            (anthropic.NotFoundError, {"model": "gpt-9", "messages": SAY}),
            (anthropic.BadRequestError, {"model": "auto", "messages": []}),
            (
                anthropic.RequestTooLargeError,
                {"model": "auto", "messages": [{"role": "user", "content": "x" * (1 << 20)}]},
            ),
        ):
            with pytest.raises(error):
                claude.messages.create(max_tokens=5, **more)
        with pytest.raises(anthropic.AuthenticationError):
            claude.with_options(api_key="pm-no").messages.create(model="auto", messages=SAY, max_tokens=5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_lowercase, max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    *(
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "stream_options",
        "n",
        "temperature",
        "tools",
    ),
    *(
        "tool_choice",
        "response_format",
        "stop",
        "stop_sequences",
        "system",
        "metadata",
        "user",
        "thinking",
        "logit_bias",
    ),
    *(
        "functions",
        "service_tier",
        "extra_body",
        "cache_control",
        "top_p",
        "modalities",
        "prediction",
        "reasoning_effort",
    ),
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool"]) | JSON,
        "content": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image_url", "tool_use"]) | JSON},
                optional={"text": JSON, "image_url": JSON, "source": JSON, "input": JSON, "id": JSON},
            ),
            max_size=2,
        )
        | JSON,
        "tool_calls": JSON | st.lists(st.fixed_dictionaries({"id": JSON, "type": JSON, "function": JSON}), max_size=2),
        "tool_call_id": JSON,
    },
)
MALFORMED = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([BODIES[CHAT], BODIES[MESSAGES]]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3)
    | st.fixed_dictionaries({"messages": st.lists(MESSAGE, max_size=3)}),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=st.sampled_from([CHAT, MESSAGES]), body=MALFORMED)
def test_no_body_makes_the_gateway_fail(place, client, path, body):
    answer = sent(place, client, path, json.dumps(body).encode())
    assert answer.status_code in (200, 502) or 400 <= answer.status_code < 500, (answer.status_code, body)
    if answer.status_code != 200:
        check_refusal(answer, path, answer.status_code)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(BODIES)), place_=st.integers(0, 60), junk=st.binary(max_size=12))
def test_no_broken_bytes_make_the_gateway_fail(place, client, path, place_, junk):
    good = json.dumps(BODIES[path]).encode()
    answer = sent(place, client, path, good[:place_] + junk + good[place_ + len(junk) :])
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text


def test_after_all_of_these_nothing_is_held(place, provider):
    gateway, _ = place
    provider.settled()
    assert gateway.settled().held_nanousd == 0
