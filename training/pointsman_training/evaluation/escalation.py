"""What escalation before the call costs and gains, threshold by threshold."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pointsman.policy import Candidates, escalated
from pointsman.policy.strategies import cost_utility
from pointsman.policy.targets import best_models
from pointsman_training.evaluation.report import EscalationFigures
from pointsman_training.metrics import LAMBDAS, Doubles
from pointsman_training.network import Integers

THRESHOLDS: Final = (None, 0.5, 0.6, 0.7, 0.8, 0.9)


def escalation_figures(
    candidates: Candidates,
    scores: Doubles,
    costs: Doubles,
    trade_usd: float,
    thresholds: Sequence[float | None] = THRESHOLDS,
) -> tuple[EscalationFigures, ...]:
    """Return the figures of each threshold at one dial; scores and real costs in USD are (n, m)."""
    rows = np.arange(len(scores))

    def by_utility(dial: float) -> Integers:
        return best_models(cost_utility(candidates, dial), candidates)

    chosen = by_utility(trade_usd)
    curve = [(costs[rows, models].mean(), scores[rows, models].mean()) for models in map(by_utility, 1 / LAMBDAS[1:])]
    figures = []
    for threshold in thresholds:
        models = chosen if threshold is None else escalated(candidates, chosen, threshold)
        cost = float(costs[rows, models].mean())
        figures.append(
            EscalationFigures(
                threshold=threshold,
                share=float((models != chosen).mean()),
                quality=float(scores[rows, models].mean()),
                cost_usd=cost,
                dial_quality=float(max((q for paid, q in curve if paid <= cost), default=np.nan)),
            )
        )
    return tuple(figures)
