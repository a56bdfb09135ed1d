"""Figures that belong together, for those who ask for one page of them."""

from typing import Final

import msgspec
import numpy as np

from pointsman.insight.costs import CostLine, Costs, costs
from pointsman.insight.period import Period
from pointsman.insight.savings import Savings, savings
from pointsman.insight.statistics import Reported, Share, Spread, Statistics
from pointsman.store.events import EventLog

_BROKEN_DOWN_BY: Final = ("model", "type", "complexity", "strategy", "user", "team", "agent", "project")


class Report(msgspec.Struct, frozen=True):
    """The figures of a period, and what routing saved."""

    statistics: Statistics
    savings: Savings


class CostSummary(msgspec.Struct, frozen=True):
    """What was spent, by model, and what that saved."""

    costs: Costs
    savings: Savings


class PerformanceSummary(msgspec.Struct, frozen=True):
    """How well and how fast; each as in `Statistics`."""

    since: str
    until: str
    requests: int
    success_rate: float | None
    error_rate: float | None
    errors: dict[str, Share]
    latency_ms: Spread | None
    overhead_ms: Spread | None
    models: dict[str, Share]
    average_confidence: float | None
    reported_quality: Reported
    escalation_rate: float | None
    cache_hit_rate: float | None


class Summary(msgspec.Struct, frozen=True):
    """The whole report."""

    statistics: Statistics
    savings: Savings
    costs: Costs


class Breakdown(msgspec.Struct, frozen=True):
    """The cost by each of model, type, complexity, strategy, user, team, agent and project."""

    since: str
    until: str
    total: CostLine
    by: dict[str, list[CostLine]]


def cost_summary(log: EventLog, period: Period, rng: np.random.Generator) -> CostSummary:
    """Return costs by model, and savings."""
    return CostSummary(costs(log, period), savings(log, period, rng))


def performance(figures: Statistics) -> PerformanceSummary:
    """Return those of the figures that say how well and how fast."""
    return PerformanceSummary(*(getattr(figures, name) for name in PerformanceSummary.__struct_fields__))


def breakdown(log: EventLog, period: Period) -> Breakdown:
    """Return the period's cost by everything that it may be due to."""
    found = {by: costs(log, period, by) for by in _BROKEN_DOWN_BY}
    first = found["model"]
    return Breakdown(first.since, first.until, first.total, {by: part.lines for by, part in found.items()})
