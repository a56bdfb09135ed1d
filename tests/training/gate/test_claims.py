import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_training.gate.claims import Contest, Served, claims, contest, holm, without_each
from pointsman_training.gate.draws import draws_of

MARGIN = 0.01
GATES = 400


def rng_of(seed):
    return np.random.default_rng(seed)


def shares_of_claims(simulated, noise_of_candidate, *, gates=GATES, n=300, per_group=1, draws=400):
    """Return how often a candidate of this noise is said to beat, in either way, a champion of noise 1."""
    rng, held = rng_of(11), 0
    resampled = draws_of(simulated(rng, n, per_group).trial.examples.groups, draws, rng)
    for _ in range(gates):
        prompts = simulated(rng, n, per_group)
        one = prompts.contest(prompts.chance(noise_of_candidate, rng), prompts.chance(1.0, rng))
        (claim,) = claims([one], resampled, MARGIN)
        held += claim.holds
    return held / gates


def test_a_candidate_no_better_than_the_champion_is_promoted_in_at_most_five_per_cent(simulated):
    share = shares_of_claims(simulated, 1.0)
    assert share <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / GATES)


def test_near_duplicates_do_not_make_a_null_candidate_look_sure(simulated):
    share = shares_of_claims(simulated, 1.0, gates=200, per_group=5)
    assert share <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / 200)


def test_a_worse_candidate_is_never_promoted(simulated):
    assert shares_of_claims(simulated, 2.0, gates=100) == 0


def test_a_real_gain_is_found_when_there_are_prompts_enough(simulated):
    few, many = (shares_of_claims(simulated, 0.2, gates=60, n=n, draws=300) for n in (200, 2_000))
    assert few < many
    assert many >= 0.95


def test_half_the_draws_must_not_suffice():
    """The share of claims would be about a half if the sign of the gain alone decided: the tests above can fail."""
    rng = rng_of(3)
    gains = rng.normal(size=(200, 100))
    signs = (gains.mean(axis=1) > 0).mean()
    groups = np.arange(100).astype(str)
    zeros = np.zeros(100)
    held = [claims([Contest("x", gain, zeros, zeros)], draws_of(groups, 300, rng), MARGIN)[0].holds for gain in gains]
    assert 0.4 < signs < 0.6
    assert np.mean(held) <= 0.06


def only(gain=0.0, quality=0.0, cost=0.0, n=400, noise=0.05, seed=0):
    rng = rng_of(seed)
    parts = [value + noise * rng.normal(size=n) * scale for value, scale in ((gain, 1), (quality, 1), (cost, 0.01))]
    return Contest("the champion", *parts), np.arange(n).astype(str)


@pytest.mark.parametrize(
    ("differences", "way"),
    [
        ({"gain": 0.02}, "better at equal cost"),
        ({"cost": -0.001}, "as good, and cheaper"),
        ({"cost": -0.001, "quality": -0.02}, "not shown"),
        ({"cost": -0.001, "gain": -0.02}, "not shown"),
        ({"cost": 0.001}, "not shown"),
        ({"gain": -0.02, "quality": 0.02}, "not shown"),
    ],
)
def test_a_claim_is_better_at_equal_cost_or_as_good_and_cheaper_or_not_shown(differences, way):
    one, groups = only(**differences)
    (claim,) = claims([one], draws_of(groups, 2_000, rng_of(1)), MARGIN)
    assert (claim.way, claim.holds) == (way, way != "not shown")


def test_a_claim_holds_alone_exactly_where_a_bound_of_its_interval_clears_zero():
    for number in range(40):
        one, groups = only(gain=0.001 * (number % 10), seed=number)
        (claim,) = claims([one], draws_of(groups, 1_000, rng_of(number)), 0.0)
        cheaper = claim.cost_usd.high < 0 and claim.quality.low > 0 and claim.gain.low > 0
        if min(abs(claim.gain.low), abs(claim.quality.low)) > 2e-4:
            assert claim.holds == (claim.gain.low > 0 or cheaper)


def test_differences_are_of_the_same_prompts_and_priced_at_the_dial():
    ours = Served(np.array([1.0, 0.0]), np.array([0.2, 0.1]), np.array([[1.0, 1.0], [0.0, 1.0]]), np.full((2, 2), 0.2))
    theirs = Served(np.array([0.0, 0.0]), np.array([0.1, 0.1]), np.zeros((2, 2)), np.full((2, 2), 0.1))
    found = contest("x", ours, theirs, np.array([0.2, 1.0]))
    assert found.gain == pytest.approx([1 - (0.5 + 0.1) / 2, 0.5 - (0.5 + 0.1) / 2])
    assert found.quality.tolist() == [1, 0]
    assert found.cost == pytest.approx([0.1, 0])


def test_holm_multiplies_the_smallest_by_all_and_never_lets_a_greater_p_become_smaller():
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([[0.9, 0.01], [0.6, 0.01]])).tolist() == [[1, 0.02], [1, 0.02]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1) + 1e-12).all() or len(p) > 1
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_a_contributor_whose_savings_alone_make_a_router_cheaper_is_found():
    labels = np.array([f"team {number % 5}" for number in range(300)])
    zeros, cost = np.zeros(300), np.where(labels == "team 2", -0.001, 0.0)
    draws = draws_of(np.arange(300).astype(str), 500, rng_of(1))
    verdicts = without_each([Contest("x", zeros, zeros, cost)], labels, draws, MARGIN)
    assert verdicts == {f"team {number}": number != 2 for number in range(5)}


def test_leaving_a_contributor_out_equals_never_having_had_its_rows():
    rng = rng_of(5)
    labels = np.array([f"team {number % 5}" for number in range(300)])
    groups = np.array([f"{label}-{number // 10}" for number, label in enumerate(labels)])
    gain = 0.02 + 0.1 * rng.normal(size=300) + 0.2 * (labels == "team 2")
    one = Contest("x", gain, np.zeros(300), np.zeros(300))
    draws = draws_of(groups, 2_000, rng_of(1))
    verdicts = without_each([one], labels, draws, MARGIN)
    for name, holds in verdicts.items():
        kept = labels != name
        alone = Contest("x", gain[kept], np.zeros(kept.sum()), np.zeros(kept.sum()))
        (claim,) = claims([alone], draws_of(groups[kept], 2_000, rng_of(2)), MARGIN)
        assert holds == claim.holds, name
    assert set(verdicts) == {f"team {number}" for number in range(5)}


def test_the_same_draws_serve_every_statistic_and_count_whole_groups():
    groups = np.array(["a", "a", "b", "c"])
    draws = draws_of(groups, 50, rng_of(0))
    assert draws.counts[0].tolist() == [1, 1, 1]
    assert (draws.counts.sum(axis=1) == 3).all()
    totals = draws.totals(np.eye(4))
    assert (totals[:, 0] == totals[:, 1]).all()
    assert draws.sizes.tolist() == totals.sum(axis=1).tolist()
    assert draws.means(np.arange(4.0))[0] == 1.5
