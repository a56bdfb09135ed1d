"""What escalation before the call costs and gains, threshold by threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pointsman.policy import Candidates, escalated
from pointsman.policy.strategies import cost_utility
from pointsman.policy.targets import best_models
from pointsman_training.evaluation.tables import Table
from pointsman_training.metrics import LAMBDAS, Doubles
from pointsman_training.network import Integers

THRESHOLDS: Final = (None, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class EscalationFigures:
    """One threshold (None: off): the share that escalates, mean quality, mean real cost in USD.

    `dial_quality` is the quality that the dial alone reaches for no more money, without escalation.
    """

    threshold: float | None
    share: float
    quality: float
    cost_usd: float
    dial_quality: float


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


def escalation_table(figures: Sequence[EscalationFigures]) -> Table:
    """Return the figures as a table of the report."""
    rows = tuple(
        (
            "off" if row.threshold is None else f"{row.threshold:g}",
            f"{row.share:.1%}",
            f"{row.quality:.4f}",
            f"{1000 * row.cost_usd:.4f}",
            f"{row.dial_quality:.4f}",
        )
        for row in figures
    )
    heads = ("threshold", "escalated", "quality", "USD per 1,000 tasks", "quality of the dial alone for no more")
    return Table("Escalation before the call, at the bundle's dial", heads, rows, texts=1)
