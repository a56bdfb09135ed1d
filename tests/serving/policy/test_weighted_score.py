import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidInput
from pointsman.policy import Weights, ranking, score, weighted
from pointsman.policy.scoring import DEAREST_USD_PER_1K_TOKENS, cost_score

SHARES = st.floats(0, 1, width=32)
MODELS = ("gpt-4o", "claude-sonnet-4", "gpt-4o-mini")


def row(*values):
    return np.array([values], dtype=np.float32)


def test_the_worked_example_gives_its_scores_and_its_order(candidates_of):
    scores = weighted(
        capability=row(1, 1, 1),
        performance=row(0.95, 0.93, 0.85),
        availability=row(0.99, 0.98, 0.99),
        usd_per_1k_tokens=row(0.005, 0.003, 0.00015),
        weights=Weights(),
    )
    np.testing.assert_allclose(scores.cost, row(0.5, 0.7, 0.985), atol=1e-6)
    np.testing.assert_allclose(scores.total, row(0.933, 0.945, 0.9515), atol=1e-6)
    order = ranking(scores.total, candidates_of([0.95, 0.93, 0.85], [5, 3, 1]))[0]
    assert [MODELS[index] for index in order] == ["gpt-4o-mini", "claude-sonnet-4", "gpt-4o"]


def test_candidates_of_the_worked_example_score_the_same_from_their_costs(candidates_of, models_of):
    nanousd_of_1k_tokens = [5_000_000, 3_000_000, 150_000]
    candidates = candidates_of([0.95, 0.93, 0.85], nanousd_of_1k_tokens)
    scores = score(candidates, models_of(*MODELS, availability=[0.99, 0.98, 0.99]), Weights())
    np.testing.assert_allclose(scores.capability, row(1, 1, 1))
    np.testing.assert_allclose(scores.performance, row(0.95, 0.93, 0.85))
    np.testing.assert_allclose(scores.availability, row(0.99, 0.98, 0.99))
    np.testing.assert_allclose(scores.total, row(0.933, 0.945, 0.9515), atol=1e-6)


def test_an_unable_model_has_no_capability(candidates_of, models_of):
    scores = score(candidates_of([0.5, 0.5], [1, 1], [True, False]), models_of("a", "b"), Weights())
    assert scores.capability.tolist() == [[1, 0]]
    np.testing.assert_allclose(scores.total[0, 0] - scores.total[0, 1], 0.4, atol=1e-6)


def test_the_price_is_that_of_all_tokens(candidates_of, models_of):
    candidates = msgspec.structs.replace(candidates_of([0.5], [4_000_000]), tokens=row(2_000))
    assert score(candidates, models_of("a"), Weights()).cost[0, 0] == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("usd", "expected"), [(0, 1), (0.005, 0.5), (DEAREST_USD_PER_1K_TOKENS, 0), (7.0, 0)])
def test_the_cost_score_falls_from_one_to_nothing(usd, expected):
    assert cost_score(row(usd))[0, 0] == pytest.approx(expected, abs=1e-6)


@given(SHARES, SHARES, SHARES, st.floats(0, 1, width=32), st.tuples(*[st.floats(0.01, 10)] * 4))
def test_the_total_is_the_weighted_sum_of_its_parts(capability, performance, availability, usd, weights):
    parts = weighted(row(capability), row(performance), row(availability), row(usd), Weights(*weights))
    components = (parts.capability, parts.performance, parts.availability, parts.cost)
    assert all(0 <= part[0, 0] <= 1 for part in components)
    expected = math.fsum(weight * float(part[0, 0]) for weight, part in zip(weights, components, strict=True))
    assert parts.total.dtype == np.float32
    assert parts.total[0, 0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    "weights",
    [(-0.1, 1, 1, 1), (math.nan, 1, 1, 1), (1, math.inf, 1, 1), (0, 0, 0, 0), (1, 1, 1, -math.inf)],
)
def test_weights_that_rank_nothing_are_refused(weights):
    with pytest.raises(
        InvalidInput, match=r"^weights are .*; expected four finite numbers, none negative, not all zero"
    ):
        Weights(*weights)


@pytest.mark.parametrize("weight", ["0.4", None, [1]])
def test_weights_that_are_no_numbers_are_refused(weight):
    with pytest.raises(InvalidInput, match=r"^weights are "):
        Weights(capability=weight)


def test_one_weight_alone_is_enough():
    assert Weights(0, 0, 0, 1).cost == 1
