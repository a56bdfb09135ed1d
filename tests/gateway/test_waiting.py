"""Requests that can wait: gathered, decided together, run a few at once, at the batch price, the same ones once."""

import asyncio
import contextlib
import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gateways import Gateway, configured, document
from provider import Provider
from provider_acts import Act
from provider_bill import TARIFFS, tariff

from pointsman.access import Principal
from pointsman.chat import read_chat
from pointsman.errors import BudgetExceeded, Overloaded, UpstreamError
from pointsman.gateway import Executor
from pointsman.gateway.asked import Asked, Wishes
from pointsman.gateway.later import Later
from pointsman.gateway.opening import opened_parts, opened_router, opened_treasury
from pointsman.gateway.running import running
from pointsman.tenants import Tenants

BATCHED = {
    "gpt-4o-mini": {
        "provider": "openai",
        "price": {"input": 0.15, "output": 0.6, "cached_read": 0.075, "batch_percent": 50},
    },
    "gpt-4o": {"provider": "openai", "price": {"input": 2.5, "output": 10, "cached_read": 1.25, "batch_percent": 50}},
}
FLEX = {
    **TARIFFS,
    "gpt-4o-mini": tariff(0.15, 0.6, cached_read=0.075),
    "gpt-4o": tariff(2.5, 10, cached_read=1.25),
}
NO_CAPACITY = Act(status=429, code="resource_unavailable", message="Resource Unavailable", headers={"retry-after": "0"})
NO_FLEX = Act(status=400, code="invalid_request_error", message="Unsupported service_tier: flex")


def flexible():
    from msgspec.structs import replace

    return {name: replace(one, flex_percent=50) if name in BATCHED else one for name, one in FLEX.items()}


@pytest.fixture
def provider():
    with Provider(flexible()) as started:
        yield started


def settings(folder, provider, **sections):
    data = document(provider.url, f"sqlite:///{folder}/pointsman.db", **sections)
    data["providers"]["openai"]["has_batch_prices"] = True
    data["models"] |= BATCHED
    data["retries"] = {"base_delay_s": 0.001, "max_delay_s": 0.001, **data.get("retries", {})}
    return configured(folder, data)


@contextlib.contextmanager
def opened(folder, provider, **sections):
    """Give an executor as the server opens it, and close what it stands on."""
    configuration = settings(folder, provider, **sections)
    treasury = opened_treasury(configuration)
    router = opened_router(configuration, treasury)
    executor = Executor(opened_parts(configuration, Tenants(router)))
    try:
        yield executor
    finally:
        executor.parts.log.close()
        treasury.close()


def asked(text, *, model="auto", can_wait=True, tenant="default", **wishes):
    chat = read_chat("openai", {"model": model, "messages": [{"role": "user", "content": text}]})
    return Asked(chat, len(text) + 100, Principal(tenant), Wishes(can_wait=can_wait, **wishes))


def answered(executor, *requests):
    """Return what became of requests that came at once: answers and errors, in their order."""

    async def run():
        async with running(executor):
            return await asyncio.gather(*map(executor.answer, requests), return_exceptions=True)

    return asyncio.run(run())


def texts(results):
    return [one.course.reply.text for one in results]


def used(executor):
    from pointsman.budget import GLOBAL

    usage = executor.parts.router.treasury.ledger.usage(GLOBAL, "total")
    return usage.posted.nanousd, usage.held.nanousd


def counted_passes(executor, monkeypatch):
    """Note how many tasks each pass of the router decides."""
    router, sizes = executor.parts.router, []
    decide = router.try_route_many
    monkeypatch.setattr(router, "try_route_many", lambda tasks: (sizes.append(len(tasks)), decide(tasks))[1])
    monkeypatch.setattr(executor.parts.tenants, "note_availability", lambda _: None)
    return sizes


def test_requests_of_one_window_are_decided_in_one_pass_and_each_gets_its_own_answer(tmp_path, provider, monkeypatch):
    with opened(tmp_path, provider) as executor:
        passes = counted_passes(executor, monkeypatch)
        results = answered(executor, *(asked(f"Say number {number}") for number in range(20)))
        assert passes == [20]
        assert texts(results) == [f"You said: Say number {number}" for number in range(20)]
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_a_long_queue_is_decided_in_parts_so_that_no_hold_waits_for_long(tmp_path, provider, monkeypatch):
    with opened(tmp_path, provider, batching={"concurrency": 2}) as executor:
        passes = counted_passes(executor, monkeypatch)
        results = answered(executor, *(asked(f"Say number {number}") for number in range(20)))
        assert passes == [8, 8, 4]
        assert texts(results) == [f"You said: Say number {number}" for number in range(20)]


def test_no_more_of_them_run_at_once_than_the_settings_say(tmp_path, provider):
    provider.rule(Act(at="answer", then="wait"))
    with opened(tmp_path, provider, batching={"concurrency": 2, "window_ms": 0}) as executor:

        async def run():
            async with running(executor):
                waiting = [asyncio.create_task(executor.answer(asked(f"Wait {number}"))) for number in range(5)]
                await asyncio.to_thread(provider.wait_for_calls, 2)
                urgent = asyncio.create_task(executor.answer(asked("Now", can_wait=False)))
                await asyncio.to_thread(provider.wait_for_calls, 3)
                said = [call.body["messages"][0]["content"] for call in provider.calls]
                provider.release()
                await asyncio.gather(urgent, *waiting)
                return said

        assert asyncio.run(run()) == ["Wait 0", "Wait 1", "Now"]


def test_what_can_wait_is_asked_for_and_billed_at_the_batch_price(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        (result,) = answered(executor, asked("Say hello", model="gpt-4o"))
        (call,), (line,) = provider.settled().calls, provider.invoice
        assert call.body["service_tier"] == "flex"
        assert line.cost_nanousd == -(-TARIFFS["gpt-4o"].bill(line.usage) // 2) > 0
        assert (result.course.cost_nanousd, used(executor)) == (line.cost_nanousd, (line.cost_nanousd, 0))


def test_what_cant_wait_is_never_asked_for_at_the_batch_price(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        answered(executor, asked("Say hello", model="gpt-4o", can_wait=False))
        (call,), (line,) = provider.settled().calls, provider.invoice
        assert "service_tier" not in call.body
        assert used(executor) == (TARIFFS["gpt-4o"].bill(line.usage), 0)


@pytest.mark.parametrize("tier", ["default", "auto", "priority-like"])
def test_a_provider_that_serves_another_tier_than_asked_is_paid_in_full(tmp_path, provider, tier):
    provider.default = Act(tier=tier)
    with opened(tmp_path, provider) as executor:
        (result,) = answered(executor, asked("Say hello", model="gpt-4o"))
        (line,) = provider.settled().invoice
        assert line.cost_nanousd == TARIFFS["gpt-4o"].bill(line.usage)
        assert (result.course.cost_nanousd, used(executor)) == (line.cost_nanousd, (line.cost_nanousd, 0))


def test_the_full_price_is_held_since_it_may_be_billed(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        both = answered(executor, *(asked("Say hello", model="gpt-4o", can_wait=waits) for waits in (True, False)))
        waited, now = ((one.course.attempts[0].held_nanousd, one.course.decision.cost_nanousd) for one in both)
        assert waited == (now[0], -(-now[1] // 2))


@pytest.mark.parametrize("refusal", [NO_CAPACITY, NO_FLEX], ids=["no capacity", "no flex for this model"])
def test_a_model_that_refuses_its_batch_price_is_asked_at_the_full_one(tmp_path, provider, refusal):
    provider.rule(refusal, containing='"service_tier":"flex"')
    with opened(tmp_path, provider) as executor:
        (result,) = answered(executor, asked("Say hello", model="gpt-4o"))
        assert result.course.model == "gpt-4o"
        assert [one.end for one in result.course.attempts] == ["failed", "answered"]
        assert executor.parts.health.snapshot()["gpt-4o"].failures_in_a_row == 0
        assert used(executor) == (provider.settled().billed_nanousd, 0)
        assert "service_tier" not in provider.calls[-1].body


def test_anthropics_models_have_no_batch_price_here(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        (result,) = answered(executor, asked("Say hello", model="claude-haiku"))
        (call,) = provider.settled().calls
        assert "service_tier" not in call.body
        assert (result.course.cost_nanousd, 0) == used(executor)


def test_of_the_same_requests_one_is_paid_and_all_are_answered(tmp_path, provider):
    with opened(tmp_path, provider, cache={"enabled": True}) as executor:
        results = answered(executor, *[asked("Say hello")] * 5, asked("Say goodbye"))
        facts = [(one.course.cache, one.course.cost_nanousd > 0) for one in results]
        assert sorted(facts[:5]) == [("exact", False)] * 4 + [("miss", True)]
        assert texts(results) == ["You said: Say hello"] * 5 + ["You said: Say goodbye"]
        assert len(provider.settled().calls) == 2
        assert used(executor) == (provider.billed_nanousd, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tenant": "acme"}, {"tenant": "other"}),
        ({"cache_control": "no-cache"}, {"cache_control": "no-cache"}),
        ({"type": "testing"}, {"type": "debugging"}),
    ],
    ids=["two tenants", "no-cache", "two types"],
)
def test_requests_that_may_not_share_an_answer_are_each_paid(tmp_path, provider, one, other):
    with opened(tmp_path, provider, cache={"enabled": True}) as executor:
        answered(executor, asked("Say hello", **one), asked("Say hello", **other))
        assert len(provider.settled().calls) == 2


def test_without_a_cache_the_same_requests_are_each_paid(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        answered(executor, asked("Say hello"), asked("Say hello"))
        assert len(provider.settled().calls) == 2


def test_where_the_one_that_is_paid_fails_the_next_of_the_same_is_asked(tmp_path, provider):
    provider.script(Act(status=400, message="no"))
    with opened(tmp_path, provider, cache={"enabled": True}) as executor:
        first, second, third = answered(executor, *[asked("Say hello", model="gpt-4o")] * 3)
        assert isinstance(first, UpstreamError)
        assert [one.course.cache for one in (second, third)] == ["miss", "exact"]


def test_one_more_than_may_wait_is_refused_at_once(tmp_path, provider):
    with opened(tmp_path, provider, batching={"max_waiting": 2}) as executor:
        results = answered(executor, *(asked(f"Say {number}") for number in range(3)))
        assert [type(one) for one in results[2:]] == [Overloaded]
        assert texts(results[:2]) == ["You said: Say 0", "You said: Say 1"]


def test_a_request_that_cant_be_routed_is_refused_alone(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        wrong, right = answered(executor, asked("Say hello", model="gpt-9"), asked("Say hello"))
        assert (wrong.code, texts([right])) == ("unknown_model", ["You said: Say hello"])


def test_what_a_budget_has_no_room_for_is_refused_and_the_rest_is_run(tmp_path, provider):
    with opened(tmp_path, provider, budgets={"each": {"user": {"daily_usd": 0.0001}}, "tiers": False}) as executor:
        refused, run = answered(executor, asked("Say hello", tags={"user": "ann"}), asked("Say hello"))
        assert (type(refused), texts([run])) == (BudgetExceeded, ["You said: Say hello"])
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_of_one_window_every_tenant_pays_for_its_own(tmp_path, provider):
    with opened(tmp_path, provider) as executor:
        results = answered(executor, asked("Say hello", model="gpt-4o"), asked("Say a lot", tenant="acme"))
        ledger, courses = executor.parts.router.treasury.ledger, [one.course for one in results]
        holds = [
            ledger.hold(course.attempts[0].hold_id, tenant=tenant)
            for course, tenant in zip(courses, ("default", "acme"), strict=True)
        ]
        assert [hold.bill.nanousd for hold in holds] == [course.cost_nanousd for course in courses]
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_a_tenant_with_many_keeps_no_other_waiting_for_all_of_them(tmp_path, provider):
    with opened(tmp_path, provider, batching={"concurrency": 1}) as executor:
        answered(executor, *(asked(f"Ours {n}", tenant="ours") for n in range(6)), asked("Theirs", tenant="theirs"))
        said = [call.body["messages"][0]["content"] for call in provider.settled().calls]
        assert said.index("Theirs") < 4


def test_what_hasnt_begun_when_the_time_is_over_is_refused_and_costs_nothing(tmp_path, provider):
    provider.rule(Act(at="answer", then="wait"))
    with opened(tmp_path, provider, batching={"concurrency": 1, "window_ms": 0}) as executor:

        async def run():
            async with running(executor):
                waiting = [asyncio.create_task(executor.answer(asked(f"Say {number}"))) for number in range(6)]
                await asyncio.to_thread(provider.wait_for_calls, 1)
                await executor.waiting.close(0.0)
                provider.release()
                return await asyncio.gather(*waiting, return_exceptions=True)

        first, *others = asyncio.run(run())
        assert texts([first]) == ["You said: Say 0"]
        assert [type(one) for one in others] == [Overloaded] * 5
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_what_was_decided_under_another_configuration_is_decided_again(tmp_path, provider):
    provider.script(Act(at="answer", then="wait"))
    with opened(tmp_path, provider, batching={"concurrency": 1, "window_ms": 0}) as executor:

        async def run():
            async with running(executor):
                waiting = [asyncio.create_task(executor.answer(asked(f"Say {number}"))) for number in range(3)]
                await asyncio.to_thread(provider.wait_for_calls, 1)
                executor.parts = fresh = dataclasses.replace(executor.parts)
                provider.release()
                results = await asyncio.gather(*waiting)
                return [one.course.parts is fresh for one in results], texts(results)

        assert asyncio.run(run()) == ([False, True, True], [f"You said: Say {number}" for number in range(3)])
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_draining_waits_for_the_work_that_work_begins():
    done = []

    async def work(rounds):
        await asyncio.sleep(0)
        done.append(rounds)
        if rounds:
            later.do(work(rounds - 1))

    async def run():
        later.do(work(3))
        return await later.drain(10.0)

    later = Later()
    assert (asyncio.run(run()), done) == (0, [3, 2, 1, 0])


def test_what_waits_at_the_end_is_run(tmp_path, provider):
    with opened(tmp_path, provider, batching={"window_ms": 60_000}) as executor:

        async def run():
            async with running(executor):
                waiting = asyncio.create_task(executor.answer(asked("Say hello")))
                await asyncio.sleep(0)
            return await waiting

        assert texts([asyncio.run(run())]) == ["You said: Say hello"]
        assert used(executor) == (provider.settled().billed_nanousd, 0)


def test_whoever_leaves_before_its_turn_pays_nothing(tmp_path, provider):
    with opened(tmp_path, provider, batching={"window_ms": 60_000}) as executor:

        async def run():
            async with running(executor):
                waiting = asyncio.create_task(executor.answer(asked("Say hello")))
                await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting
                return executor.waiting.count

        assert asyncio.run(run()) == 0
        assert (provider.settled().calls, used(executor)) == ([], (0, 0))


def test_whoever_leaves_once_it_has_begun_pays_what_it_cost_and_the_log_says_so(tmp_path, provider):
    provider.rule(Act(at="answer", then="wait"))
    with opened(tmp_path, provider, batching={"window_ms": 0}) as executor:

        async def run():
            async with running(executor):
                waiting = asyncio.create_task(executor.answer(asked("Say hello")))
                await asyncio.to_thread(provider.wait_for_calls, 1)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting
                provider.release()

        asyncio.run(run())
        executor.parts.log.flush()
        (event,) = [line.event for line in executor.parts.log.events()]
        billed = provider.settled().billed_nanousd
        assert (used(executor), event.cost_nanousd, event.status) == ((billed, 0), billed, 200)


def test_over_http_one_more_than_may_wait_is_told_when_to_come_again(tmp_path, provider):
    provider.rule(Act(at="answer", then="wait"))
    with Gateway(settings(tmp_path, provider, batching={"max_waiting": 1})) as gateway, ThreadPoolExecutor(1) as pool:
        body = {"description": "Say hello", "can_wait": True}
        first = pool.submit(gateway.post, "/v1/execute", body)
        provider.wait_for_calls(1)
        refused = gateway.post("/v1/execute", body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        provider.release()
        assert first.result().json()["text"] == "You said: Say hello"


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("tier", ["flex", "default"])
def test_a_tier_that_the_caller_asks_for_is_billed_as_it_was_served(tmp_path, provider, tier, is_stream):
    provider.default = Act(tier=tier)
    with Gateway(settings(tmp_path, provider)) as gateway:
        messages = [{"role": "user", "content": "Say hello"}]
        body = {"model": "gpt-4o", "messages": messages, "service_tier": "flex", "stream": is_stream}
        assert gateway.post("/v1/chat/completions", body).status_code == 200
        (line,) = provider.settled().invoice
        full = TARIFFS["gpt-4o"].bill(line.usage)
        assert line.cost_nanousd == (-(-full // 2) if tier == "flex" else full)
        assert (gateway.settled().posted_nanousd, gateway.held_nanousd) == (line.cost_nanousd, 0)


def test_over_http_whoever_hangs_up_before_its_turn_pays_nothing(tmp_path, provider):
    with Gateway(settings(tmp_path, provider, batching={"window_ms": 60_000})) as gateway:
        url, batch = f"{gateway.url}/v1", {"x-pointsman-priority": "batch"}
        requests = [
            ("/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}, batch),
            ("/execute", {"description": "Hi", "can_wait": True}, {}),
            ("/execute/batch", {"tasks": [{"description": "Hi"}, {"description": "Ho"}], "can_wait": True}, {}),
        ]
        for path, body, headers in requests:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(url + path, json=body, headers=headers, timeout=httpx.Timeout(20, read=0.2))
        deadline = time.monotonic() + 20
        while gateway.executor.waiting.count and time.monotonic() < deadline:
            time.sleep(0.005)
        assert gateway.executor.waiting.count == 0
        assert (provider.settled().calls, gateway.posted_nanousd, gateway.held_nanousd) == ([], 0, 0)
        gateway.executor.parts.log.flush()
        logged = [line.event for line in gateway.executor.parts.log.events()]
        assert [(one.error, one.status, one.cost_nanousd) for one in logged] == [("cancelled", 499, 0)] * 4


def test_over_http_what_can_wait_keeps_no_place_from_what_cant(tmp_path, provider):
    limits = {"max_running": 1, "max_waiting": 1}
    provider.rule(Act(at="answer", then="wait"), containing="later")
    with Gateway(settings(tmp_path, provider, limits=limits)) as gateway, ThreadPoolExecutor(4) as pool:
        chat = {"model": "auto", "messages": [{"role": "user", "content": "later"}]}
        later = [
            pool.submit(gateway.post, "/v1/chat/completions", chat, headers={"x-pointsman-priority": "batch"}),
            pool.submit(gateway.post, "/v1/execute", {"description": "later, too", "can_wait": True}),
            pool.submit(
                gateway.post, "/v1/execute/batch", {"tasks": [{"description": "later again"}], "can_wait": True}
            ),
        ]
        provider.wait_for_calls(3)
        now = gateway.post("/v1/execute", {"description": "Say hello"})
        assert (now.status_code, now.json()["text"]) == (200, "You said: Say hello")
        provider.release()
        assert [one.result().status_code for one in later] == [200, 200, 200]
