"""The promise is tested as it is meant: over a thousand calibration sets it may break in at most fifty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pointsman.errors import InvalidOutcomes
from pointsman.policy import DIALS, solve_quality
from pointsman.prediction import read_bundle
from pointsman_training.promise import (
    Evidence,
    Predicted,
    calibrate_promises,
    exceeds,
    fleet_prices,
    group_means,
    lower_bounds,
)

FLEET = {"small": (100_000_000, 400_000_000), "large": (2_500_000_000, 10_000_000_000)}
SETS, GROUPS = 1_000, 300
TRUTH = np.linspace(0.6, 0.9, 13)
"""The expected quality of thirteen dials, ascending."""


def outcomes_of_dials(rng, sets=SETS):
    """Means (sets, dials) of invented outcomes whose expectations are `TRUTH`; dials share most of their luck."""
    luck = 0.7 * rng.random((sets, GROUPS, 1)) + 0.3 * rng.random((sets, GROUPS, len(TRUTH)))
    return (_uniform(luck) < TRUTH).mean(axis=1)


def _uniform(mixture):
    """Return 0.7 U + 0.3 V, uniform U and V, through its own distribution function: uniform again."""
    a, b = 0.3, 0.7
    low, high = mixture**2 / (2 * a * b), 1 - (1 - mixture) ** 2 / (2 * a * b)
    return np.where(mixture < a, low, np.where(mixture < b, (mixture - a / 2) / b, high))


def solved(is_shown):
    """Return the place of the dial that testing from the largest down ends at, -1 where not even that one passes."""
    passes = np.cumprod(is_shown[:, ::-1], axis=1).sum(axis=1)
    return np.where(passes > 0, is_shown.shape[1] - passes, -1)


def breaches(places, target):
    return np.mean((places >= 0) & (TRUTH[places] < target - 1e-9))


@pytest.mark.parametrize("target", [0.65001, 0.70001, 0.75001, 0.80001])
def test_at_most_one_promise_in_twenty_breaks_and_half_of_naive_ones_do(target):
    means = outcomes_of_dials(np.random.default_rng(11))
    promised, naive = solved(exceeds(means, GROUPS, target)), solved(means >= target)
    assert breaches(promised, target) <= 0.05
    assert breaches(naive, target) >= 0.3
    assert (promised >= 0).mean() > 0.9


def test_the_simulated_outcomes_have_the_expectations_they_claim():
    means = outcomes_of_dials(np.random.default_rng(3))
    np.testing.assert_allclose(means.mean(axis=0), TRUTH, atol=0.005)


@pytest.mark.parametrize("truth", [0.05, 0.5, 0.8, 0.97])
def test_a_bound_is_above_the_truth_in_at_most_one_of_twenty_sets(truth):
    means = np.random.default_rng(5).binomial(200, truth, size=4_000) / 200
    assert np.mean(lower_bounds(means, 200) > truth) <= 0.05


def test_graded_scores_are_bounded_as_well_as_right_or_wrong_ones():
    means = np.random.default_rng(5).beta(2, 1, size=(2_000, 200)).mean(axis=1)
    assert np.mean(lower_bounds(means, 200) > 2 / 3) <= 0.05


def test_the_bound_inverts_the_test_and_knows_the_closed_form_of_a_perfect_mean():
    means = np.array([0.0, 0.3, 0.8, 1.0])
    bounds = lower_bounds(means, 150)
    assert exceeds(means, 150, bounds - 1e-6)[1:].all()
    assert not exceeds(means, 150, bounds + 1e-6).any()
    assert bounds[0] == 0.0
    assert bounds[3] == pytest.approx(0.05 ** (1 / 150), abs=1e-6)  # Hoeffding's term: mean**n = miss
    assert np.e * binom.cdf(30, 150, 1 - bounds[2]) == pytest.approx(0.05, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(1, 2_000))
def test_a_bound_is_a_share_and_never_above_the_mean(means, count):
    bounds = lower_bounds(np.array(means), count)
    assert ((bounds >= 0) & (bounds <= np.array(means))).all()
    assert (lower_bounds(np.array(means), 4 * count) >= bounds - 1e-6).all()


def test_a_group_counts_once_however_many_prompts_it_has():
    values = np.array([[1.0, 0.0], [0.0, 0.0], [0.5, 1.0]])
    np.testing.assert_array_equal(group_means(values, np.array([1, 1, 0])), [[0.5, 1.0], [0.5, 0.0]])


def evidence(prompts=400, seed=2, **changes):
    """Two models on invented prompts: the large one is right more often, and its chance is known."""
    rng = np.random.default_rng(seed)
    hard = rng.random(prompts)
    chance = np.stack([1 - 0.8 * hard, 1 - 0.3 * hard], axis=1).astype(np.float32)
    scores = (rng.random((prompts, 2)) < chance).astype(np.float32)
    costs = np.tile([1e-5, 2e-4], (prompts, 1))
    groups = np.array([f"g{number}" for number in range(prompts)])
    fields = {
        "predicted": {depth: Predicted(chance, costs) for depth in ("fast", "deep")},
        "scores": scores,
        "costs": costs,
        "groups": groups,
        "novelty": rng.random(prompts).astype(np.float32),
        "source": "school",
        "kind": "held out",
    }
    return Evidence(**(fields | changes))


def test_curves_rise_from_the_cheapest_model_to_the_best():
    given_evidence = evidence()
    promises = calibrate_promises(given_evidence, FLEET, 0.05)
    usual = given_evidence.novelty <= np.quantile(given_evidence.novelty, 0.99)
    assert (promises.prompts, promises.groups) == (usual.sum(), usual.sum()) == (396, 396)
    assert (promises.fleet, promises.source, promises.evidence) == (FLEET, "school", "held out")
    assert promises.curves["fast"] == promises.curves["deep"] == promises.curves["auto"]
    first, *_, last = promises.curves["fast"]
    small, large = given_evidence.scores[usual].mean(axis=0)
    assert (first.trade_usd, first.cost_nanousd) == (DIALS[0], 10_000)
    assert (first.quality, last.quality) == (pytest.approx(small, abs=1e-5), pytest.approx(large, abs=2e-2))
    assert solve_quality(promises.curves["fast"], first.quality_floor - 0.01) == first
    assert max(promises.novelty_quantiles) <= promises.novelty_ceiling < 1


def test_the_order_of_prompts_changes_nothing():
    one = evidence()
    order = np.random.default_rng(0).permutation(400)
    other = evidence(
        predicted={depth: Predicted(t.chance[order], t.costs[order]) for depth, t in one.predicted.items()},
        **{name: getattr(one, name)[order] for name in ("scores", "costs", "groups", "novelty")},
    )
    assert calibrate_promises(one, FLEET, 0.05) == calibrate_promises(other, FLEET, 0.05)


def test_near_duplicates_promise_no_more_than_one_of_them():
    one = evidence()
    ten = evidence(
        predicted={
            depth: Predicted(np.repeat(t.chance, 10, axis=0), np.repeat(t.costs, 10, axis=0))
            for depth, t in one.predicted.items()
        },
        **{name: np.repeat(getattr(one, name), 10, axis=0) for name in ("scores", "costs", "groups", "novelty")},
    )
    alone, copied = (calibrate_promises(given, FLEET, 0.05).curves["deep"] for given in (one, ten))
    assert [point.quality_floor for point in copied] == pytest.approx(
        [point.quality_floor for point in alone], abs=0.005
    )


def test_prompts_without_every_score_are_left_out():
    one = evidence()
    holes = one.scores.copy()
    holes[:100, 0] = np.nan
    assert calibrate_promises(evidence(scores=holes), FLEET, 0.05).prompts < 300


def test_too_few_groups_are_refused_with_how_many_there_are():
    one = evidence(groups=np.array(["a", "b"] * 200))
    with pytest.raises(InvalidOutcomes) as refusal:
        calibrate_promises(one, FLEET, 0.05)
    assert refusal.value.message == (
        "2 groups of prompts of 'school' have scores of all of small, large; a promise needs at least 30. Add "
        "outcomes, or name fewer models."
    )


def test_prices_become_the_integers_that_serving_compares():
    usd = np.array([1.5e-7, 2.5e-6])
    assert fleet_prices(("a", "b"), usd, 4 * usd) == {
        "a": (150_000_000, 600_000_000),
        "b": (2_500_000_000, 10_000_000_000),
    }


def test_a_trained_bundle_carries_promises_of_its_own_fleet(trained):
    promises = read_bundle(trained).manifest.promise
    assert (promises.source, promises.evidence, promises.bundle) == ("school", "cross-fitted", None)
    assert set(promises.curves) == {"fast", "deep", "auto"}
    assert promises.fleet["gpt-4o"] == (2_500_000_000, 10_000_000_000)
    assert promises.groups >= 30
    for curve in promises.curves.values():
        assert all(point.quality_floor < point.quality for point in curve)
