import numpy as np
import pytest

from pointsman_training.evaluation.complexity import confusion, confusion_matrix


def test_masses_stand_in_the_row_of_the_truth_and_the_column_of_the_prediction():
    truth = np.eye(3)[[0, 0, 1, 2, 2, 2]]
    predicted = np.array([0, 2, 1, 2, 0, 1])
    found = confusion("labels", truth, predicted)
    assert found.mass == ((1, 0, 1), (0, 1, 0), (1, 1, 1))
    assert found.prompts == 6
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.off_by_two == pytest.approx(2 / 6)
    assert found.greatest_accuracy == 1


def test_an_uncertain_truth_is_shared_out():
    truth, predicted = np.array([[0.5, 0.25, 0.25], [1, 0, 0]]), np.array([0, 1])
    assert confusion_matrix(truth, predicted).tolist() == [[0.5, 1, 0], [0.25, 0, 0], [0.25, 0, 0]]
    found = confusion("outcomes", truth, predicted)
    assert (found.accuracy, found.greatest_accuracy, found.off_by_two) == (0.25, 0.75, 0.125)
