import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_training import metrics
from pointsman_training.evaluation import scores

STRONG = np.array([1.0, 1.0, 1.0, 0.0])
WEAK = np.array([0.0, 0.0, 1.0, 0.0])
POINTS = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=20)


def test_a_router_that_cannot_tell_prompts_apart_is_exactly_random():
    curve = scores.pair_curve(np.zeros(4), STRONG, WEAK)
    assert curve.recovered.tolist() == curve.strong_share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (scores.apgr(curve), scores.cpt(curve, 0.5), scores.cpt(curve, 0.8)) == (0.5, 0.5, 1.0)


def test_a_random_order_has_an_apgr_of_one_half_in_expectation():
    rng = np.random.default_rng(0)
    values = [scores.apgr(scores.pair_curve(rng.permutation(4), STRONG, WEAK)) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)


def test_the_oracle_of_a_pair_by_hand():
    curve = scores.pair_curve(STRONG - WEAK, STRONG, WEAK)
    assert curve.recovered.tolist() == [0, 0.5, 1, 1, 1]
    assert scores.apgr(curve) == pytest.approx(0.75)
    assert (scores.cpt(curve, 0.5), scores.cpt(curve, 0.8), scores.cpt(curve, 0)) == (0.25, 0.5, 0)
    assert scores.ogc(0.75, 0.75) == 1.0
    assert scores.ogc(0.5, 0.75) == 0.0


def test_a_pair_whose_strong_model_is_not_better_has_no_curve():
    assert np.isnan(scores.apgr(scores.pair_curve(np.arange(4), WEAK, STRONG)))
    assert np.isnan(scores.cpt(scores.pair_curve(np.arange(4), WEAK, STRONG), 0.5))


def test_the_hull_drops_what_is_dominated_or_lies_below_a_chord():
    cost, quality = scores.hull(np.array([1, 2, 3, 4, 5]), np.array([0.2, 0.3, 0.8, 0.7, 0.9]))
    assert (cost.tolist(), quality.tolist()) == ([1, 3, 5], [0.2, 0.8, 0.9])


@given(POINTS)
def test_the_hull_never_falls_never_bends_upwards_and_covers_every_point(points):
    cost, quality = np.array(points).T
    x, y = scores.hull(cost, quality)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) > 0).all()
    assert (np.diff(np.diff(y) / np.diff(x)) <= 1e-6 * (1 + (np.diff(y) / np.diff(x))[1:])).all()
    assert (np.interp(cost, x, y) >= quality - 1e-9).all()


def test_both_aiqs_of_one_point_by_hand():
    cost, quality = np.array([2.0]), np.array([0.8])
    # From 1 to 2 the mix with no answer rises from .4 to .8 (area .6), from 2 to 4 it stays at .8 (area 1.6).
    assert scores.aiq_true(cost, quality, 1.0, 4.0) == pytest.approx(2.2 / 3)
    assert scores.aiq_published(cost, quality, 4.0) == pytest.approx(1.6 / 4)


def test_a_constant_curve_has_its_own_height_as_true_aiq():
    assert scores.aiq_true(np.array([1.0, 5.0]), np.array([0.7, 0.7]), 1.0, 5.0) == pytest.approx(0.7)


def test_costs_and_gains_against_a_reference_by_hand():
    cost, quality = np.array([1.0, 2.0, 8.0, 20.0]), np.array([0.5, 0.76, 0.8, 0.88])
    reference = (10.0, 0.8)
    assert [scores.relative_cost_at(cost, quality, share, reference) for share in (0.95, 1.0, 1.2)] == [0.2, 0.8, 1.0]
    assert scores.cost_save(cost, quality, reference) == pytest.approx(0.2)
    assert scores.perf_gain(quality, reference) == pytest.approx(0.1)
    assert scores.cost_save(cost[3:], quality[3:], reference) == pytest.approx(-1.0)
    assert np.isnan(scores.cost_save(cost[:2], quality[:2], reference))


def test_the_gap_to_the_oracle_is_a_mean_over_datasets():
    datasets = np.array(["a", "a", "b", "c"])
    achieved, best = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    assert scores.gap_to_oracle(achieved, best, datasets) == 0.25
    assert scores.gap_to_oracle(best, best, datasets) == 0.0


def test_brier_by_hand():
    assert scores.brier(np.array([0.5, 1.0]), np.array([1.0, 0.5])) == 0.25


def test_a_constant_prediction_has_one_bin_whose_gap_is_its_bias():
    bins = scores.reliability(np.full(100, 0.7), np.repeat([1.0, 0.0], 50))
    assert (bins.predicted.tolist(), bins.observed.tolist(), bins.share.tolist()) == (
        [pytest.approx(0.7)],
        [0.5],
        [1.0],
    )
    assert scores.ece(bins) == pytest.approx(0.2)


@pytest.mark.parametrize("n", [15, 16, 100, 661])
def test_without_ties_calibration_error_is_that_of_training(n):
    rng = np.random.default_rng(n)
    chance, labels = rng.random(n), (rng.random(n) < 0.5).astype(float)
    assert scores.ece(scores.reliability(chance, labels)) == pytest.approx(metrics.ece(chance, labels))


def test_calibration_error_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    chance, labels = rng.integers(0, 4, 200) / 4, (rng.random(200) < 0.5).astype(float)
    order = rng.permutation(200)
    before, after = (scores.ece(scores.reliability(chance[o], labels[o])) for o in (np.arange(200), order))
    assert after == pytest.approx(before)


def test_rank_correlation_of_a_constant_is_undefined():
    assert scores.spearman(np.arange(4.0), np.arange(4.0) ** 3) == pytest.approx(1)
    assert np.isnan(scores.spearman(np.ones(4), np.arange(4.0)))


def test_token_error_is_a_median_over_known_lengths_only():
    actual = np.array([10.0, 20.0, np.nan, 0.0])
    assert scores.token_error(np.array([20.0, 20.0, 1.0, 1.0]), actual) == pytest.approx(np.log(2) / 2)


def test_a_prompt_is_hard_where_someone_solves_it_but_at_most_a_fifth_does():
    rows = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1.0]])
    assert scores.is_hard(rows).tolist() == [True, False, False, True]
    assert scores.hard_recall(np.array([1, 0, 0, 0.0]), rows) == 0.5
    assert np.isnan(scores.hard_recall(np.array([1.0]), rows[[2]]))


@pytest.mark.parametrize(("shares", "bits"), [([1, 0], 0), ([0.5, 0.5], 1), ([0.25] * 4, 2), ([0.5, 0.25, 0.25], 1.5)])
def test_entropy_by_hand(shares, bits):
    assert scores.entropy(np.array(shares)) == pytest.approx(bits)
