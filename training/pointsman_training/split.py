"""Grouped folds: prompts of one group, near-duplicates of each other, are always on one side."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidOutcomes

Integers = npt.NDArray[np.int64]


def grouped_folds(groups: Sequence[str], folds: int, seed: int) -> Integers:
    """Return the fold of each row, int64 (n,): a hash of group and seed, so order and other rows don't matter."""
    fold_of = {group: int(hashlib.sha256(f"{seed}|{group}".encode()).hexdigest(), 16) % folds for group in set(groups)}
    return np.array([fold_of[group] for group in groups], dtype=np.int64)


def check_no_leak(groups: Sequence[str], left: Integers, right: Integers) -> None:
    """Refuse two sets of rows that share a group.

    Raises:
        InvalidOutcomes: they do; the message names the first such group.
    """
    names = np.asarray(groups)
    if shared := sorted(set(names[left]) & set(names[right])):
        raise InvalidOutcomes(
            f"Group {str(shared[0])!r} is in both splits, as are {len(shared) - 1} others; near-duplicates "
            "must be on one side."
        )
