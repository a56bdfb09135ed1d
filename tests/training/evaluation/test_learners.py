import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pointsman_training.evaluation import learners


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 6)).astype(np.float32)
    chance = 1 / (1 + np.exp(-inputs[:, :2] * 2))
    return inputs, (rng.random((300, 2)) < chance).astype(np.float32)


def test_logistic_regression_is_that_of_sklearn(data):
    inputs, scores = data
    ours = learners.logistic(inputs, scores, 5.0)(inputs)
    scaled = np.clip((inputs - inputs.mean(axis=0)) / inputs.std(axis=0), -4, 4)
    for column in range(2):
        theirs = LogisticRegression(C=1 / 5.0, tol=1e-8).fit(scaled, scores[:, column]).predict_proba(scaled)[:, 1]
        assert ours[:, column] == pytest.approx(theirs, abs=2e-3)


def test_every_learner_finds_the_signal_and_bears_gaps_and_a_constant_model(data):
    inputs, scores = data
    scores = np.hstack([scores, np.ones((300, 1), dtype=np.float32)])
    scores[::5, 0] = np.nan
    for fit, setting in (
        (learners.logistic, 5.0),
        (learners.ridge, 5.0),
        (learners.neighbours, 20),
        (learners.clusters, 16),
    ):
        chance = fit(inputs, scores, setting)(inputs)
        assert ((chance >= 0) & (chance <= 1)).all()
        assert np.corrcoef(chance[:, 1], inputs[:, 1])[0, 1] > 0.5
        assert chance[:, 2].min() > 0.9
    trees = learners.boosted(inputs, inputs, scores)(inputs, inputs)
    assert np.corrcoef(trees[:, 0], inputs[:, 0])[0, 1] > 0.5
    assert (trees[:, 2] == 1).all()


def test_a_group_mean_is_shrunk_to_the_models_mean():
    scores = np.array([[1.0], [1.0], [0.0], [np.nan]], dtype=np.float32)
    table = learners.group_means(scores, np.array([0, 0, 1, 1]), 2)
    mean, k = 2 / 3, learners.PRIOR_COUNT
    assert table[:, 0] == pytest.approx([(2 + k * mean) / (2 + k), k * mean / (1 + k)])


def test_tuning_takes_the_setting_of_least_held_out_loss(data):
    inputs, scores = data
    folds = np.arange(300) % 3
    assert learners.tune(learners.neighbours, (20, 200), inputs, scores, folds).setting == 20
    noise = np.random.default_rng(5).permutation(scores)
    assert learners.tune(learners.neighbours, (20, 200), inputs, noise, folds).setting == 200
