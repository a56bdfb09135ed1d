import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidOutcomes
from pointsman_training.split import check_no_leak, grouped_folds

groups_of_rows = st.lists(st.text(max_size=4), min_size=1, max_size=60)


@given(groups_of_rows, st.integers(2, 9), st.integers(0, 99))
def test_a_group_is_never_split(groups, folds, seed):
    fold = grouped_folds(groups, folds, seed)
    assert fold.shape == (len(groups),)
    assert ((fold >= 0) & (fold < folds)).all()
    assert all(len({f for f, g in zip(fold, groups, strict=True) if g == group}) == 1 for group in groups)


@given(groups_of_rows, st.integers(2, 9), st.randoms(use_true_random=False))
def test_neither_order_nor_other_rows_change_a_fold(groups, folds, random):
    fold_of = dict(zip(groups, grouped_folds(groups, folds, 1).tolist(), strict=True))
    shuffled = random.sample(groups, len(groups))[: len(groups) // 2 + 1]
    assert grouped_folds(shuffled, folds, 1).tolist() == [fold_of[group] for group in shuffled]


def test_folds_are_about_equal_and_another_seed_gives_others():
    groups = [f"group {number}" for number in range(4000)]
    fold = grouped_folds(groups, 4, 0)
    assert (np.abs(np.bincount(fold) - 1000) < 150).all()
    assert 0.65 < (fold != grouped_folds(groups, 4, 1)).mean() < 0.85


def test_a_leak_is_refused_and_named():
    groups = ["a", "b", "b", "c"]
    check_no_leak(groups, np.array([0]), np.array([1, 2, 3]))
    with pytest.raises(InvalidOutcomes, match="Group 'b' is in both splits"):
        check_no_leak(groups, np.array([0, 1]), np.array([2, 3]))
