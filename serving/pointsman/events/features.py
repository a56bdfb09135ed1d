"""The numbers of a task that are logged in place of its text: what the graph said about it.

From them, with the outcomes, everything behind the graph can be learned again: each model's ability, quality and
length, calibration, thresholds. The graph itself can't, since its own inputs, the embeddings, don't leave it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pointsman.prediction.bundle import Layout
from pointsman.prediction.predictor import Floats, Reading, split_rows

BLOCKS: Final = ("demand", "length", "type", "complexity")


def features_of(reading: Reading, row: int = 0) -> tuple[float, ...]:
    """Return what the graph says about one task: demand, length, type scores, complexity, novelty, in this order.

    The widths are those of the bundle's layout (`Layout.width` numbers in all); `Event.bundle` says whose they are.
    The log keeps them as float16, so that they are read back with three digits. `novelty` is the quantile.
    """
    parts = [getattr(reading, name)[row] for name in BLOCKS]
    return tuple(np.concatenate([*parts, reading.novelty[row : row + 1]]).tolist())


def reading_of(features: Sequence[Sequence[float]], layout: Layout) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the blocks of logged features, float32 (n_tasks, width of the block): as `split_rows` gives them.

    Raises:
        ValueError: features of another bundle's layout.
    """
    rows = np.array(features, dtype=np.float32).reshape(len(features), -1)
    if rows.shape[1] != layout.width:
        raise ValueError(f"the features have {rows.shape[1]} numbers; the bundle's layout has {layout.width}")
    return split_rows(rows, layout)
