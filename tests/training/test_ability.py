import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from pointsman_training.ability import Abilities, posterior_demand, strengths, tiers
from pointsman_training.examples import RUBRIC
from pointsman_training.stack import reference_columns

COLUMNS = (("x", "a"), ("x", "b"), ("y", "a"), ("y", "c"))


@pytest.fixture
def abilities():
    rng = np.random.default_rng(1)
    scores = (rng.random((40, 4)) < (0.9, 0.4, 0.7, 0.2)).astype(np.float32)
    return Abilities.initial(COLUMNS, scores, 3, rng)


def test_initial_biases_give_every_column_its_mean_score():
    scores = np.array([[1, 0, 1, 0], [1, 1, np.nan, 0], [0, 0, 1, 1], [1, 0, 0, np.nan]], dtype=np.float32)
    abilities = Abilities.initial(COLUMNS, scores, 2, np.random.default_rng(0))
    assert (abilities.models, abilities.sources) == (("a", "b", "c"), ("x", "y"))
    np.testing.assert_allclose(expit(abilities.logits(np.zeros((1, 2)))[0]), np.nanmean(scores, axis=0), rtol=1e-5)


def test_the_posterior_demand_maximises_the_posterior(abilities):
    rng = np.random.default_rng(2)
    prior = rng.normal(size=(20, 3)).astype(np.float32)
    scores = (rng.random((20, 4)) < 0.5).astype(np.float32)
    scores[rng.random((20, 4)) < 0.3] = np.nan
    demand = posterior_demand(scores, abilities, prior, variance=0.7, steps=20)

    def log_posterior(z):
        logits = abilities.logits(z)
        likelihood = np.where(np.isfinite(scores), np.nan_to_num(scores) * logits - np.logaddexp(0, logits), 0)
        return likelihood.sum(axis=1) - ((z - prior) ** 2).sum(axis=1) / 1.4

    error = np.where(np.isfinite(scores), np.nan_to_num(scores) - expit(abilities.logits(demand)), 0)
    np.testing.assert_allclose(error @ abilities.column_vectors.T - (demand - prior) / 0.7, 0, atol=1e-5)
    best = log_posterior(demand)
    assert all((log_posterior(demand + rng.normal(0, 0.1, demand.shape)) <= best + 1e-6).all() for _ in range(20))


def test_evidence_moves_the_demand_toward_it_and_no_evidence_leaves_the_prior(abilities):
    prior = np.zeros((3, 3), dtype=np.float32)
    scores = np.full((3, 4), np.nan, dtype=np.float32)
    scores[0, 1], scores[1, 1] = 1.0, 0.0
    before = abilities.logits(prior)[:, 1]
    demand = posterior_demand(scores, abilities, prior)
    after = abilities.logits(demand)[:, 1]
    assert after[0] > before[0] and after[1] < before[1]
    np.testing.assert_array_equal(demand[2], prior[2])


def test_strengths_order_a_simulated_rasch_world_over_two_sources():
    rng = np.random.default_rng(3)
    true = np.linspace(-2, 2, 9)
    columns = tuple(("x", f"m{index}") for index in range(6)) + tuple(("y", f"m{index}") for index in range(3, 9))
    strength_of = np.array([true[int(model[1:])] for _, model in columns])
    ease = np.concatenate([rng.normal(1, 1, 500), rng.normal(-1, 1, 500)])
    scores = (rng.random((1000, 12)) < expit(ease[:, np.newaxis] + strength_of)).astype(np.float32)
    in_x = np.array([source == "x" for source, _ in columns])
    scores[np.ix_(np.arange(500), ~in_x)] = np.nan
    scores[np.ix_(np.arange(500, 1000), in_x)] = np.nan
    found = strengths(columns, scores)
    estimates = [found[f"m{index}"] for index in range(9)]
    assert abs(sum(estimates)) < 1e-6
    assert spearmanr(estimates, true).statistic > 0.98


def test_an_easy_source_does_not_make_its_models_look_strong():
    rng = np.random.default_rng(4)
    shared = [f"shared {index}" for index in range(4)]
    columns = tuple(("easy", model) for model in [*shared, "weak"]) + tuple(
        ("hard", model) for model in [*shared, "strong"]
    )
    ease = np.repeat([2.0, -2.0], 400)
    scores = (rng.random((800, 10)) < expit(ease[:, np.newaxis] + [0, 0, 0, 0, -1, 0, 0, 0, 0, 1])).astype(np.float32)
    scores[:400, 5:] = scores[400:, :5] = np.nan
    assert np.nanmean(scores[:, 4]) > np.nanmean(scores[:, 9])
    found = strengths(columns, scores)
    assert all(found["weak"] < found[model] < found["strong"] for model in shared)


@pytest.mark.parametrize(
    ("models", "expected"), [(9, [0, 0, 0, 1, 1, 1, 2, 2, 2]), (4, [0, 0, 1, 2]), (2, [0, 1]), (1, [0])]
)
def test_tiers_are_thirds_from_weak_to_strong(models, expected):
    strength = {f"m{place}": float(place) for place in range(models)}
    assert tiers(dict(reversed(strength.items()))) == dict(zip(strength, expected, strict=True))


def test_reference_columns_prefer_the_main_source_then_the_fullest_and_ignore_the_rubric():
    columns = (("x", "a"), ("y", "a"), ("y", "b"), ("z", "b"), (RUBRIC, "a"), (RUBRIC, "b"), (RUBRIC, "c"))
    scores = np.ones((10, 7), dtype=np.float32)
    scores[2:, 0] = np.nan
    scores[5:, 2] = np.nan
    abilities = Abilities.initial(columns, scores, 2, np.random.default_rng(0))
    assert reference_columns(abilities, scores, "x") == {"a": 0, "b": 3}


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_a_column_without_outcomes_leaves_abilities_finite():
    scores = np.ones((10, 4), dtype=np.float32)
    scores[:, 3] = np.nan
    abilities = Abilities.initial(COLUMNS, scores, 2, np.random.default_rng(0))
    assert np.isfinite(abilities.column_biases).all()
