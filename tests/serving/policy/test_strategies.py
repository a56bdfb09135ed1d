import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pointsman.policy import STRATEGIES, Weights, lead, ranking, score

QUALITIES = st.floats(0, 1, width=32)
COSTS = st.integers(0, 10**12)
DIALS = st.floats(1e-6, 10)


@st.composite
def tables(draw, max_tasks=4, max_models=6):
    """Draw (quality, cost, is_able), each n x m."""
    n, m = draw(st.integers(1, max_tasks)), draw(st.integers(1, max_models))

    def grid(values):
        return draw(st.lists(st.lists(values, min_size=m, max_size=m), min_size=n, max_size=n))

    return grid(QUALITIES), grid(COSTS), grid(st.booleans())


@pytest.fixture(scope="module")
def utility_of(models_of):
    def utility(strategy, candidates, trade_usd=0.03):
        table = models_of(*map(str, range(candidates.quality.shape[1])))
        return STRATEGIES[strategy](candidates, score(candidates, table, Weights()), trade_usd)

    return utility


def chosen(utility, candidates):
    """Return each task's chosen model, for the tasks that have an able one."""
    rows = np.flatnonzero(candidates.is_able.any(axis=1))
    return rows, ranking(utility, candidates)[rows, 0]


def test_there_are_three_strategies():
    assert sorted(STRATEGIES) == ["cost-optimised", "quality-first", "weighted"]


def test_cost_optimised_weighs_quality_against_cost_by_the_dial(candidates_of, utility_of):
    candidates = candidates_of([0.9, 0.8], [30_000_000, 3_000_000])
    np.testing.assert_allclose(utility_of("cost-optimised", candidates, 0.1), [[0.6, 0.77]], atol=1e-6)
    np.testing.assert_allclose(utility_of("cost-optimised", candidates, 1.0), [[0.87, 0.797]], atol=1e-6)


def test_quality_first_ranks_by_quality_and_weighted_by_the_score(candidates_of, utility_of):
    candidates = candidates_of([0.9, 0.8], [9_000_000, 1_000_000])
    np.testing.assert_allclose(utility_of("quality-first", candidates), [[0.9, 0.8]])
    expected = [[0.4 + 0.27 + 0.198 + 0.01, 0.4 + 0.24 + 0.198 + 0.09]]
    np.testing.assert_allclose(utility_of("weighted", candidates), expected, atol=1e-6)


@given(tables(), DIALS, DIALS)
def test_a_smaller_dial_never_raises_the_chosen_cost(candidates_of, utility_of, table, one, other):
    candidates = candidates_of(*table)
    small, large = sorted((one, other))
    rows, saving = chosen(utility_of("cost-optimised", candidates, small), candidates)
    rows, spending = chosen(utility_of("cost-optimised", candidates, large), candidates)
    assert (candidates.cost_nanousd[rows, saving] <= candidates.cost_nanousd[rows, spending]).all()


@given(tables(), DIALS, DIALS)
def test_a_greater_dial_never_lowers_the_chosen_quality(candidates_of, utility_of, table, one, other):
    candidates = candidates_of(*table)
    small, large = sorted((one, other))
    rows, saving = chosen(utility_of("cost-optimised", candidates, small), candidates)
    rows, spending = chosen(utility_of("cost-optimised", candidates, large), candidates)
    lost = candidates.quality[rows, saving] - candidates.quality[rows, spending]
    assert (lost <= 1e-4).all() or (large - small) / small < 1e-3


@given(tables(), st.sampled_from(sorted(STRATEGIES)), DIALS)
def test_an_unable_model_is_never_chosen_and_stands_last(candidates_of, utility_of, table, strategy, dial):
    candidates = candidates_of(*table)
    order = ranking(utility_of(strategy, candidates, dial), candidates)
    for row, ranked in enumerate(order):
        able = candidates.is_able[row][ranked]
        assert sorted(ranked) == list(range(len(ranked)))
        assert able.tolist() == sorted(able.tolist(), reverse=True)


@given(tables(), st.sampled_from(sorted(STRATEGIES)), DIALS)
def test_the_able_are_ranked_by_falling_utility_and_ties_by_rising_cost(
    candidates_of, utility_of, table, strategy, dial
):
    candidates = candidates_of(*table)
    utility = utility_of(strategy, candidates, dial)
    for row, ranked in enumerate(ranking(utility, candidates)):
        able = [model for model in ranked if candidates.is_able[row, model]]
        keys = [(-utility[row, model], candidates.cost_nanousd[row, model]) for model in able]
        assert keys == sorted(keys)


@pytest.mark.parametrize("costs", [[5, 3, 4], [3, 4, 5], [5, 4, 3]])
def test_a_tie_goes_to_the_cheaper(candidates_of, costs):
    candidates = candidates_of([0.5, 0.5, 0.5], costs)
    assert ranking(candidates.quality, candidates)[0].tolist() == np.argsort(costs).tolist()


def test_a_tie_in_cost_too_goes_to_the_first(candidates_of):
    candidates = candidates_of([0.5, 0.5, 0.5], [1, 1, 1])
    assert ranking(candidates.quality, candidates)[0].tolist() == [0, 1, 2]


@given(tables(), st.sampled_from(sorted(STRATEGIES)), DIALS, st.randoms(use_true_random=False))
def test_a_permutation_of_the_models_permutes_the_ranking(candidates_of, utility_of, table, strategy, dial, random):
    quality, cost, is_able = table
    permutation = list(range(len(quality[0])))
    random.shuffle(permutation)
    before = candidates_of(quality, cost, is_able)
    keys = [{*zip(*row, strict=True)} for row in zip(quality, cost, strict=True)]
    assume(all(len(row) == len(permutation) for row in keys))
    assume(all(len({*row}) == len(row) for row in cost))
    after = candidates_of(*(np.array(column)[:, permutation] for column in (quality, cost, is_able)))
    one = ranking(utility_of(strategy, before, dial), before)
    other = ranking(utility_of(strategy, after, dial), after)
    able = before.is_able.sum(axis=1)
    for row, count in enumerate(able):
        assert [permutation[model] for model in other[row, :count]] == one[row, :count].tolist()


@given(tables(), st.sampled_from(sorted(STRATEGIES)), DIALS)
def test_many_tasks_are_ranked_as_each_alone(candidates_of, utility_of, table, strategy, dial):
    together = candidates_of(*table)
    order = ranking(utility_of(strategy, together, dial), together)
    for row in range(len(order)):
        alone = candidates_of(*(column[row] for column in table))
        assert ranking(utility_of(strategy, alone, dial), alone)[0].tolist() == order[row].tolist()


@given(tables(), st.sampled_from(sorted(STRATEGIES)), DIALS)
def test_the_lead_is_the_gap_between_the_best_two_able(candidates_of, utility_of, table, strategy, dial):
    candidates = candidates_of(*table)
    utility = utility_of(strategy, candidates, dial)
    leads = lead(utility, candidates)
    assert leads.shape == (len(utility),)
    for row, gap in enumerate(leads):
        best = sorted(utility[row][candidates.is_able[row]].tolist(), reverse=True)
        expected = best[0] - best[1] if len(best) > 1 else np.inf
        assert gap == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("is_able", [[True, False], [False, True], [False, False]])
def test_the_lead_is_infinite_with_fewer_than_two_able(candidates_of, is_able):
    assert lead(np.array([[0.5, 0.4]]), candidates_of([0.5, 0.4], [1, 1], is_able)).tolist() == [np.inf]


def test_the_lead_of_one_model_is_infinite(candidates_of):
    assert lead(np.array([[0.5], [0.1]]), candidates_of([[0.5], [0.1]], [[1], [1]])).tolist() == [np.inf, np.inf]


def test_a_dial_close_to_nothing_chooses_the_cheapest(candidates_of, utility_of):
    candidates = candidates_of([0.1, 0.9], [1_000, 1_000_000])
    assert chosen(utility_of("cost-optimised", candidates, 1e-12), candidates)[1].tolist() == [0]


def test_free_models_are_ranked_by_quality(candidates_of, utility_of):
    candidates = candidates_of([0.2, 0.9, 0.5], [0, 0, 0])
    assert ranking(utility_of("cost-optimised", candidates), candidates)[0].tolist() == [1, 2, 0]
