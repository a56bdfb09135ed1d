"""Metrics of prediction and of routing; small and pure. Definitions as in RouteLLM, RouterBench and LLMRouterBench."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from pointsman_training.network import Floats

Doubles = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]

ECE_BINS: Final = 15
LAMBDAS: Final = np.concatenate([[0.0], np.logspace(-2, 6, 399)])
"""Quality per dollar at which the dial is read: 400 values from 0 to 1e6."""


def log_loss(chance: Floats, scores: Floats) -> float:
    """Return the mean cross-entropy in nats; graded scores count as shares; chances are clipped at 1e-4."""
    p = np.clip(chance, 1e-4, 1 - 1e-4)
    return float(-(scores * np.log(p) + (1 - scores) * np.log(1 - p)).mean())


def auc(chance: Floats, scores: Floats) -> float:
    """Return the area under the ROC curve, NaN with one class only."""
    labels = scores > 0.5
    return float(roc_auc_score(labels, chance)) if 0 < labels.sum() < len(labels) else float("nan")


def ece(chance: Floats, scores: Floats, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error over equal-mass bins."""
    order = np.argsort(chance, kind="stable")
    gaps = [
        abs(chance[part].mean() - scores[part].mean()) * len(part) for part in np.array_split(order, bins) if len(part)
    ]
    return float(sum(gaps) / len(chance))


def mean_over_models(metric: Metric, chance: Floats, scores: Floats) -> float:
    """Return the mean of a metric over models, each on the prompts it has a score for; arrays (n, m), NaN missing."""
    values = []
    for column in range(scores.shape[1]):
        seen = np.isfinite(scores[:, column])
        values.append(metric(chance[seen, column], scores[seen, column]))
    return float(np.nanmean(values))


@dataclass(frozen=True)
class Curve:
    """Mean quality and mean cost (USD per task) at each λ of `LAMBDAS`, and the best single model beside it."""

    quality: npt.NDArray[np.float64]
    cost: npt.NDArray[np.float64]
    best_single_quality: float
    best_single_cost: float

    def relative_cost_at(self, share: float) -> float:
        """Return the least cost, relative to the best single model's, at `share` of its quality; 1 if never."""
        enough = self.cost[self.quality >= share * self.best_single_quality]
        return float(min(enough.min() / self.best_single_cost, 1.0)) if len(enough) else 1.0

    @property
    def gain(self) -> float:
        """Best quality on the curve minus the best single model's."""
        return float(self.quality.max() - self.best_single_quality)


def routing_curve(chance: Floats, scores: Floats, costs: Doubles, predicted_costs: Doubles) -> Curve:
    """Return the cost–quality curve of argmax(chance − λ · predicted cost), paid at the real costs.

    Arrays (n, m); prompts without every score are left out; costs in USD.
    """
    whole = np.isfinite(scores).all(axis=1)
    chance, scores, costs, predicted_costs = chance[whole], scores[whole], costs[whole], predicted_costs[whole]
    rows = np.arange(len(scores))
    points = []
    for price in LAMBDAS:
        chosen = (chance - price * predicted_costs).argmax(axis=1)
        points.append((scores[rows, chosen].mean(), costs[rows, chosen].mean()))
    quality, cost = np.array(points).T
    best = int(scores.mean(axis=0).argmax())
    return Curve(quality, cost, float(scores[:, best].mean()), float(costs[:, best].mean()))
