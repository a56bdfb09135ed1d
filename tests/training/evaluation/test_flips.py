import numpy as np
import pytest

from pointsman import Constraints, Router, Task
from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.evaluation.flips import Comparison, compare, mean_shift


def comparison(**changes):
    values = {
        "is_changed": [True, True, True, False],
        "is_flip": [True, True, False, True],
        "is_label_flip": [False, True, False, True],
        "is_depth_flip": [False, False, False, True],
        "quality_change": [0.3, -0.1, 0.1, 9.0],
        "utility_lost": [0.05, 0.01, 0.0, 9.0],
        "quality_lost": [1.0, np.nan, 0.0, 9.0],
    }
    return Comparison(**{name: np.array(value) for name, value in (values | changes).items()})


NAMES = ("fast", "tasks", "casing", "capitals")
EACH_ONCE = np.ones((5, 4))


def test_only_changed_texts_count_and_only_scored_ones_for_real_scores():
    shift = mean_shift([comparison()], EACH_ONCE, NAMES)
    assert shift.changed == 3 and shift.scored == 2
    assert shift.flips == Interval(*[pytest.approx(2 / 3)] * 3)
    assert shift.costly_flips.value == pytest.approx(1 / 3)
    assert shift.label_flips.value == pytest.approx(1 / 3)
    assert shift.depth_flips.value == 0
    assert shift.quality_change.value == pytest.approx(0.1)
    assert shift.utility_lost.value == pytest.approx(0.02)
    assert shift.quality_lost == Interval(0.5, 0.5, 0.5)


def test_a_mean_of_changes_counts_each_change_the_same():
    other = comparison(is_changed=[True, False, False, False])
    shift = mean_shift([comparison(), other], EACH_ONCE, NAMES)
    assert shift.flips.value == pytest.approx((2 / 3 + 1) / 2)
    assert shift.changed == 4
    silent = comparison(is_changed=[False] * 4)
    assert mean_shift([comparison(), silent], EACH_ONCE, NAMES).flips.value == pytest.approx(2 / 3)


def test_without_real_scores_there_is_no_real_loss():
    assert mean_shift([comparison(quality_lost=[np.nan] * 4)], EACH_ONCE, NAMES).quality_lost is None


def test_a_change_that_changes_no_text_has_undefined_figures():
    shift = mean_shift([comparison(is_changed=[False] * 4)], EACH_ONCE, NAMES)
    assert shift.changed == 0 and np.isnan(shift.flips.value) and np.isnan(shift.flips.low)


def test_the_second_choice_is_priced_by_the_first_reading(bundle_dir):
    router = Router.load(bundle_dir, profile="fast")
    first = router.route("Say hi.")
    second = router.route(Task("Prove it.", constraints=Constraints(exclude=(first.model,))))
    real = {first.model: np.array([0.25, 0.5]), second.model: np.array([0.75, np.nan])}
    found = compare([first, first], [second, first], np.array([True, True]), real)
    utility = {candidate.model: candidate.utility for candidate in first.candidates}
    assert found.is_flip.tolist() == [True, False]
    assert found.is_label_flip.tolist() == [first.complexity.label != second.complexity.label, False]
    assert found.utility_lost.tolist() == [utility[first.model] - utility[second.model], 0]
    assert found.utility_lost[0] > 0
    assert found.quality_change.tolist() == [second.quality - first.quality, 0]
    assert found.quality_lost.tolist() == [-0.5, 0.0]
