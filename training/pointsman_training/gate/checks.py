"""Calibration and slices, compared over the same draws: pure statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.evaluation.scores import bin_places
from pointsman_training.gate.draws import Draws, interval_of
from pointsman_training.metrics import ECE_BINS, Doubles

Array = npt.NDArray[Any]

FEWEST: Final = 50
"""Slices with fewer prompts aren't judged."""


@dataclass(frozen=True)
class Calibration:
    """Pooled calibration errors (15 equal-mass bins) on the same cells, and the candidate's minus the champion's."""

    candidate: Interval
    champion: Interval
    difference: Interval


@dataclass(frozen=True)
class Drop:
    """By how much quality falls in one slice: the champion's minus the candidate's, each at its default dial."""

    kind: str
    name: str
    prompts: int
    quality: Interval


def calibration(candidate: Array, champion: Array, scores: Array, draws: Draws) -> Calibration:
    """Return the calibration errors of two bundles' chances (n, m)."""
    ours, theirs = (calibration_errors(chance, scores, draws) for chance in (candidate, champion))
    return Calibration(interval_of(ours), interval_of(theirs), interval_of(ours - theirs))


def calibration_errors(chance: Array, scores: Array, draws: Draws) -> Doubles:
    """Return the calibration error of chances (n, m) in each draw, (1 + draws,); bins are those of all cells.

    Drawn errors are biased upwards, as noise adds to every bin's gap; so are both bundles', and the difference less.
    """
    place = bin_places(chance.ravel(), ECE_BINS)
    row = np.repeat(np.arange(len(scores)), scores.shape[1])
    cell = row * ECE_BINS + place
    surplus = np.bincount(cell, weights=(chance - scores).ravel(), minlength=len(scores) * ECE_BINS)
    gaps = draws.totals(surplus.reshape(len(scores), ECE_BINS))
    errors: Doubles = np.abs(gaps).sum(axis=1) / (draws.sizes * scores.shape[1])
    return errors


def drops(quality: Doubles, kinds: Mapping[str, npt.NDArray[np.str_]], draws: Draws) -> tuple[Drop, ...]:
    """Return the fall in each slice of `FEWEST` prompts or more, given quality differences (n,), candidate's minus."""
    found = []
    for kind, labels in kinds.items():
        names, counts = np.unique(labels, return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            if count >= FEWEST:
                is_in = labels == name
                sizes = draws.totals(is_in)
                sums = draws.totals(np.where(is_in, -quality, 0.0))
                means = np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)
                found.append(Drop(kind, name, count, interval_of(means)))
    return tuple(found)
