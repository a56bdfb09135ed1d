"""What the log says: figures, costs, savings, series. Everything is summed by the database, in the caller's thread."""

from pointsman.insight.conciseness import conciseness
from pointsman.insight.costs import BY, CostLine, Costs, costs
from pointsman.insight.export import FORMATS, exported
from pointsman.insight.optimization import OptimizationMetrics, TokenBudget, optimization_metrics
from pointsman.insight.period import Period, parse_moment, period
from pointsman.insight.savings import Projection, Savings, savings
from pointsman.insight.series import Point, Series, time_series
from pointsman.insight.statistics import Statistics, statistics

__all__ = [
    "BY",
    "FORMATS",
    "CostLine",
    "Costs",
    "OptimizationMetrics",
    "Period",
    "Point",
    "Projection",
    "Savings",
    "Series",
    "Statistics",
    "TokenBudget",
    "conciseness",
    "costs",
    "exported",
    "optimization_metrics",
    "parse_moment",
    "period",
    "savings",
    "statistics",
    "time_series",
]
