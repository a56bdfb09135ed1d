import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_training.dials import margin_for_deep, worth_of_quality
from pointsman_training.metrics import LAMBDAS
from pointsman_training.novelty import fit_novelty


def test_quality_is_worth_the_fewest_dollars_that_keep_98_percent():
    """The cheap model does half, the dear one all; it costs 0.01 more and promises 0.5 more where it is needed."""
    chance = np.array([[0.95, 0.95], [0.45, 0.95]] * 50)
    scores = np.array([[1.0, 1.0], [0.0, 1.0]] * 50)
    costs = np.array([[0.001, 0.011]] * 100)
    trade = worth_of_quality(chance, scores, costs, costs)
    needed = 0.01 / 0.5
    step = LAMBDAS[2] / LAMBDAS[1]
    assert needed <= trade <= needed * step


def test_a_cheap_model_that_is_as_good_makes_quality_worth_the_least():
    chance = scores = np.ones((10, 2))
    costs = np.array([[0.001, 0.01]] * 10)
    assert worth_of_quality(chance, scores, costs, costs) == pytest.approx(1 / LAMBDAS[-1])


def test_prompts_without_every_score_do_not_count():
    chance = np.array([[0.95, 0.95], [0.45, 0.95], [0.1, 0.9]])
    scores = np.array([[1.0, 1.0], [0.0, 1.0], [np.nan, 0.0]])
    costs = np.array([[0.001, 0.011]] * 3)
    assert worth_of_quality(chance, scores, costs, costs) == worth_of_quality(chance[:2], scores[:2], costs, costs[:2])


def test_the_margin_of_a_hand_made_table(monkeypatch):
    """Leads .1 to .4; deep disagrees on the first (loses .3) and the third (loses .1): 90 % of .4 needs both."""
    monkeypatch.setattr("pointsman_training.dials.KEPT_GAIN", 0.9)
    fast = np.array([[0.6, 0.5], [0.7, 0.5], [0.8, 0.5], [0.9, 0.5]])
    deep = np.array([[0.2, 0.5], [0.7, 0.5], [0.4, 0.5], [0.9, 0.5]])
    margin, share = margin_for_deep(fast, deep)
    assert (margin, share) == pytest.approx((0.4, 0.75))
    assert ((np.sort(fast, axis=1) @ [-1, 1]) < margin - 1e-9).tolist() == [True, True, True, False]


def test_the_margin_stops_where_most_is_gained():
    fast = np.array([[0.6, 0.5], [0.7, 0.5], [0.8, 0.5], [0.9, 0.5]])
    deep = np.array([[0.0, 0.5], [0.7, 0.5], [0.49, 0.5], [0.9, 0.5]])
    assert margin_for_deep(fast, deep) == pytest.approx((0.2, 0.25))


@given(st.integers(0, 999))
def test_the_margin_is_0_where_deep_never_differs(seed):
    utility = np.random.default_rng(seed).normal(size=(30, 4))
    assert margin_for_deep(utility, utility * 2 + 1) == (0.0, 0.0)


@pytest.fixture(scope="module")
def texts_in_space():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(800, 48)) * np.linspace(3, 0.3, 48) + 5).astype(np.float32)


def level(novelty, embedding):
    return np.interp(novelty.distance(embedding), novelty.quantiles, np.linspace(0, 1, 101))


def test_training_texts_lie_evenly_between_0_and_1(texts_in_space):
    levels = level(fit_novelty(texts_in_space), texts_in_space)
    assert np.median(levels) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(np.quantile(levels, [0.1, 0.9]), [0.1, 0.9], atol=0.02)


def test_a_far_text_is_entirely_novel_and_the_middle_is_not(texts_in_space):
    novelty = fit_novelty(texts_in_space)
    middle = texts_in_space.mean(axis=0, keepdims=True)
    assert level(novelty, middle + 100).tolist() == [1.0]
    assert level(novelty, middle).tolist() == [0.0]


def test_distance_weighs_every_direction_by_its_spread(texts_in_space):
    novelty = fit_novelty(texts_in_space)
    middle = texts_in_space.mean(axis=0)
    wide, narrow = middle.copy(), middle.copy()
    wide[0] += 3
    narrow[20] += 3
    distances = novelty.distance(np.stack([wide, narrow]))
    assert distances[1] > 1.5 * distances[0]
    np.testing.assert_allclose((novelty.distance(texts_in_space) ** 2).mean(), 1, rtol=0.01)
