import numpy as np
import pytest

from pointsman.errors import InvalidInput
from pointsman.policy import novelty_drift

QUANTILES = tuple((np.linspace(0, 1, 101) ** 2).tolist())
"""Novelty distributed as the square of a uniform number."""


def test_tasks_of_the_same_kind_rarely_look_drifted_and_others_do():
    rng = np.random.default_rng(5)
    same = [novelty_drift(rng.random(200) ** 2, QUANTILES, 3_000).has_drifted for _ in range(1_000)]
    other = [novelty_drift(rng.random(200), QUANTILES, 3_000).has_drifted for _ in range(1_000)]
    assert np.mean(same) <= 0.01
    assert np.mean(other) == 1.0


def test_drift_is_seen_although_no_single_task_exceeds_the_ceiling():
    drift = novelty_drift(np.linspace(0.9, 0.97, 60), QUANTILES, 3_000)
    assert drift.has_drifted
    assert drift.distance == pytest.approx(np.sqrt(0.9), abs=0.001)
    assert drift.tasks == 60


def test_the_distance_is_the_greatest_gap_on_either_side():
    for value, distance in ((0.0, 1.0), (1.0, 1.0), (0.25, 0.5)):
        assert novelty_drift([value] * 40, QUANTILES, 100).distance == pytest.approx(distance)


def test_too_few_tasks_are_refused():
    with pytest.raises(InvalidInput, match="29 tasks are too few to see drift; expected at least 30"):
        novelty_drift([0.5] * 29, QUANTILES, 100)
