"""Two readings of the same tasks compared: which decisions differ, and what the difference costs."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.types import Decision
from pointsman_training.evaluation.bootstrap import Interval, interval
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats

Booleans = npt.NDArray[np.bool_]

COSTLY: Final = 0.02
"""A flip is costly from this loss of expected utility on, in units of quality: two points."""


class Comparison(msgspec.Struct, frozen=True):
    """n tasks decided twice, all arrays (n,): on the text as it is, and on the changed one.

    `is_changed` is False where the text stayed as it was. `utility_lost` is what the first reading thinks that the
    second choice loses. `quality_lost` is the difference of real scores, NaN where a choice has none.
    """

    is_changed: Booleans
    is_flip: Booleans
    is_label_flip: Booleans
    is_depth_flip: Booleans
    quality_change: Doubles
    utility_lost: Doubles
    quality_lost: Doubles

    @property
    def is_costly(self) -> Booleans:
        """Where the second choice loses more than `COSTLY`."""
        costly: Booleans = self.utility_lost > COSTLY
        return costly


class Shift(msgspec.Struct, frozen=True):
    """What one change does to the `changed` of all texts that it changes at all.

    Shares of decisions that flip (`flips`), that flip and lose more than `COSTLY` (`costly_flips`), of complexity
    labels and of reading depths that flip; mean change of the chosen model's predicted quality; mean loss of expected
    utility; mean loss of real score over the `scored`, None where there are none.
    """

    profile: str
    texts: str
    kind: str
    change: str
    changed: int
    flips: Interval
    costly_flips: Interval
    label_flips: Interval
    depth_flips: Interval
    quality_change: Interval
    utility_lost: Interval
    quality_lost: Interval | None
    scored: int


def compare(
    first: Sequence[Decision], second: Sequence[Decision], is_changed: Booleans, scores: dict[str, Floats]
) -> Comparison:
    """Return the comparison of decisions; `scores` are the real ones by model, (n,), NaN or absent where unknown."""
    pairs = list(zip(first, second, strict=True))
    unknown = np.full(len(pairs), np.nan, dtype=np.float32)
    real = [[scores.get(d.model, unknown)[row] for d in pair] for row, pair in enumerate(pairs)]
    return Comparison(
        is_changed=is_changed,
        is_flip=np.array([a.model != b.model for a, b in pairs], dtype=bool),
        is_label_flip=np.array([a.complexity.label != b.complexity.label for a, b in pairs], dtype=bool),
        is_depth_flip=np.array([a.profile != b.profile for a, b in pairs], dtype=bool),
        quality_change=np.array([b.quality - a.quality for a, b in pairs], dtype=np.float64),
        utility_lost=np.array([_utility(a, a.model) - _utility(a, b.model) for a, b in pairs], dtype=np.float64),
        quality_lost=np.array([a - b for a, b in real], dtype=np.float64),
    )


def _utility(decision: Decision, model: str) -> float:
    return next((c.utility for c in decision.candidates if c.model == model), float("nan"))


def mean_shift(comparisons: Sequence[Comparison], weights: Doubles, names: tuple[str, str, str, str]) -> Shift:
    """Return the means over comparisons of the same texts, each counting the same, with intervals.

    A comparison counts where it has something to say: a change that changes no text has no share of flips.
    `weights` (draws, n) say how often each text is drawn, for all comparisons alike; `names` are the profile, the
    texts, the kind of change and the change.
    """
    all_weights = np.vstack([np.ones(weights.shape[1]), weights])

    def figure(name: str) -> Interval:
        parts = [_means(getattr(c, name), c.is_changed, all_weights) for c in comparisons]
        said = np.array([part for part in parts if np.isfinite(part[0])] or parts[:1])
        mean = said.mean(axis=0)
        return interval(float(mean[0]), mean[1:])

    scored = [int((c.is_changed & np.isfinite(c.quality_lost)).sum()) for c in comparisons]
    profile, texts, kind, change = names
    return Shift(
        profile=profile,
        texts=texts,
        kind=kind,
        change=change,
        changed=sum(int(c.is_changed.sum()) for c in comparisons),
        flips=figure("is_flip"),
        costly_flips=figure("is_costly"),
        label_flips=figure("is_label_flip"),
        depth_flips=figure("is_depth_flip"),
        quality_change=figure("quality_change"),
        utility_lost=figure("utility_lost"),
        quality_lost=figure("quality_lost") if any(scored) else None,
        scored=sum(scored),
    )


def _means(values: npt.NDArray[np.generic], is_changed: Booleans, weights: Doubles) -> Doubles:
    """Return the mean over changed texts with a value in each draw, (draws,); NaN where none was drawn."""
    numbers = values.astype(np.float64)
    counts = is_changed & np.isfinite(numbers)
    total = weights @ counts
    means: Doubles = np.divide(
        weights @ np.where(counts, numbers, 0), total, out=np.full(len(total), np.nan), where=total > 0
    )
    return means
