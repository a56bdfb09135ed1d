import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.prediction.cold_start import (
    Belief,
    Expectation,
    design_of,
    evidence,
    likeliest_length,
    observed,
    population,
    posterior,
    similar,
)

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 40)


def prior_of(rng, size=4):
    root = rng.normal(size=(size, size))
    return Belief(rng.normal(size=size), root @ root.T / size + 0.1 * np.eye(size))


def scored(rng, count, size=4):
    return design_of(rng.normal(size=(count, size - 1))), rng.random(count)


def chance(logits):
    return 1 / (1 + np.exp(-logits))


def test_a_population_of_many_abilities_has_their_mean_and_covariance():
    rng = np.random.default_rng(0)
    truth = prior_of(rng)
    found = population(rng.multivariate_normal(truth.mean, truth.covariance, 20_000))
    np.testing.assert_allclose(found.mean, truth.mean, atol=0.05)
    np.testing.assert_allclose(found.covariance, truth.covariance, atol=0.1)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 6))
def test_however_few_the_known_abilities_nothing_is_certain(seed, models):
    found = population(np.random.default_rng(seed).normal(size=(models, 5)))
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_without_scores_the_posterior_is_the_prior():
    prior = prior_of(np.random.default_rng(1))
    after = posterior(prior, np.zeros((0, 4)), np.zeros(0))
    np.testing.assert_allclose(after.mean, prior.mean)
    np.testing.assert_allclose(after.covariance, prior.covariance)


@settings(deadline=None, max_examples=40)
@given(seeds, counts)
def test_the_posterior_is_where_the_pull_of_the_scores_equals_that_of_the_prior(seed, count):
    rng = np.random.default_rng(seed)
    prior, (design, scores) = prior_of(rng), scored(rng, count)
    after = posterior(prior, design, scores)
    share = chance(design @ after.mean)
    precision = np.linalg.inv(prior.covariance)
    np.testing.assert_allclose(design.T @ (scores - share), precision @ (after.mean - prior.mean), atol=1e-6)
    curvature = (design * (share * (1 - share))[:, np.newaxis]).T @ design + precision
    np.testing.assert_allclose(after.covariance @ curvature, np.eye(4), atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seeds, counts)
def test_scores_never_make_an_ability_less_certain(seed, count):
    rng = np.random.default_rng(seed)
    prior, (design, scores) = prior_of(rng), scored(rng, count)
    gained = prior.covariance - posterior(prior, design, scores).covariance
    assert np.linalg.eigvalsh(gained).min() > -1e-9


@settings(deadline=None, max_examples=40)
@given(seeds, counts)
def test_the_order_of_the_scores_makes_no_difference(seed, count):
    rng = np.random.default_rng(seed)
    prior, (design, scores) = prior_of(rng), scored(rng, count)
    order = rng.permutation(count)
    np.testing.assert_allclose(
        posterior(prior, design, scores).mean, posterior(prior, design[order], scores[order]).mean, atol=1e-7
    )


def test_extreme_scores_on_a_wide_prior_still_converge():
    design = design_of(np.linspace(-50, 50, 400)[:, np.newaxis])
    after = posterior(Belief(np.zeros(2), 1e4 * np.eye(2)), design, (design[:, 1] > 0) * 1.0)
    assert np.isfinite(after.mean).all()
    assert ((design @ after.mean > 0) == (design[:, 1] > 0)).all()


def test_many_scores_find_the_ability_within_the_stated_deviation():
    rng = np.random.default_rng(3)
    prior = Belief(np.zeros(3), np.eye(3))
    apart = []
    for _ in range(200):
        truth = rng.multivariate_normal(prior.mean, prior.covariance)
        design = design_of(rng.normal(size=(60, 2)))
        after = posterior(prior, design, (rng.random(60) < chance(design @ truth)) * 1.0)
        apart.append((after.mean - truth) @ np.linalg.solve(after.covariance, after.mean - truth))
    assert np.mean(apart) == pytest.approx(3, abs=0.6)  # chi-squared with three degrees of freedom


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(0, 0.99))
def test_likeness_moves_the_mean_and_narrows_the_spread(seed, likeness):
    rng = np.random.default_rng(seed)
    prior, known = prior_of(rng), rng.normal(size=4)
    found = similar(prior, known, likeness)
    np.testing.assert_allclose(found.mean, (1 - likeness) * prior.mean + likeness * known)
    np.testing.assert_allclose(found.covariance, (1 - likeness**2) * prior.covariance)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(-5, 5), st.floats(0.05, 0.9))
def test_one_fact_alone_leaves_exactly_what_its_regression_leads_to_expect(seed, logit, share):
    rng = np.random.default_rng(seed)
    prior, task = prior_of(rng), np.append(1.0, rng.normal(size=3))
    fact = Expectation(logit, share * np.sqrt(task @ prior.covariance @ task))
    after = observed(prior, task, evidence(prior, task, fact))
    assert after.of(task[np.newaxis]) == pytest.approx((fact.logit, fact.deviation), abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(1, 10))
def test_a_fact_that_knows_no_more_than_the_population_adds_nothing(seed, share):
    rng = np.random.default_rng(seed)
    prior, task = prior_of(rng), np.append(1.0, rng.normal(size=3))
    assert evidence(prior, task, Expectation(3.0, 1.001 * share * np.sqrt(task @ prior.covariance @ task))) is None


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_facts_may_come_in_any_order(seed):
    rng = np.random.default_rng(seed)
    prior, task = prior_of(rng), np.append(1.0, rng.normal(size=3))
    one, other = Expectation(0.4, 0.5), Expectation(-1.0, 0.8)
    there, back = (
        observed(observed(prior, task, first), task, second) for first, second in ((one, other), (other, one))
    )
    np.testing.assert_allclose(there.mean, back.mean, atol=1e-9)
    np.testing.assert_allclose(there.covariance, back.covariance, atol=1e-9)


def test_expected_tokens_are_the_mean_not_the_median():
    tokens = np.array([10.0, 10.0, 10.0, 370.0])
    for start in (-3.0, 0.0, 9.0):
        found = likeliest_length(Belief(np.array([start]), 1e6 * np.eye(1)), np.ones((4, 1)), tokens)
        assert np.exp(found[0]) == pytest.approx(100, rel=1e-3)


def test_one_answer_of_a_million_tokens_does_not_run_away():
    found = likeliest_length(Belief(np.array([5.0]), np.eye(1)), np.ones((1, 1)), np.array([1e6]))
    assert 5 < found[0] < np.log(1e6)
