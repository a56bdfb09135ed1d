import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pointsman.errors import InvalidInput, InvalidTask
from pointsman.policy import STRATEGIES, Weights, score
from pointsman.policy.modes import MODES, Circumstances, cost_aggressive, dynamic_adaptive, mode, task_type_optimised
from pointsman.types import TASK_TYPES

DEBUGGING, TRANSLATION = TASK_TYPES.index("debugging"), TASK_TYPES.index("translation")
QUALITY, COST = [0.5, 0.7, 0.8], [10**6, 10**7, 10**8]  # $0.001, $0.01, $0.10


@pytest.fixture
def table(candidates_of, models_of):
    candidates = candidates_of([QUALITY, QUALITY], [COST, COST])
    return candidates, score(candidates, models_of("a", "b", "c"), Weights())


def choices(strategy, table, trade_usd):
    return strategy(*table, trade_usd).argmax(axis=1).tolist()


def test_each_task_type_has_its_own_dial(table):
    strategy = task_type_optimised(np.array([DEBUGGING, TRANSLATION]), {"debugging": 10.0, "translation": 0.001})
    assert choices(strategy, table, 0.1) == [2, 0]


def test_types_without_a_dial_keep_the_common_one(table):
    strategy = task_type_optimised(np.array([DEBUGGING, TRANSLATION]), {"debugging": 10.0})
    common = choices(STRATEGIES["cost-optimised"], table, 0.1)
    assert choices(strategy, table, 0.1) == [2, common[1]]


def test_a_budgets_multiplier_adds_to_the_price_of_money(table):
    # λ = 1 / 0.1 + 40 = 50, the dial 0.02
    paced = dynamic_adaptive(40.0)(*table, 0.1)
    assert np.allclose(paced, STRATEGIES["cost-optimised"](*table, 0.02))
    assert np.array_equal(dynamic_adaptive(0.0)(*table, 0.1), STRATEGIES["cost-optimised"](*table, 0.1))


def test_the_hard_step_takes_the_cheapest_whatever_it_gains(table):
    assert choices(dynamic_adaptive(0.0, is_hard=True), table, 1e6) == [0, 0]


def test_cost_aggressive_counts_money_ten_times(table):
    assert np.allclose(cost_aggressive(*table, 1.0), STRATEGIES["cost-optimised"](*table, 0.1))


def test_every_name_gives_a_strategy_and_control_is_production(table):
    around = Circumstances(np.array([DEBUGGING, DEBUGGING]), {})
    production = STRATEGIES["quality-first"]
    assert mode("control", around, production) is production
    for name in (*STRATEGIES, *MODES):
        assert mode(name, around, production)(*table, 0.1).shape == (2, 3)
    with pytest.raises(InvalidInput, match=r"strategy is 'fastest'; expected one of .*cost-optimised.*control"):
        mode("fastest", around, production)


@pytest.mark.parametrize("dial", [0, -1, float("nan"), float("inf"), True, "1"])
def test_impossible_dials_are_refused(dial):
    with pytest.raises(InvalidInput, match="expected dollars above 0"):
        task_type_optimised(np.array([0]), {"debugging": dial})
    with pytest.raises(InvalidTask):
        task_type_optimised(np.array([0]), {"no such type": 1.0})


@pytest.mark.parametrize("multiplier", [-1.0, float("nan"), float("inf")])
def test_impossible_multipliers_are_refused(multiplier):
    with pytest.raises(InvalidInput, match="expected a finite number from 0"):
        dynamic_adaptive(multiplier)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 10**9)), min_size=2, max_size=6),
    st.floats(0, 1e4),
    st.floats(0, 1e4),
)
def test_a_tighter_budget_never_chooses_a_dearer_model(candidates_of, models_of, models, one, two):
    candidates = candidates_of([[q for q, _ in models]], [[c for _, c in models]])
    components = score(candidates, models_of(*map(str, range(len(models)))), Weights())
    utilities = [dynamic_adaptive(multiplier)(candidates, components, 0.05)[0] for multiplier in sorted((one, two))]
    for utility in utilities:  # float32 can't tell nearer ones apart
        assume(np.diff(np.sort(utility)).min() > 1e-5 * (1 + np.abs(utility).max()))
    looser, tighter = (candidates.cost_nanousd[0, utility.argmax()] for utility in utilities)
    assert tighter <= looser
