"""A budget holds through the gateway: many at once, streams too, while models fail and others take over."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gateways import running_gateway
from invoices import FAST, PATIENCE_S, QUICK
from provider import Provider
from provider_acts import RESET_AFTER, Act, rate_limited

CALLERS = 64
FITTING = 10
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Fix the login bug"}], "max_tokens": 400}


@pytest.fixture
def provider():
    with Provider() as started:
        yield started


@pytest.fixture
def gateway(provider, tmp_path):
    budgets = {"daily_usd": 100, "tiers": False}
    kinds = {"openai": provider.openai_url, "anthropic": provider.url}
    patient = {"api_key": "sk-test", **FAST, "first_byte_timeout_s": PATIENCE_S}
    told = {kind: {"base_url": url, **patient} for kind, url in kinds.items()}
    with running_gateway(tmp_path, provider.url, budgets=budgets, retries=QUICK, providers=told) as started:
        yield started


def limited(gateway, body, times):
    """Leave room for so many holds of this chat; return the limit in nano-USD."""
    assert gateway.post("/v1/chat/completions", body).status_code == 200
    gateway.settled()
    (entry,) = [entry for entry in gateway.treasury.ledger.entries() if entry.kind == "opened"]
    limit = gateway.posted_nanousd + times * entry.amount.nanousd
    set_ = httpx.put(f"{gateway.url}/v1/budgets/global", json={"daily_usd": limit / 1e9}, timeout=PATIENCE_S)
    assert set_.status_code == 200, set_.text
    return limit


def at_once(gateway, bodies, answered):
    """Send these chats at the same moment; the status of each is appended to `answered` as it comes."""
    start = threading.Barrier(len(bodies))

    def ask(body):
        with httpx.Client(timeout=PATIENCE_S) as client:
            client.get(f"{gateway.url}/livez")  # the connection is there before the moment
            start.wait(PATIENCE_S)
            answered.append(client.post(f"{gateway.url}/v1/chat/completions", json=body).status_code)

    with ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(ask, bodies))


def until(is_true):
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("is_stream", [False, True])
def test_of_many_calls_at_once_no_more_are_made_than_the_budget_has_room_for(gateway, provider, is_stream):
    body, answered = {**ASK, "stream": is_stream}, []
    limit = limited(gateway, body, FITTING)
    provider.rule(Act(at="answer", then="wait"))
    asking = threading.Thread(target=at_once, args=(gateway, [body] * CALLERS, answered))
    asking.start()
    until(lambda: len(answered) >= CALLERS - FITTING)
    assert set(answered) == {402}
    assert gateway.posted_nanousd + gateway.held_nanousd == limit
    provider.release()
    asking.join(PATIENCE_S)
    assert (answered.count(200), answered.count(402)) == (FITTING, CALLERS - FITTING)
    assert len(provider.settled().calls) == 1 + FITTING
    assert (gateway.settled().posted_nanousd, gateway.held_nanousd) == (provider.billed_nanousd, 0)


def test_fallbacks_retries_and_lost_answers_never_take_a_budget_past_its_limit(gateway, provider):
    limit = limited(gateway, ASK, 40)
    failures = (
        Act(status=503),
        rate_limited("0.001"),
        RESET_AFTER,
        Act(at=2, then="cut"),
        Act(usage={}),
        Act(body=b""),
    )
    for number in range(CALLERS):
        provider.script(failures[number % len(failures)], Act(), Act(delay_s=0.01))
    answered, seen = [], []
    bodies = [{**ASK, "model": "auto", "stream": number % 2 == 0} for number in range(2 * CALLERS)]
    asking = threading.Thread(target=at_once, args=(gateway, bodies, answered))
    asking.start()
    while asking.is_alive():
        used = gateway._used()
        seen.append(used.posted.nanousd + used.held.nanousd)
    gateway.settled()
    until(lambda: gateway.held_nanousd == 0)
    assert max(seen) <= limit
    assert provider.settled().billed_nanousd <= gateway.posted_nanousd <= limit
    assert {200, 402} <= set(answered) <= {200, 402, 502}
