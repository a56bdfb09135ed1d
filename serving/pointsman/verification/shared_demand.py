"""Answers to one task are good or bad together: all depend on how much the task asks beyond what was predicted.

Model m does the task well with chance sigmoid(a_m + s·x), x standard normal and the same for all models: an offset of
the demand that the prediction missed, with `spread` s in logits. a_m is such that the mean over x is the predicted
quality. Given x, answers are independent, and so are the signs seen of each. A model that failed makes small x likely,
and so every other model less likely to succeed. x is summed over at the nodes of a Gauss–Hermite rule.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

NODES: Final = 11
LEAST_CHANCE: Final = 1e-4
"""Chances are kept this far from 0 and 1: no prediction is that sure."""

_GRID: Final = 257
_POLISH: Final = 2


def bounded(chance: Doubles) -> Doubles:
    """Return chances no nearer to 0 and 1 than `LEAST_CHANCE`."""
    kept: Doubles = np.minimum(np.maximum(chance, LEAST_CHANCE), 1 - LEAST_CHANCE)
    return kept


def odds(chance: Doubles | float) -> Doubles:
    """Return chance : 1 − chance, of bounded chances."""
    kept = bounded(np.asarray(chance, dtype=np.float64))
    ratio: Doubles = kept / (1 - kept)
    return ratio


@lru_cache(maxsize=64)
def offsets(spread: float) -> tuple[Doubles, Doubles]:
    """Return the offsets of the nodes in logits and their weights, which add up to 1; each (k,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(NODES if spread > 0 else 1)
    return spread * points, weights / weights.sum()


def chances_by_offset(quality: Doubles, spread: float) -> Doubles:
    """Return P(good | offset), (k, m), of predicted qualities (m,); its mean over the nodes is the quality."""
    logits, means = _table(spread)
    shift, weights = offsets(spread)
    wanted = bounded(quality)
    intercept = np.interp(wanted, means, logits)
    for _ in range(_POLISH):
        chance = _sigmoid(intercept + shift[:, np.newaxis])
        slope = weights @ (chance * (1 - chance))
        intercept = intercept - (weights @ chance - wanted) / slope
    return _sigmoid(intercept + shift[:, np.newaxis])


@lru_cache(maxsize=64)
def _table(spread: float) -> tuple[Doubles, Doubles]:
    shift, weights = offsets(spread)
    logits = np.linspace(-10, 10, _GRID) * np.sqrt(1 + spread**2)
    return logits, weights @ _sigmoid(logits + shift[:, np.newaxis])


def _sigmoid(logits: Doubles) -> Doubles:
    chance: Doubles = 1 / (1 + np.exp(-logits))
    return chance
