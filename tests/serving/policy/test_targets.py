from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import InvalidInput
from pointsman.policy import Pledge, Policy, Readings, pledge, ranking, solve_quality, solve_spend
from pointsman.policy.strategies import cost_utility
from pointsman.policy.targets import best_models
from pointsman.promises import DialPoint, Promises
from pointsman.types import Promise

FLEET = {"small": (1, 2), "large": (10, 20)}


def curve(*floors, costs=None):
    costs = costs or range(100, 100 * (len(floors) + 1), 100)
    return tuple(
        DialPoint(0.001 * 10**place, floor + 0.02, cost, floor)
        for place, (floor, cost) in enumerate(zip(floors, costs, strict=True))
    )


def promises(**changes):
    fields = {
        "confidence": 0.95,
        "fleet": FLEET,
        "curves": {"fast": curve(0.6, 0.7, 0.8)},
        "source": "school",
        "evidence": "held out",
        "prompts": 500,
        "groups": 400,
        "novelty_ceiling": 0.98,
        "novelty_quantiles": tuple(np.linspace(0, 0.98, 101).tolist()),
    }
    return Promises(**(fields | changes))


@pytest.mark.parametrize(
    ("floors", "quality", "place"),
    [
        ((0.6, 0.7, 0.8), 0.65, 1),
        ((0.6, 0.7, 0.8), 0.7, 1),
        ((0.6, 0.7, 0.8), 0.1, 0),
        ((0.75, 0.6, 0.8), 0.7, 2),
        ((0.75, 0.8, 0.78), 0.75, 0),
    ],
    ids=["least-that-reaches", "exactly", "all-reach", "none-below-a-failure", "a-dip-that-still-reaches"],
)
def test_the_dial_is_the_last_from_above_before_a_floor_falls_short(floors, quality, place):
    points = curve(*floors)
    assert solve_quality(points, quality) is points[place]


def test_a_target_above_the_largest_dials_floor_is_refused_with_the_most_that_can_be_promised():
    with pytest.raises(InvalidInput) as refusal:
        solve_quality(curve(0.6, 0.9, 0.8127), 0.85)
    assert refusal.value.field == "target_quality"
    assert refusal.value.message == (
        "target_quality is 0.85; the most that can be promised for this fleet is 0.812. Lower the target, add a "
        "stronger model, or calibrate on more outcomes (pointsman target)."
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_target_never_lowers_the_dial(floors, one, other):
    points = curve(*floors)
    low, high = sorted((one, other))
    if high <= floors[-1]:
        assert solve_quality(points, low).trade_usd <= solve_quality(points, high).trade_usd


def test_a_spend_target_takes_the_largest_dial_within_it():
    points = curve(0.6, 0.7, 0.8, costs=(1_000, 2_000, 3_000))
    assert solve_spend(points, 1_000_000, 2.0) is points[1]
    assert solve_spend(points, 1_000_000, 2.999999) is points[1]
    assert solve_spend(points, 1_000_000, 1e9) is points[2]


def test_a_spend_below_the_cheapest_is_refused_with_what_that_costs():
    with pytest.raises(InvalidInput) as refusal:
        solve_spend(curve(0.6, 0.7, costs=(1_500, 2_000)), 1_000_000, 1.49)
    assert refusal.value.message == (
        "target_spend is $1.49 a month; 1,000,000 tasks cost at least $1.50. Raise the target, or add a cheaper model."
    )


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "9", True, None])
def test_a_spend_or_traffic_that_is_no_positive_number_is_refused(wrong):
    with pytest.raises(InvalidInput, match=r"^tasks_per_month is .*; expected a finite number above 0\.$"):
        solve_spend(curve(0.6), wrong, 5.0)
    with pytest.raises(InvalidInput, match=r"^target_spend is .*; expected a finite number above 0\.$"):
        solve_spend(curve(0.6), 5.0, wrong)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e-3, 1.0]))
def test_the_best_model_is_the_one_that_ranking_puts_first(candidates_of, seed, dial):
    rng = np.random.default_rng(seed)
    quality, cost = rng.integers(1, 4, (5, 4)) / 4, rng.integers(0, 3, (5, 4)) * 100
    able = rng.random((5, 4)) < 0.8
    able[:, 0] = True
    candidates = candidates_of(quality, cost, able)
    utility = cost_utility(candidates, dial)
    best = best_models(utility, candidates)
    rows, first = np.arange(5), ranking(utility, candidates)[:, 0]
    for table in (utility, candidates.cost_nanousd):  # of models equal in both, either may come first
        assert (table[rows, best] == table[rows, first]).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_larger_dial_never_lowers_predicted_quality_or_cost(candidates_of, seed):
    rng = np.random.default_rng(seed)
    candidates = candidates_of(rng.random((6, 5)), rng.integers(1, 10**7, (6, 5)))
    points = Readings(candidates, None).curve()
    assert all(a.quality <= b.quality + 1e-6 for a, b in pairwise(points))
    assert all(a.cost_nanousd <= b.cost_nanousd + 100 for a, b in pairwise(points))


def test_auto_takes_the_deep_choice_where_the_fast_lead_is_small(candidates_of):
    fast = candidates_of([[0.5, 0.9], [0.5, 0.52]], [[0, 0], [0, 0]])
    deep = candidates_of([[0.9, 0.5], [0.8, 0.6]], [[0, 0], [0, 0]])
    models, is_deep = Readings(fast, deep, margin=0.1).choices(1.0)
    assert (models.tolist(), is_deep.tolist()) == ([1, 0], [False, True])
    assert Readings(fast, deep, margin=0.1).curve((1.0,)) == (DialPoint(1.0, pytest.approx(0.85), 0),)


def test_a_curve_leaves_out_tasks_that_no_model_can_do(candidates_of):
    candidates = candidates_of([[0.5, 0.9], [0.1, 0.1]], [[10, 10], [99, 99]], [[True, True], [False, False]])
    assert Readings(None, candidates).curve((1.0,)) == (DialPoint(1.0, pytest.approx(0.9), 10),)
    nothing = candidates_of([[0.5, 0.9]], [[10, 10]], [[False, False]])
    with pytest.raises(InvalidInput, match="No model of the fleet can do any of these tasks"):
        Readings(None, nothing).curve()


HOLDS = Promise(0.8, 0.95, True, None)


@pytest.mark.parametrize(
    ("fleet", "digest", "threshold", "reason"),
    [
        (FLEET, "abc", None, None),
        (dict(reversed(FLEET.items())), "abc", None, None),
        (FLEET, "xyz", None, "calibrated with bundle abc, and this is xyz"),
        ({"small": (1, 2)}, "abc", None, "another fleet than calibrated: without large"),
        (FLEET | {"new": (1, 1)}, "abc", None, "another fleet than calibrated: with new"),
        (FLEET | {"large": (10, 21)}, "abc", None, "other prices than calibrated: large"),
        (FLEET, "abc", 0.7, "escalation at 0.7 changes the calibrated choices"),
    ],
)
def test_a_promise_is_withdrawn_with_the_reason_where_something_differs(fleet, digest, threshold, reason):
    made = pledge(promises(bundle="abc"), 0.8, fleet, digest, threshold)
    assert made == Pledge(0.8, 0.95, 0.98, reason)
    assert made.of(0.5, 0) == (HOLDS if reason is None else Promise(0.8, 0.95, False, reason))


@pytest.mark.parametrize(
    ("novelty", "unable", "promise"),
    [
        (0.98, 0, HOLDS),
        (
            0.9801,
            0,
            Promise(0.8, 0.95, False, "novelty 0.980 is above 0.980: of another kind than the calibration data"),
        ),
        (0.1, 1, Promise(0.8, 0.95, False, "1 of the calibrated models was not able to do this task")),
        (1.0, 3, Promise(0.8, 0.95, False, "3 of the calibrated models were not able to do this task")),
    ],
)
def test_a_promise_is_withdrawn_for_a_task_of_another_kind(novelty, unable, promise):
    assert Pledge(0.8, 0.95, 0.98).of(novelty, unable) == promise


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.8", True])
@pytest.mark.parametrize("field", ["confidence", "target_quality"])
def test_a_policys_probability_out_of_range_is_refused(field, value):
    with pytest.raises(InvalidInput, match=rf"^{field} is .*; expected a probability from 0 to 1\.$"):
        Policy(**{field: value})


@pytest.mark.parametrize("others", [{"trade_usd": 0.1}, {"strategy": "weighted"}, {"strategy": "quality-first"}])
def test_a_target_beside_what_it_solves_is_refused(others):
    with pytest.raises(InvalidInput, match=r"^target_quality "):
        Policy(target_quality=0.8, **others)


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence": 1.0},
        {"novelty_quantiles": (0.0, 1.0)},
        {"novelty_quantiles": tuple(np.linspace(1, 0, 101).tolist())},
        {"curves": {"fast": ()}},
        {"curves": {"fast": tuple(reversed(curve(0.6, 0.7)))}},
        {"curves": {"fast": (DialPoint(0.1, 0.8, 5),)}},
        {"curves": {"fast": (DialPoint(0.1, 0.8, -5, 0.7),)}},
        {"curves": {"fast": (DialPoint(0.0, 0.8, 5, 0.7),)}},
    ],
)
def test_a_table_that_nothing_can_be_solved_on_does_not_decode(changes):
    data = msgspec.to_builtins(promises()) | msgspec.to_builtins(changes)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, Promises)
