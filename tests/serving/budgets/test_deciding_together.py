"""Requests that arrive together are decided in one pass: each gets what it would get alone, and pays for itself."""

import asyncio

import pytest

from pointsman import Constraints, Task
from pointsman.budget import GLOBAL
from pointsman.errors import BudgetExceeded, InvalidBudget, LedgerUnavailable, UnknownModel
from pointsman.gateway import deciding as deciding_module
from pointsman.gateway.deciding import MOST, Deciding
from pointsman.gateway.later import Later
from pointsman.types import Decision

TEXTS = ["Say hello.", "Prove that there are infinitely many primes.", "Refactor this 4,000 line module.", "2 + 2?"]


def together(router, tasks):
    """Return what each task gets when all are asked for in one turn of the event loop."""

    async def ask():
        later = Later()
        deciding = Deciding(later)
        results = await asyncio.gather(*[deciding.decision(router, one) for one in tasks], return_exceptions=True)
        assert await later.drain(10) == 0
        return results

    return asyncio.run(ask())


@pytest.fixture
def passes(router, monkeypatch):
    """How many texts each pass of the graph has read."""
    read, sizes = router.predictor.read, []

    def counted(texts, depth):
        sizes.append(len(texts))
        return read(texts, depth)

    monkeypatch.setattr(type(router.predictor), "read", lambda self, texts, depth: counted(texts, depth))
    return sizes


def test_each_gets_the_decision_it_would_get_alone_in_one_pass(paying, passes):
    router = paying(daily_usd=100, tiers=False)
    alone = [router.route(Task(text)) for text in TEXTS]
    passes.clear()
    found = together(router, [Task(text) for text in TEXTS])
    assert passes == [len(TEXTS)]
    assert [one.model for one in found] == [one.model for one in alone]
    assert [one.quality for one in found] == pytest.approx([one.quality for one in alone], abs=1e-6)
    assert [one.held_nanousd for one in found] == [one.held_nanousd for one in alone]
    assert len({one.decision_id for one in [*found, *alone]}) == 2 * len(TEXTS)


def test_a_crowd_is_decided_in_passes_that_keep_nobody_long(paying, passes):
    found = together(paying(daily_usd=100, tiers=False), [Task("Say hello.")] * (2 * MOST + 1))
    assert all(isinstance(one, Decision) for one in found)
    assert sorted(passes) == [1, MOST, MOST]


def test_a_task_that_cannot_be_used_fails_alone(paying):
    tasks = [Task(TEXTS[0]), Task(TEXTS[1], constraints=Constraints(models=("gpt-9",))), Task(TEXTS[3])]
    first, unknown, last = together(paying(daily_usd=100, tiers=False), tasks)
    assert isinstance(unknown, UnknownModel)
    assert isinstance(first, Decision)
    assert isinstance(last, Decision)


def test_a_tag_that_names_no_payer_refuses_its_own_task_only(paying):
    wrong, right = together(paying(daily_usd=100, tiers=False), [Task("Hi", tags={"user": "x" * 300}), Task("Hi")])
    assert isinstance(wrong, InvalidBudget)
    assert isinstance(right, Decision)


def test_where_money_is_left_for_some_the_others_are_refused(paying):
    router = paying(daily_usd=0.01, tiers=False)
    found = together(router, [Task(TEXTS[1])] * 40)
    assert {type(one) for one in found} == {Decision, BudgetExceeded}
    held = sum(one.held_nanousd for one in found if isinstance(one, Decision))
    assert router.treasury.ledger.usage(GLOBAL, "day").held.nanousd == held <= 10_000_000


def test_while_the_ledger_cannot_be_used_each_is_told_after_one_try(paying, passes):
    router = paying(daily_usd=100, tiers=False)
    router.treasury.ledger.close()
    found = together(router, [Task(text) for text in TEXTS])
    assert {type(one) for one in found} == {LedgerUnavailable}
    assert passes == [len(TEXTS)]


def test_nobody_pays_for_a_decision_whose_caller_has_left(paying):
    router = paying(daily_usd=100, tiers=False)

    async def leave():
        later = Later()
        deciding = Deciding(later)
        asked = [asyncio.ensure_future(deciding.decision(router, Task(text))) for text in TEXTS[:2]]
        await asyncio.sleep(0)
        asked[0].cancel()
        stayed = await asked[1]
        await later.drain(10)
        return asked[0].cancelled(), stayed

    has_left, stayed = asyncio.run(leave())
    held = router.treasury.ledger.usage(GLOBAL, "day").held.nanousd
    assert has_left
    assert held == stayed.held_nanousd > 0


def test_nobody_pays_where_the_caller_leaves_as_the_decision_comes(paying, monkeypatch):
    router = paying(daily_usd=100, tiers=False)
    give = deciding_module._answer

    async def leave():
        later = Later()
        asked = asyncio.ensure_future(Deciding(later).decision(router, Task(TEXTS[0])))
        monkeypatch.setattr(deciding_module, "_answer", lambda *given: (give(*given), asked.cancel())[0])
        with pytest.raises(asyncio.CancelledError):
            await asked
        await later.drain(10)

    asyncio.run(leave())
    entries = router.treasury.ledger.entries()
    assert [one.kind for one in entries] == ["opened", "voided"]
    assert router.treasury.ledger.usage(GLOBAL, "day").held.nanousd == 0
