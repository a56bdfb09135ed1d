"""A router that keeps budgets holds the most that its choice can cost, or refuses."""

import subprocess
import sys

import pytest

from pointsman import Constraints, Policy, Router, Task
from pointsman.budget import GLOBAL, Amount, Scope
from pointsman.budget.exposure import Attempt, exposure, prompt_bound
from pointsman.errors import BudgetExceeded, FrozenScope, InvalidBudget, LedgerUnavailable, NoEligibleModel
from pointsman.types import Decision

TEXT = "Write unit tests for the ISO date parser"
QUALITY = Policy(strategy="quality-first")


def held_and_posted(router, scope=GLOBAL):
    usage = router.treasury.ledger.usage(scope, "day", tenant=router.treasury.tenant)
    return usage.held.nanousd, usage.posted.nanousd


def most(router, model, task=None, **attempt):
    text = TEXT if task is None else task
    return exposure(router.fleet.card(model), Attempt(**{"input_tokens": prompt_bound([text])} | attempt))


def test_without_a_budget_nothing_is_held_and_no_database_is_loaded(router, bundle_dir):
    decision = router.route(TEXT)
    kept = (decision.decision_id, decision.hold_id, decision.held_nanousd, decision.degradation)
    assert kept == (None, None, None, None)
    code = f"""
import sys
from pointsman import Router
Router.load({str(bundle_dir)!r}).route("Fix the login bug")
print(sorted({{"sqlalchemy", "alembic", "fastapi"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_decision_holds_the_most_that_its_model_can_cost(router, paying):
    budgeted = paying(daily_usd=10, tiers=False)
    free, decision = Router(router.bundle, router.fleet, profile="fast").route(TEXT), budgeted.route(TEXT)
    bound = most(budgeted, decision.model)
    assert decision.model == free.model
    assert decision.fallbacks == free.fallbacks
    assert (decision.held_nanousd, decision.max_output_tokens) == (bound.amount_nanousd, 4096)
    assert (decision.decision_id, decision.degradation) == ("default-1", None)
    hold = budgeted.treasury.ledger.hold(decision.hold_id)
    assert hold.amount == Amount(bound.amount_nanousd, bound.input_tokens, bound.output_tokens)
    assert (hold.model, hold.predicted_nanousd) == (decision.model, decision.cost_nanousd)
    tier, kind = Scope("tier", decision.complexity.label), Scope("task_type", decision.type)
    assert hold.scopes == (GLOBAL, Scope("tenant"), tier, kind, Scope("request", "default-1"))


def test_what_the_caller_counts_and_clamps_is_what_is_held(paying):
    budgeted = paying(daily_usd=10, tiers=False)
    task = Task(TEXT, constraints=Constraints(input_tokens=2000, max_output_tokens=64), tags={"user": "ann "})
    decision = budgeted.route(task)
    bound = most(budgeted, decision.model, input_tokens=2000, max_output_tokens=64)
    assert (decision.held_nanousd, decision.max_output_tokens) == (bound.amount_nanousd, 64)
    assert held_and_posted(budgeted, Scope("user", "ann")) == (bound.amount_nanousd, 0)


def test_the_plan_of_the_user_clamps_the_answer(paying):
    decision = paying(default_plan="free").route(Task(TEXT, tags={"user": "ann"}))
    assert decision.max_output_tokens == 500


@pytest.mark.parametrize("profile", ["fast", "auto"])
def test_no_order_of_requests_passes_the_limit_and_the_refusal_says_everything(paying, profile):
    budgeted = paying(QUALITY, profile=profile, daily_usd=0.2, tiers=False)
    limit, decisions = 200_000_000, []
    with pytest.raises(BudgetExceeded) as refusal:
        while True:
            decisions.append(budgeted.route(TEXT))
            assert sum(held_and_posted(budgeted)) == sum(decision.held_nanousd for decision in decisions) <= limit
    error, (held, posted) = refusal.value, held_and_posted(budgeted)
    assert (error.scope, error.window, error.limit, error.posted, error.held) == ("global", "day", limit, posted, held)
    assert error.window_end.isoformat() == "2026-11-22T00:00:00+00:00"
    assert error.asked == min(most(budgeted, model).amount_nanousd for model in budgeted.fleet.ids) > limit - held
    assert decisions[0].degradation is None
    assert len({decision.model for decision in decisions}) > 1


def test_where_the_choice_does_not_fit_the_best_of_the_cheaper_ones_that_fits_is_held(router, paying):
    ranked = Router(router.bundle, router.fleet, profile="fast", policy=QUALITY).route(TEXT).candidates
    bounds = [most(router, candidate.model).amount_nanousd for candidate in ranked]
    room = bounds[0] - 1
    fitting = [place for place, bound in enumerate(bounds) if bound <= room]
    decision = paying(QUALITY, daily_usd=room / 1e9, tiers=False).route(TEXT)
    assert decision.model == ranked[fitting[0]].model != ranked[0].model
    assert decision.fallbacks == tuple(ranked[place].model for place in fitting[1:])
    assert {candidate.model for candidate in decision.candidates} == {candidate.model for candidate in ranked}
    assert decision.degradation.startswith(f"{ranked[0].model} may cost $")
    assert "global may use $" in decision.degradation


def test_every_task_of_a_batch_holds_once_whatever_depth_decides_it(paying):
    budgeted = paying(profile="auto", daily_usd=1000, tiers=False)
    texts = [f"{verb} the {noun}" for verb in ("Refactor", "Prove", "Translate") for noun in ("lemma", "parser", "API")]
    decisions = budgeted.route_many(texts)
    assert {decision.profile for decision in decisions} == {"fast", "deep"}
    assert len({decision.hold_id for decision in decisions}) == len(texts)
    assert held_and_posted(budgeted) == (sum(decision.held_nanousd for decision in decisions), 0)


def test_tasks_that_fit_are_decided_beside_those_that_do_not(paying):
    budgeted = paying(daily_usd=0.01, tiers=False)
    results = budgeted.try_route_many([TEXT, Task(TEXT, budget_usd=1e-9), *[TEXT] * 40])
    kinds = [type(result).__mro__[0] for result in results]
    assert issubclass(kinds[1], NoEligibleModel)
    assert set(kinds) - {kinds[1]} == {Decision, BudgetExceeded}
    held = sum(result.held_nanousd for result in results if isinstance(result, Decision))
    assert held_and_posted(budgeted) == (held, 0)
    assert held <= 10_000_000


def test_route_many_holds_nothing_where_it_raises(paying):
    budgeted = paying(daily_usd=0.01, tiers=False)
    with pytest.raises(BudgetExceeded):
        budgeted.route_many([TEXT] * 40)
    assert held_and_posted(budgeted) == (0, 0)


def test_a_tag_that_names_no_payer_refuses_the_batch_before_anything_is_held(paying):
    budgeted = paying(daily_usd=10)
    with pytest.raises(InvalidBudget, match="name of scope 'user'"):
        budgeted.try_route_many([TEXT, Task(TEXT, tags={"user": "x" * 300})])
    assert budgeted.treasury.ledger.entries() == []


def test_nothing_is_decided_while_the_ledger_cannot_be_used(paying):
    budgeted = paying(daily_usd=10)
    budgeted.treasury.snapshot()
    budgeted.treasury.close()
    with pytest.raises(LedgerUnavailable, match="the ledger is closed"):
        budgeted.route(TEXT)


def test_a_stopped_scope_is_refused_however_cheap_the_model(paying):
    budgeted = paying(daily_usd=10)
    budgeted.treasury.ledger.freeze(GLOBAL, "the bill is wrong")
    with pytest.raises(FrozenScope, match="the bill is wrong"):
        budgeted.route(TEXT)


def test_a_budget_withdraws_the_promise_of_a_choice_that_it_changes(router, paying):
    target = Policy(target_quality=0.8)
    kept = paying(target, daily_usd=10, tiers=False).route(TEXT)
    cheapest = min(most(router, model).amount_nanousd for model in router.fleet.ids)
    changed = paying(target, tenant="b", daily_usd=(cheapest + kept.held_nanousd) / 1e9, tiers=False).route(TEXT)
    assert (kept.promise.holds, kept.degradation) == (True, None)
    assert changed.model != kept.model
    assert (changed.promise.holds, changed.promise.reason) == (False, "a budget changed the choice")


def test_a_budget_never_escalates_a_choice_that_it_degraded(router, paying):
    strict = Policy(trade_usd=1e-6, confidence=0.9)
    free = Router(router.bundle, router.fleet, profile="fast", policy=strict).route(TEXT)
    assert free.escalated_from is not None
    cheapest = min(most(router, model).amount_nanousd for model in router.fleet.ids)
    decision = paying(strict, daily_usd=cheapest / 1e9, tiers=False).route(TEXT)
    assert decision.degradation is not None
    assert decision.escalated_from is None
    assert decision.held_nanousd == cheapest
