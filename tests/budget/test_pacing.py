import importlib.util
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.budget.pacing import LAMBDAS, Pace, PacerState, Purse, observe, pace, settle, tightest
from pointsman.errors import InvalidBudget

USD = 10**9
QUALITY = np.array([0.5, 0.7, 0.8])
COST = np.array([1, 10, 100]) * 10**6  # $0.001, $0.01, $0.10


def seen(n=100, quality=QUALITY, cost=COST):
    return observe(PacerState(), np.tile(quality, (n, 1)), np.tile(cost, (n, 1)))


def test_a_budget_that_suffices_changes_nothing():
    assert pace(seen(), Purse(100 * USD, 100 * USD, 900.0), 1.0) == Pace(1.0, 0.0, False, None)


def test_a_budget_that_is_short_raises_the_price_until_the_rest_fits():
    # At a dial of $1: 0.8 - 0.1 = 0.7 against 0.7 - 0.01 = 0.69, so the dearest model is taken, at $0.10 a task. Where
    # there are $2 for 100 tasks, the middle one fits, from λ = (0.8 - 0.7) / (0.10 - 0.01) = 1.11 on.
    paced = pace(seen(), Purse(10 * USD, 2 * USD, 100.0), 1.0)
    assert 0 < paced.multiplier < 0.35
    assert paced.trade_usd == pytest.approx(1 / (1 + paced.multiplier))
    assert QUALITY[1] - COST[1] / USD / paced.trade_usd > QUALITY[0] - COST[0] / USD / paced.trade_usd
    assert paced.words.startswith("$2.00 of $10.00 is left for about 100 more tasks: quality 1.0 counts as $0.")
    assert paced.words.endswith(" instead of $1.00")


def test_when_even_the_cheapest_would_use_it_up_the_cheapest_is_taken():
    paced = pace(seen(), Purse(10 * USD, USD // 20, 100.0), 1.0)
    assert paced == Pace(
        1.0, 0.0, True, "$0.050 of $10.00 is left for about 100 more tasks: the cheapest able model is taken"
    )
    assert pace(seen(), Purse(10 * USD, -5, 100.0), 1.0).is_hard


def test_before_anything_is_known_the_dial_stands_until_a_twentieth_is_left():
    assert not pace(PacerState(), Purse(10 * USD, USD // 2, 9.0), 1.0).is_degraded
    assert pace(PacerState(), Purse(10 * USD, USD // 2 - 1, 9.0), 1.0).is_hard


def test_bills_above_predictions_make_money_dearer():
    state = seen()
    for _ in range(200):
        state = settle(state, 10**7, 2 * 10**7)
    assert 1.8 < state.bias < 2.0
    purse = Purse(10 * USD, 6 * USD, 100.0)
    assert pace(state, purse, 1.0).multiplier > pace(seen(), purse, 1.0).multiplier


def test_models_that_are_not_able_are_not_counted():
    limited = observe(PacerState(), np.tile([0.5, 0.7, -np.inf], (50, 1)), np.tile(COST, (50, 1)))
    assert limited.cost_by_lambda[0] == pytest.approx(10**7)
    nobody = observe(limited, np.full((3, 3), -np.inf), np.tile(COST, (3, 1)))
    assert nobody == limited


def test_tasks_one_by_one_and_together_teach_the_same():
    rng = np.random.default_rng(0)
    quality, cost = rng.random((40, 3)), rng.integers(1, 10**8, (40, 3))
    one_by_one = PacerState()
    for row in range(40):
        one_by_one = observe(one_by_one, quality[row : row + 1], cost[row : row + 1])
    together = observe(PacerState(), quality, cost)
    assert np.allclose(one_by_one.cost_by_lambda, together.cost_by_lambda)
    assert one_by_one.cheapest == pytest.approx(together.cheapest)
    assert one_by_one.tasks == pytest.approx(together.tasks)


def test_the_state_survives_being_stored():
    state = settle(seen(), 5, 6)
    assert msgspec.json.decode(msgspec.json.encode(state), type=PacerState) == state
    assert len(msgspec.json.encode(state)) < 3_000


def test_the_tightest_of_several_purses_decides():
    loose, tight, hard = Pace(1.0, 0.0, False, None), Pace(0.5, 1.0, False, "b"), Pace(1.0, 0.0, True, "c")
    assert tightest([loose, tight]) == tight
    assert tightest([tight, hard, loose]) == hard
    with pytest.raises(InvalidBudget, match="no budget applies"):
        tightest([])


@pytest.mark.parametrize("arguments", [(-1, 0, 1.0), (1, 0, -1.0), (1, 0, float("nan")), (1, 0, float("inf"))])
def test_impossible_purses_are_refused(arguments):
    with pytest.raises(InvalidBudget, match="expected a limit from 0 and a finite number of tasks"):
        Purse(*arguments)


@settings(deadline=None)
@given(st.integers(0, 20 * USD), st.integers(0, 5 * USD), st.floats(0, 1e6), st.floats(1e-4, 1e3))
def test_less_money_or_more_tasks_never_make_money_cheaper(remaining, less, tasks, dial):
    def strictness(purse):
        paced = pace(STATE, purse, dial)
        return paced.is_hard, paced.multiplier

    base = strictness(Purse(20 * USD, remaining, tasks))
    assert base <= strictness(Purse(20 * USD, max(remaining - less, 0), tasks))
    assert base <= strictness(Purse(20 * USD, remaining, 2 * tasks))


@settings(deadline=None)
@given(st.integers(10**7, 10**10))
def test_at_the_price_that_is_set_the_rest_fits_what_remains(remaining):
    paced = pace(STATE, Purse(20 * USD, remaining, 100.0), 1e6)
    if not paced.is_hard:
        price = 1 / paced.trade_usd
        place = min(int(np.searchsorted(LAMBDAS, price)), len(LAMBDAS) - 1)
        assert STATE.cost_by_lambda[place] * 100 / STATE.bias <= remaining * 1.001 / STATE.bias


rng = np.random.default_rng(3)
STATE = observe(PacerState(), rng.random((500, 4)), rng.integers(10**4, 10**8, (500, 4)))


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).resolve().parents[1] / "bench" / "pacing.py"
    spec = importlib.util.spec_from_file_location("pacing_bench", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_four_days_of_traffic_lose_little_and_never_overspend(bench):
    traffic = list(bench.month(np.random.default_rng(5), 4, 1_500.0, bench.WEATHERS["usual"]))
    report = bench.measure(traffic, ("spend until empty", "paced"))
    assert [result["days_overspent"] for result in report.values()] == [0, 0]
    assert report["paced"]["lost"] < 0.05
    assert report["paced"]["lost"] < report["spend until empty"]["lost"] / 4


def test_the_bound_of_the_bench_is_above_every_choice(bench):
    [day] = bench.month(np.random.default_rng(1), 1, 400.0, bench.WEATHERS["rough"])
    limit = bench.LIMIT_NANOUSD
    rows = np.arange(len(day.hours))
    for price in (0.0, 1.0, 30.0, 1e3, 1e6):
        picks = (day.quality - price * day.billed / USD).argmax(axis=1)
        if day.billed[rows, picks].sum() <= limit:
            assert day.quality[rows, picks].sum() <= bench.bound(day, day.billed * 1.0) + 1e-6
