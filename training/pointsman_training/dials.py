"""The two dials a bundle comes with, read off held-out predictions: the worth of quality, and when to read deep."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pointsman_training.metrics import LAMBDAS
from pointsman_training.network import Floats

KEPT_QUALITY: Final = 0.98
KEPT_GAIN: Final = 0.5

Doubles = npt.NDArray[np.float64]


def worth_of_quality(chance: Floats, scores: Floats, costs: Doubles, predicted_costs: Doubles) -> float:
    """Return the dollars per task that quality 1.0 is worth: the fewest that keep `KEPT_QUALITY` of the best model's.

    Arrays (n, m), held-out chances and real scores; prompts without every score are left out.
    """
    whole = np.isfinite(scores).all(axis=1)
    chance, scores, predicted_costs = chance[whole], scores[whole], predicted_costs[whole]
    rows = np.arange(len(scores))
    floor = KEPT_QUALITY * scores.mean(axis=0).max()
    for price in LAMBDAS[:0:-1]:
        chosen = (chance - price * predicted_costs).argmax(axis=1)
        if scores[rows, chosen].mean() >= floor:
            return float(1 / price)
    return float(1 / LAMBDAS[1])


def margin_for_deep(fast_utility: Doubles, deep_utility: Doubles) -> tuple[float, float]:
    """Return the lead below which the fast choice is read again deep, and the share of tasks that are.

    The least lead that keeps `KEPT_GAIN` of what reading everything deep gains in (deep) utility. Arrays (n, m).
    """
    rows = np.arange(len(fast_utility))
    top = np.sort(fast_utility, axis=1)[:, -2:]
    lead = top[:, 1] - top[:, 0]
    loss = deep_utility.max(axis=1) - deep_utility[rows, fast_utility.argmax(axis=1)]
    order = np.argsort(lead)
    recovered = np.cumsum(loss[order])
    if recovered[-1] <= 0:
        return 0.0, 0.0
    place = int(np.searchsorted(recovered, KEPT_GAIN * recovered[-1]))
    return float(lead[order[min(place + 1, len(order) - 1)]]), float((place + 1) / len(order))
