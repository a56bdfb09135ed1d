"""Limits that are set while running, what is left of each, how money gets dearer, and what someone should hear."""

import numpy as np
import pytest

from pointsman import Policy, Router, Task
from pointsman.budget import GLOBAL, Amount, HoldRequest, Scope
from pointsman.errors import BudgetExceeded, InvalidBudget
from pointsman.outcomes import Outcome
from pointsman.treasury import Watch
from pointsman.treasury.changing import change, limit_scope
from pointsman.treasury.overview import budgets, effective, forecasts

TEXT = "Write unit tests for the ISO date parser"
QUALITY = Policy(strategy="quality-first")


def spend(treasury, nanousd, key, scopes=(GLOBAL,)):
    request = HoldRequest(key, tuple(scopes), Amount(nanousd), treasury.clock().replace(hour=23, minute=59))
    hold = treasury.ledger.reserve(request)
    treasury.ledger.settle(hold.hold_id, Amount(nanousd), key="s")
    treasury.standing.forget()


def row(line):
    return (line.scope, line.window, line.limit, line.posted, line.held, line.remaining)


def test_every_limit_is_listed_with_what_is_left_of_it(paying):
    budgeted = paying(daily_usd=10, monthly_usd=100, task_types={"architecture": 2.5}, each={"user": {"daily_usd": 1}})
    decision = budgeted.route(Task(TEXT, type="architecture", tags={"user": "ann"}))
    held, tier = decision.held_nanousd, f"tier:{decision.complexity.label}"
    lines = {(line.scope, line.window): line for line in budgets(budgeted.treasury)}
    assert set(lines) == {
        *(("global", "day"), ("global", "month"), ("task_type:architecture", "day"), ("user:ann", "day")),
        *((f"tier:{name}", "day") for name in ("simple", "medium", "complex")),
    }
    assert row(lines["global", "day"]) == ("global", "day", 10**10, 0, held, 10**10 - held)
    assert row(lines["user:ann", "day"]) == ("user:ann", "day", 10**9, 0, held, 10**9 - held)
    assert lines[tier, "day"].held == held
    assert lines["user:ann", "day"].reason == "the budget of each user, daily"
    assert lines["global", "month"].window_end.isoformat() == "2026-12-01T00:00:00+00:00"
    shown = {line.scope for line in effective(budgeted.treasury, {"user": "bob"})}
    assert "user:bob" in shown
    assert "user:ann" not in shown


def test_a_limit_set_while_running_counts_at_once_here_and_within_a_second_elsewhere(paying):
    here, there = paying(daily_usd=10, tiers=False), paying(daily_usd=10, tiers=False)
    there.route(TEXT)
    scope = limit_scope("user:ann")
    assert change(here.treasury, scope, {"daily_usd": 0}, changed_by="ops", reason="left") == ["daily_usd"]
    task = Task(TEXT, tags={"user": "ann"})
    with pytest.raises(BudgetExceeded, match="user:ann may use"):
        here.route(task)
    here.treasury.clock.step(seconds=1)
    with pytest.raises(BudgetExceeded, match="user:ann may use"):
        there.route(task)
    assert there.route(TEXT).held_nanousd > 0
    assert change(here.treasury, scope, {"daily_usd": "default"}, changed_by="ops") == ["daily_usd"]
    assert here.route(task).held_nanousd > 0
    changes = [(str(one.scope), one.amount, one.reason) for one in here.treasury.ledger.limits.history()]
    assert changes == [("user:ann", 0, "left"), ("user:ann", None, "")]


def test_tiers_keep_their_shares_of_a_day_that_is_changed_while_running(paying, clock):
    clock.now = clock.now.replace(hour=0)
    budgeted = paying(daily_usd=10)
    change(budgeted.treasury, GLOBAL, {"daily_usd": 50}, changed_by="ops")
    shares = {line.scope: line.limit for line in budgets(budgeted.treasury) if line.scope.startswith("tier:")}
    assert shares == {"tier:simple": 10 * 10**9, "tier:medium": 25 * 10**9, "tier:complex": 15 * 10**9}


@pytest.mark.parametrize(
    ("scope", "amounts", "words"),
    [
        ("global", {"daily_usd": -1}, "the limit of global per day is -1 USD; expected 0 to 1,000,000,000"),
        ("global", {"daily_usd": float("nan")}, "expected a finite number of dollars"),
        ("global", {"monthly_usd": float("inf")}, "expected a finite number of dollars"),
        ("global", {"daily_usd": 1e12}, "expected 0 to 1,000,000,000"),
        ("global", {"daily_usd": None}, "is missing; write a number of dollars"),
        ("global", {"daily_usd": True}, "expected a finite number of dollars"),
        ("global", {}, "no limit is given; expected any of daily_usd, monthly_usd, total_usd"),
        ("global", {"daily_usd": 1, "currency": "EUR"}, "in 'EUR'; expected USD"),
        ("global", {"daily_usd": 1, "total_usd": -1}, "the limit of global per total is -1 USD"),
        ("users:ann", {"daily_usd": 1}, "scope is 'users:ann'"),
        ("tier:hard", {"daily_usd": 1}, "tier is 'hard'; expected one of simple, medium, complex"),
        ("task_type:cooking", {"daily_usd": 1}, "type is 'cooking'"),
        ("request:r", {"daily_usd": 1}, "a limit of request is set in the rules' file only"),
    ],
)
def test_a_limit_that_cannot_be_kept_changes_nothing(treasury, scope, amounts, words):
    kept = treasury(daily_usd=10)
    with pytest.raises(InvalidBudget) as refusal:
        change(kept, limit_scope(scope), amounts, changed_by="ops")
    assert words in refusal.value.message
    assert kept.ledger.limits.history() == []


def test_money_gets_dearer_as_the_budget_empties_and_the_decision_says_so(paying):
    budgeted = paying(QUALITY, daily_usd=10, tiers=False)
    first = budgeted.route(TEXT)
    assert first.degradation is None
    texts = [f"{TEXT} number {number}" for number in range(40)]
    for decision in (first, *budgeted.route_many(texts)):
        budgeted.settle(Outcome(decision.decision_id, cost_usd=decision.cost_usd or 1e-6))
    spend(budgeted.treasury, 8_000_000_000, "the rest")
    paced = budgeted.route(TEXT)
    assert paced.model != first.model
    assert paced.cost_nanousd < first.cost_nanousd
    assert "is left for about" in paced.degradation
    assert "quality 1.0 counts as $" in paced.degradation
    assert paced.strategy == "quality-first"
    assert first.model in paced.fallbacks


def test_near_the_end_the_cheapest_able_model_is_taken(paying):
    budgeted = paying(QUALITY, daily_usd=10, tiers=False)
    spend(budgeted.treasury, 9_600_000_000, "nearly all")
    decision = budgeted.route(TEXT)
    cheapest = min(decision.candidates, key=lambda candidate: candidate.cost_nanousd)
    assert decision.model == cheapest.model
    assert decision.degradation.endswith("the cheapest able model is taken")


def test_a_budget_that_suffices_changes_no_choice(router, paying):
    texts = [f"{verb} the parser of {number} formats" for verb in ("Fix", "Prove", "Rename") for number in range(20)]
    budgeted, free = paying(daily_usd=100_000), Router(router.bundle, router.fleet, profile="fast")
    decisions = budgeted.route_many(texts)
    assert [one.model for one in decisions] == [one.model for one in free.route_many(texts)]
    assert {one.degradation for one in decisions} == {None}


def test_alerts_are_told_once_whoever_watches(paying):
    budgeted, told = paying(daily_usd=1, tiers=False), []
    watches = [Watch(budgeted.treasury, told.append) for _ in range(2)]
    for number, spent in enumerate((600_000_000, 370_000_000, 10_000_000)):
        spend(budgeted.treasury, spent, f"part {number}")
        for watch in watches:
            watch.tick()
        budgeted.treasury.clock.step(seconds=11)
    assert [(alert.kind, alert.percent, alert.scope) for alert in told] == [
        ("threshold", 50, "global"),
        ("threshold", 95, "global"),
    ]
    assert len(budgeted.treasury.ledger.alerts.words()) == 3


def test_a_scope_that_was_stopped_is_told_of(paying):
    budgeted, told = paying(daily_usd=1, tiers=False), []
    budgeted.treasury.ledger.freeze(GLOBAL, "a bill above its hold")
    Watch(budgeted.treasury, told.append).tick()
    assert [(alert.kind, alert.scope) for alert in told] == [("frozen", "global")]
    assert "a bill above its hold" in told[0].words


def test_a_watch_presumes_holds_and_survives_a_ledger_that_is_gone(paying, caplog):
    budgeted = paying(daily_usd=1, tiers=False)
    budgeted.route(TEXT)
    watch = Watch(budgeted.treasury)
    assert watch.tick() == 0
    budgeted.treasury.clock.step(minutes=11)
    assert watch.tick() == 1
    budgeted.treasury.close()
    budgeted.treasury.clock.step(minutes=11)
    assert watch.tick() == 0
    assert "the ledger is closed" in caplog.text


def test_a_forecast_comes_from_the_hours_of_the_scopes_own_traffic(paying, clock):
    budgeted = paying(daily_usd=1, tiers=False)
    for day in range(14):
        clock.now = clock.now.replace(day=7 + day, hour=9)
        spend(budgeted.treasury, 2_000_000_000, f"day {day}", (GLOBAL, Scope("user", "ann")))
    clock.now = clock.now.replace(day=21, hour=8)
    budgeted.treasury.standing.forget()
    (told,) = forecasts(budgeted.treasury, budgets(budgeted.treasury))
    assert (told.scope, told.window) == ("global", "day")
    assert told.forecast.will_run_out
    assert told.forecast.runs_out_at.hour == 9
    alerts = []
    Watch(budgeted.treasury, alerts.append).tick()
    assert [alert.kind for alert in alerts] == ["forecast"]


def test_modes_are_accepted_as_strategies_and_turn_the_one_dial(router):
    def models(**policy):
        routed = Router(router.bundle, router.fleet, profile="fast", policy=Policy(confidence=None, **policy))
        return [decision.model for decision in routed.route_many([TEXT, "Prove the lemma", "Say hello", "Fix the bug"])]

    dial = router.trade_usd
    assert models(strategy="cost-aggressive") == models(trade_usd=dial / 10)
    assert models(strategy="dynamic-adaptive") == models(trade_usd=dial)
    assert models(strategy="control", production="quality-first") == models(strategy="quality-first")
    by_type = models(strategy="task-type-optimised", trade_usd_by_type={name: 1e-6 for name in ("testing",)})
    assert by_type[0] == models(trade_usd=1e-6)[0]
    assert models(strategy="task-type-optimised") == models(trade_usd=dial)


def test_bills_above_what_was_predicted_make_money_dearer(paying, clock):
    as_predicted, dearer = (paying(QUALITY, daily_usd=10, tiers=False).treasury for _ in range(2))
    quality, cost = np.tile([0.9, 0.6, 0.3], (60, 1)), np.tile([30_000_000, 3_000_000, 300_000], (60, 1))
    multipliers = []
    for kept, bill in ((as_predicted, 3_000_000), (dearer, 9_000_000)):
        kept.pacers.observe(["simple"] * 60, quality, cost, clock())
        for _ in range(200):
            kept.pacers.billed((GLOBAL,), 3_000_000, bill)
        multipliers.append(kept.pacers.paces(["simple"], kept.snapshot(), 100.0, clock())["simple"].multiplier)
    assert 0 < multipliers[0] < multipliers[1]


def test_a_pace_stands_until_a_thousandth_of_what_is_left_was_used(paying, clock):
    kept = paying(QUALITY, daily_usd=1_000, tiers=False).treasury
    quality, cost = np.tile([0.9, 0.6, 0.3], (60, 1)), np.tile([30_000_000, 3_000_000, 300_000], (60, 1))
    kept.pacers.observe(["simple"] * 60, quality, cost, clock())
    spend(kept, 990_000_000_000, "most of it")

    def multiplier():
        return kept.pacers.paces(["simple"], kept.snapshot(), 100.0, clock())["simple"].multiplier

    found = multiplier()
    kept.standing.add((GLOBAL,), 9_000_000)  # of the 10,000,000,000 that are left
    assert multiplier() == found > 0
    kept.standing.add((GLOBAL,), 900_000_000)  # less than a thousandth of what was used
    assert multiplier() > found
