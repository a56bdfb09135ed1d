import numpy as np
import pytest

from pointsman_training.evaluation import bootstrap, scores


def test_a_group_is_drawn_whole_and_as_many_groups_as_there_are():
    groups = np.array(["a", "b", "a", "c"])
    weights = bootstrap.cluster_weights(groups, 500, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(4), abs=0.15)


def test_weighted_statistics_equal_the_plain_ones_on_repeated_rows():
    rng = np.random.default_rng(1)
    margin, strong, weak = rng.integers(0, 5, 40) / 5, (rng.random(40) < 0.8) * 1.0, (rng.random(40) < 0.4) * 1.0
    weights = rng.integers(0, 4, (30, 40)).astype(float)
    draws = bootstrap.weighted_apgr(margin, strong - weak, weights)
    for weight, value in zip(weights.astype(int), draws, strict=True):
        rows = np.repeat(np.arange(40), weight)
        assert value == pytest.approx(
            scores.apgr(scores.pair_curve(margin[rows], strong[rows], weak[rows])), nan_ok=True
        )


def test_weighted_relative_cost_equals_the_plain_one():
    cost, quality = np.array([[1.0, 2.0, 8.0]]), np.array([[0.5, 0.76, 0.8]])
    for share in (0.95, 1.0, 1.2):
        plain = scores.relative_cost_at(cost[0], quality[0], share, (10.0, 0.8))
        drawn = bootstrap.weighted_relative_cost(cost, quality, share, (np.array([10.0]), np.array([0.8])))
        assert drawn.tolist() == [plain]


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation():
    rng = np.random.default_rng(2)
    values = rng.normal(size=400)
    weights = bootstrap.cluster_weights(np.arange(400).astype(str), 4000, rng)
    found = bootstrap.interval(float(values.mean()), bootstrap.weighted_mean(values, weights))
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.012)


def test_duplicates_in_one_group_do_not_narrow_the_interval():
    rng = np.random.default_rng(3)
    values = rng.normal(size=100)
    once, twice = (
        bootstrap.interval(
            0.0, bootstrap.weighted_mean(v, bootstrap.cluster_weights(g, 4000, np.random.default_rng(4)))
        )
        for v, g in ((values, np.arange(100)), (np.tile(values, 2), np.tile(np.arange(100), 2)))
    )
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_undefined_draws_are_left_out():
    assert np.isnan(bootstrap.interval(1.0, np.array([np.nan])).low)
    assert not bootstrap.Interval(0.1, -0.1, 0.2).excludes_zero
    assert bootstrap.Interval(0.1, 0.05, 0.2).excludes_zero
