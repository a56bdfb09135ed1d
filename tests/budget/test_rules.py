from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.budget import GLOBAL, TENANT, Limit, Scope
from pointsman.budget.rules import Bearing, Caps, Plan, Rules, Used, effective_limits, tiers_of
from pointsman.errors import InvalidBudget
from pointsman.types import COMPLEXITIES

USD = 10**9
MORNING = datetime(2026, 11, 21, 6, tzinfo=UTC)
AT_18 = MORNING.replace(hour=18)
TASK = Bearing("r1", {"user": "ann", "team": "search"}, "debugging", "simple")
TIERS = tiers_of(10 * USD, {"simple": 20, "medium": 50, "complex": 30})


def test_by_default_a_day_has_ten_dollars_and_a_simple_task_two_of_them():
    assert effective_limits(Rules(), TASK, Used(), MORNING) == (
        Limit(GLOBAL, "day", 10 * USD, reason="the budget of everyone, daily"),
        Limit(Scope("tier", "simple"), "day", 2 * USD, reason="the simple tier's share of the day, $2.00"),
    )


def test_every_limit_that_applies_is_listed_with_its_reason():
    rules = Rules(
        everyone=Caps(10 * USD, 200 * USD, 1000 * USD),
        request_nanousd=USD,
        task_types={"debugging": 3 * USD, "testing": USD},
        tiers=None,
        each={"user": Caps(daily=USD, monthly=9 * USD), "tenant": Caps(daily=8 * USD)},
        named={Scope("user", "ann"): Caps(daily=2 * USD, plan="pro"), Scope("team", "other"): Caps(daily=1)},
        plans={"pro": Plan("pro", 1000, None, 400, 200)},
    )
    used = Used(input_tokens_last_month=400)
    told = [(str(limit), limit.reason) for limit in effective_limits(rules, TASK, used, MORNING)]
    assert told == [
        ("$10.00 per day for global", "the budget of everyone, daily"),
        ("$200.00 per month for global", "the budget of everyone, monthly"),
        ("$1,000.00 per total for global", "the budget of everyone, total"),
        ("$8.00 per day for tenant", "the budget of each tenant, daily"),
        ("$1.00 per request for request:r1", "the budget of each request"),
        ("$3.00 per day for task_type:debugging", "the budget of the task type"),
        ("$2.00 per day for user:ann", "the budget of user:ann, daily"),
        ("$9.00 per month for user:ann", "the budget of user:ann, monthly"),
        ("1,120 input tokens per month for user:ann", "the plan pro, with 120 rolled over from last month"),
        ("400 input tokens per request for request:r1", "the plan pro, per request"),
        ("200 output tokens per request for request:r1", "the plan pro, per request"),
    ]


def test_every_limit_is_on_a_scope_that_the_hold_counts_for():
    rules = Rules(request_nanousd=1, each={"user": Caps(1), "tenant": Caps(1)}, default_plan="free")
    limits = effective_limits(rules, TASK, Used(), MORNING)
    assert {limit.scope for limit in limits} <= set(TASK.scopes())
    assert TASK.scopes()[:2] == (GLOBAL, TENANT)


@pytest.mark.parametrize(
    ("base", "last_month", "this_month"),
    [(1000, None, 1000), (1000, 1000, 1000), (1000, 1100, 1000), (1000, 0, 1200), (1000, 501, 1099), (None, 5, None)],
)
def test_a_fifth_of_what_last_month_left_rolls_over_and_no_more(base, last_month, this_month):
    assert Plan("p", monthly_input_tokens=base).monthly("input", last_month) == this_month


def test_a_plan_is_the_stated_one_then_the_users_then_the_default():
    rules = Rules(named={Scope("user", "ann"): Caps(plan="pro")}, default_plan="free")
    assert rules.plan("ann", "free").name == "free"
    assert rules.plan("ann").name == "pro"
    assert rules.plan("bob").name == "free"
    assert Rules().plan("bob") is None
    with pytest.raises(InvalidBudget, match="plan is 'gold'; expected one of free, pro"):
        rules.plan("ann", "gold")


@pytest.mark.parametrize(
    ("now", "used", "allowance"),
    [
        (MORNING, {}, 2.0),  # half the day hasn't passed: its own share
        (MORNING.replace(hour=12), {}, 2.0),  # it has just passed: nothing of the others' is open yet
        (AT_18, {}, 2 + 8 / 2),  # three quarters: half of what the others haven't used
        (AT_18, {"medium": 5 * USD}, 2 + 3 / 2),
        (AT_18, {"medium": 7 * USD}, 2 + 3 / 2 - 0.5),  # medium has borrowed: 10 - 7 = 3 are left
        (AT_18, {"simple": 3 * USD, "medium": 5 * USD, "complex": 2 * USD}, 2.5),  # all is spent: no room
        (MORNING + timedelta(hours=18, microseconds=-1), {}, 10.0),
    ],
)
def test_a_tier_borrows_in_the_second_half_of_the_day(now, used, allowance):
    assert TIERS.allowance("simple", used, 10 * USD, now) == pytest.approx(allowance * USD, abs=10**6)


def test_a_tier_never_borrows_where_borrowing_is_off():
    tiers = tiers_of(10 * USD, {"simple": 20, "medium": 50, "complex": 30}, None)
    assert tiers.allowance("simple", {}, 10 * USD, AT_18.replace(hour=23)) == 2 * USD


def test_the_reason_says_how_much_was_borrowed_and_how_much_was_lent():
    borrowed = effective_limits(Rules(), TASK, Used(), AT_18)[1]
    lent = effective_limits(Rules(), TASK, Used({"medium": 9 * USD}), MORNING)[1]
    assert borrowed.reason == "the simple tier's share of the day, $2.00, and $4.00 that other tiers haven't used"
    assert (lent.amount, lent.reason) == (
        USD,
        "the simple tier's share of the day, $2.00, less $1.00 that other tiers have borrowed",
    )


steps = st.lists(
    st.tuples(st.integers(0, 4 * 3600), st.sampled_from(COMPLEXITIES), st.integers(0, 6 * USD)), max_size=40
)


@settings(deadline=None)
@given(steps, st.none() | st.integers(0, 100), st.lists(st.integers(0, 33), min_size=3, max_size=3))
def test_no_order_of_spending_takes_the_tiers_past_the_day(spending, after, percents):
    daily = 10 * USD
    tiers = tiers_of(daily, dict(zip(COMPLEXITIES, percents, strict=True)), after)
    now, used = MORNING.replace(hour=0), dict.fromkeys(COMPLEXITIES, 0)
    for wait, tier, wanted in spending:
        now = min(now + timedelta(seconds=wait), MORNING.replace(hour=23, minute=59))
        room = tiers.allowance(tier, used, daily, now) - used[tier]
        used[tier] += max(min(wanted, room), 0)
        assert sum(used.values()) <= daily
        if after is None:
            assert all(used[name] <= share for name, share in tiers.nanousd.items())


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(COMPLEXITIES), st.integers(0, 12 * USD)), st.integers(0, 86_399))
def test_an_allowance_only_grows_over_the_day(used, second):
    earlier = MORNING.replace(hour=0) + timedelta(seconds=second // 2)
    later = MORNING.replace(hour=0) + timedelta(seconds=second)
    for tier in COMPLEXITIES:
        assert TIERS.allowance(tier, used, 10 * USD, earlier) <= TIERS.allowance(tier, used, 10 * USD, later)
