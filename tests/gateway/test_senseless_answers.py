"""A provider that answers nonsense of every kind: each caller gets an answer or an error, and no money stays held."""

import itertools
import json
import logging

import httpx
import pytest
from gateways import PATIENCE_S, running_gateway
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invoices import FAST, QUICK, Till
from provider import Provider
from provider_acts import Act
from provider_answers import anthropic_body, anthropic_events, openai_body, openai_events, write

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ASK = {"messages": [{"role": "user", "content": "Fix the login bug"}], "max_tokens": 60}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def answer(model, *, with_tools):
    body = {**ASK, "model": model, **({"tools": TOOLS} if with_tools else {})}
    return write("x", body, Act(reasoning=3), is_anthropic=model == "claude-haiku")


def events(model, *, with_tools):
    """Return the data of each event of a good stream."""
    good = answer(model, with_tools=with_tools)
    made = anthropic_events(good) if model == "claude-haiku" else openai_events(good, with_usage=True)
    return [event.partition(b"data: ")[2].strip() for event, _, _ in made]


NUMBERS = itertools.count()
MODELS = ("gpt-4o-mini", "claude-haiku")
BODIES = {
    (model, with_tools): json.loads((anthropic_body if model == "claude-haiku" else openai_body)(answer(model, with_tools=with_tools)))
    for model in MODELS
    for with_tools in (False, True)
}
STREAMS = {
    (model, with_tools): [json.loads(data) for data in events(model, with_tools=with_tools) if data != b"[DONE]"]
    for model in MODELS
    for with_tools in (False, True)
}
JUNK = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False)),
    *(st.text(max_size=5), st.just([]), st.just({}), st.just([7]), st.just({"type": "x"}), st.just([[]])),
)


def places(value, path=()):
    """Return the path to everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def replaced(value, path, junk):
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


def spoilt(good):
    """Return JSON like this with up to two places replaced by junk."""
    once = st.sampled_from(places(good)).flatmap(lambda path: JUNK.map(lambda junk: replaced(good, path, junk)))
    return once | once.flatmap(lambda bad: st.sampled_from(places(bad)).flatmap(lambda p: JUNK.map(lambda j: replaced(bad, p, j))))


@pytest.fixture(scope="module")
def provider():
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory):
    told = {"openai": {"base_url": provider.openai_url, "api_key": "sk-test", **FAST}}
    told["anthropic"] = {"base_url": provider.url, "api_key": "sk-test", **FAST}
    sections = {"providers": told, "retries": QUICK, "cache": {"enabled": True}, "budgets": {"daily_usd": 100_000, "tiers": False}}
    with running_gateway(tmp_path_factory.mktemp("senseless"), provider.url, **sections) as started:
        yield started


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=PATIENCE_S) as opened:
        yield opened


def check(gateway, provider, client, act, case, caplog):
    (model, with_tools), path, is_stream = case
    till = Till(gateway, provider, client)
    provider.rule(act)
    caplog.clear()
    body = {**ASK, "model": model, "stream": is_stream, "messages": [{"role": "user", "content": f"Bug {next(NUMBERS)}"}]}
    tools = TOOLS if path == CHAT else [{"name": "look", "input_schema": {"type": "object"}}]
    reply = client.post(gateway.url + path, json={**body, "tools": tools} if with_tools else body)
    assert reply.status_code in (200, 502), (reply.status_code, reply.text)
    till.settled()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert till.holds[0].state in ("settled", "presumed")
    for frozen in gateway.treasury.ledger.freezes():
        gateway.treasury.ledger.unfreeze(frozen.scope, "a test")


FIXED = settings(max_examples=150, suppress_health_check=list(HealthCheck))
CASES = st.tuples(st.sampled_from(list(BODIES)), st.sampled_from([CHAT, MESSAGES]))


@FIXED
@given(data=st.data(), case=CASES)
def test_no_whole_answer_makes_the_gateway_fail(gateway, provider, client, caplog, data, case):
    body = json.dumps(data.draw(spoilt(BODIES[case[0]]))).encode()
    check(gateway, provider, client, Act(body=body), (*case, False), caplog)


@FIXED
@given(data=st.data(), case=CASES)
def test_no_stream_makes_the_gateway_fail(gateway, provider, client, caplog, data, case):
    events = data.draw(spoilt(STREAMS[case[0]]))
    pieces = [f"data: {json.dumps(event)}\n\n" for event in events] if isinstance(events, list) else [str(events)]
    body = "".join([*pieces, "data: [DONE]\n\n"]).encode()
    check(gateway, provider, client, Act(body=body, content_type="text/event-stream"), (*case, True), caplog)
