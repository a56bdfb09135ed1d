"""The limits that the rules give are those that the ledger keeps: a day of tasks, from the exposure to the bill."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from pointsman.budget import GLOBAL, Amount, HoldRequest, Scope
from pointsman.budget.exposure import Attempt, exposure, invoice_nanousd
from pointsman.budget.rules import Bearing, Caps, Rules, Used, effective_limits, tiers_of
from pointsman.errors import BudgetExceeded
from pointsman.registry import TokenUsage, load_fleet
from pointsman.store import open_ledger
from pointsman.types import COMPLEXITIES

USD = 10**9
DAILY = USD // 20
RULES = Rules(
    everyone=Caps(daily=DAILY),
    tiers=tiers_of(DAILY, {"simple": 20, "medium": 50, "complex": 30}),
    each={"user": Caps(daily=DAILY // 3)},
    default_plan="pro",
)


class Clock:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, timeout_s=30) as opened:
        yield opened


def used_of(ledger, scope):
    usage = ledger.usage(scope, "day")
    return usage.posted.nanousd + usage.held.nanousd


def test_a_day_of_tasks_never_passes_a_rule_and_says_which_one_refused(ledger, clock):
    cards, rng = load_fleet("default").cards, random.Random(4)
    refusals = set()
    for number in range(150):
        clock.now += timedelta(minutes=9)
        tier = rng.choices(COMPLEXITIES, (6, 2, 1))[0]
        task = Bearing(f"r{number}", {"user": rng.choice("abcdef")}, "debugging", tier)
        tiers = {name: used_of(ledger, Scope("tier", name)) for name in COMPLEXITIES}
        limits = effective_limits(RULES, task, Used(tiers), clock.now)
        card, attempt = rng.choice(cards), Attempt(rng.randrange(10, 3_000))
        held = exposure(card, attempt, RULES.plan(task.tags["user"]).max_output_tokens)
        amount = Amount(held.amount_nanousd, held.input_tokens, held.output_tokens)
        request = HoldRequest(task.request_id, task.scopes(), amount, clock.now + timedelta(minutes=5))
        try:
            hold = ledger.reserve(request, limits)
        except BudgetExceeded as refusal:
            refusals.add((refusal.scope.split(":")[0], refusal.window))
            continue
        tokens = TokenUsage(attempt.input_tokens, rng.randrange(held.output_tokens))
        bill = invoice_nanousd(card.price, tokens)
        ledger.settle(hold.hold_id, Amount(bill, tokens.input_tokens, tokens.output_tokens), key=task.request_id)
        assert used_of(ledger, GLOBAL) == sum(used_of(ledger, Scope("tier", name)) for name in COMPLEXITIES) <= DAILY
        assert used_of(ledger, Scope("user", task.tags["user"])) <= DAILY // 3
    assert used_of(ledger, Scope("tier", "simple")) > DAILY // 5  # it has borrowed
    assert {("tier", "day"), ("user", "day")} <= refusals
    assert ledger.freezes() == ledger.reconcile() == []


def test_a_plans_prompt_limit_is_kept_by_the_ledger(ledger, clock):
    task = Bearing("r1", {"user": "ann"}, "debugging", "simple", plan="free")
    limits = effective_limits(RULES, task, Used(), clock.now)
    request = HoldRequest("r1", task.scopes(), Amount(1, 1_001, 10), clock.now + timedelta(minutes=5))
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve(request, limits)
    assert (refusal.value.scope, refusal.value.unit, refusal.value.limit) == ("request:r1", "input_tokens", 1_000)
