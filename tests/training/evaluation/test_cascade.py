import numpy as np
import pytest

from pointsman.verification.stopping import Outlook
from pointsman_training.evaluation.cascade import drawn_beliefs, fitted_spread, halves, travelled
from pointsman_training.metrics import auc

MILLI = 1_000_000


def test_the_spread_is_found_that_outcomes_were_drawn_with():
    rng = np.random.default_rng(0)
    chance = np.full((3000, 6), 0.7)
    alone = (rng.random(chance.shape) < chance).astype(float)
    intercept = 1.2
    shared = rng.random(chance.shape) < 1 / (1 + np.exp(-(intercept + 1.5 * rng.normal(size=(3000, 1)))))

    assert fitted_spread(chance, alone) == 0
    assert fitted_spread(np.full(chance.shape, shared.mean()), shared.astype(float)) == pytest.approx(1.5, abs=0.25)


def test_drawn_beliefs_have_the_accuracy_that_was_asked_for_and_are_calibrated():
    rng = np.random.default_rng(1)
    chance = np.full((20_000, 1), 0.5)
    scores = (rng.random(chance.shape) < chance).astype(float)
    beliefs = drawn_beliefs(chance, scores, 0.75, rng)
    is_sure = beliefs > 0.8

    assert auc(beliefs[:, 0], scores[:, 0]) == pytest.approx(0.75, abs=0.01)
    assert scores[is_sure].mean() == pytest.approx(beliefs[is_sure].mean(), abs=0.02)


def outlook(**fields):
    return Outlook(np.array([0.6, 0.9]), np.array([MILLI // 10, 4 * MILLI]), 25 * MILLI, auc=0.9, spread=0.0, **fields)


def test_a_trip_asks_on_after_a_poor_answer_and_gives_the_better_one():
    assert travelled(outlook(), np.array([0.05, 0.95]), start=0, routed=0) == ([0, 1], 1)
    assert travelled(outlook(), np.array([0.95, 0.95]), start=0, routed=0) == ([0], 0)
    assert travelled(outlook(), np.array([0.95, 0.95]), start=None, routed=1) == ([0], 0)
    assert travelled(outlook(max_calls=1), np.array([0.05, 0.95]), start=0, routed=0) == ([0], 0)


def test_halves_keep_groups_whole():
    groups = np.array(["a", "a", "b", "c", "c", "d"])
    is_first = halves(groups, np.random.default_rng(0))

    assert len(set(groups[is_first])) == 2
    assert not set(groups[is_first]) & set(groups[~is_first])
