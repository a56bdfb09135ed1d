import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_training.metrics import LAMBDAS, Curve, auc, ece, log_loss, mean_over_models, routing_curve

NAN = float("nan")
levels = st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=2, max_size=40)


def test_log_loss_of_a_hand_worked_case():
    chance, scores = np.array([0.8, 0.4, 0.5]), np.array([1.0, 0.0, 0.25])
    assert log_loss(chance, scores) == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.5)) / 3)


@given(st.floats(0.01, 0.99), st.integers(1, 30), st.integers(0, 30))
def test_log_loss_of_a_constant_is_the_cross_entropy(p, right, wrong):
    share = right / (right + wrong)
    scores = np.array([1.0] * right + [0.0] * wrong)
    expected = -(share * math.log(p) + (1 - share) * math.log(1 - p))
    assert log_loss(np.full(len(scores), p), scores) == pytest.approx(expected)


def test_a_certain_mistake_costs_a_finite_loss():
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-math.log(1e-4))


def test_auc_is_the_share_of_pairs_in_order():
    chance, scores = np.array([0.9, 0.6, 0.6, 0.2]), np.array([1.0, 0.0, 1.0, 0.0])
    assert auc(chance, scores) == pytest.approx(3.5 / 4)
    assert auc(np.full(4, 0.3), scores) == 0.5
    assert math.isnan(auc(chance, np.ones(4)))


@given(levels)
def test_auc_of_the_opposite_is_its_complement(pairs):
    chance, scores = np.array([c for c, _ in pairs]), np.array([float(s) for _, s in pairs])
    if 0 < scores.sum() < len(scores):
        assert auc(chance, scores) + auc(-chance, scores) == pytest.approx(1)


def test_ece_of_a_hand_worked_case():
    chance = np.array([0.1, 0.2, 0.8, 0.9])
    scores = np.array([0.0, 1.0, 1.0, 1.0])
    assert ece(chance, scores, bins=2) == pytest.approx((abs(0.15 - 0.5) + abs(0.85 - 1)) / 2)
    assert ece(np.full(4, 0.75), scores, bins=1) == pytest.approx(0)


@given(levels)
def test_ece_lies_between_the_mean_gap_and_one(pairs):
    chance, scores = np.array([c for c, _ in pairs]), np.array([float(s) for _, s in pairs])
    assert abs(chance.mean() - scores.mean()) - 1e-9 <= ece(chance, scores) <= 1


def test_the_mean_over_models_takes_each_on_its_own_prompts():
    chance = np.array([[0.8, 0.5], [0.8, 0.5], [0.8, 0.5]])
    scores = np.array([[1.0, NAN], [1.0, 1.0], [NAN, 0.0]])
    assert mean_over_models(log_loss, chance, scores) == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)


@pytest.fixture
def three_prompts():
    """A cheap and a dear model: equal on the first prompt, the dear one needed on the second, none does the third."""
    chance = np.array([[0.9, 0.95], [0.2, 0.8], [0.1, 0.15]])
    scores = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    return chance, scores, np.array([[0.001, 0.011]] * 3)


def test_the_routing_curve_of_three_prompts(three_prompts):
    chance, scores, costs = three_prompts
    curve = routing_curve(chance, scores, costs, costs)
    assert (curve.best_single_quality, curve.best_single_cost) == pytest.approx((2 / 3, 0.011))
    at = {price: place for place, price in enumerate(LAMBDAS)}
    means = {0.0: (2 / 3, 0.011), LAMBDAS[-1]: (1 / 3, 0.001)}
    between = next(price for price in LAMBDAS if price > 0.05 / 0.01)
    means[between] = (2 / 3, (0.001 + 0.011 + 0.001) / 3)
    for price, expected in means.items():
        assert (curve.quality[at[price]], curve.cost[at[price]]) == pytest.approx(expected)
    assert curve.relative_cost_at(1.0) == pytest.approx(0.013 / 3 / 0.011)
    assert curve.relative_cost_at(0.5) == pytest.approx(0.001 / 0.011)
    assert curve.gain == pytest.approx(0)


def test_prompts_without_every_score_are_left_out(three_prompts):
    chance, scores, costs = three_prompts
    more = np.vstack([scores, [[NAN, 1.0]]])
    longer = [np.vstack([part, part[:1]]) for part in (chance, costs)]
    whole = routing_curve(chance, scores, costs, costs)
    np.testing.assert_array_equal(routing_curve(longer[0], more, longer[1], longer[1]).quality, whole.quality)


def test_what_is_paid_are_the_real_costs_not_the_predicted(three_prompts):
    chance, scores, costs = three_prompts
    assert routing_curve(chance, scores, 10 * costs, costs).cost == pytest.approx(
        10 * routing_curve(chance, scores, costs, costs).cost
    )


@given(st.integers(0, 999), st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
def test_more_of_the_best_quality_never_costs_less(seed, shares):
    rng = np.random.default_rng(seed)
    scores, chance, costs = (rng.random((20, 3)).astype(np.float32) for _ in range(3))
    curve = routing_curve(chance, scores.round(), costs.astype(np.float64), costs.astype(np.float64))
    relative = [curve.relative_cost_at(share) for share in sorted(shares)]
    assert relative == sorted(relative)
    assert all(0 <= cost <= 1 for cost in relative)


def test_a_quality_never_reached_costs_as_much_as_the_best_single_model():
    assert Curve(np.array([0.5]), np.array([0.1]), 0.9, 1.0).relative_cost_at(0.95) == 1.0
