"""What optimisation saved, in the shape that token optimisers answer `/api/optimization-metrics` with."""

import msgspec

from pointsman.insight.savings import Savings
from pointsman.insight.statistics import Statistics
from pointsman.money import usd


class TokenBudget(msgspec.Struct, frozen=True):
    """A month's tokens: the limit, and what is left of it."""

    limit: int
    remaining: int


class Optimization(msgspec.Struct, frozen=True, rename="camel"):
    """`cost_saved` in dollars against the baseline, `cache_efficiency` in percent of the requests that asked."""

    cache_hits: int
    cache_misses: int
    tokens_saved: int
    cost_saved: float
    cache_efficiency: float


class Remaining(msgspec.Struct, frozen=True, rename="camel"):
    """Tokens that are left of the month, and the percentage used; None where no token budget is kept."""

    month: int | None
    percent_used: float | None


class TokenBudgetLine(msgspec.Struct, frozen=True, rename="camel"):
    """The month's tokens."""

    remaining: Remaining


class OptimizationMetrics(msgspec.Struct, frozen=True, rename="camel"):
    """`estimated_monthly_savings` is a projection in dollars ("$562.50"), None before a whole day was seen."""

    optimization: Optimization
    token_budget: TokenBudgetLine
    estimated_monthly_savings: str | None


def optimization_metrics(
    figures: Statistics, saved: Savings, token_budget: TokenBudget | None = None
) -> OptimizationMetrics:
    """Return figures and savings in the optimisers' shape."""
    monthly = next((one.saved_usd for one in saved.projections if one.window == "month"), None)
    efficiency = round(100 * (figures.cache_hit_rate or 0.0), 2)
    return OptimizationMetrics(
        Optimization(
            figures.cache_hits, figures.cache_misses, figures.tokens_saved, usd(saved.saved_nanousd), efficiency
        ),
        TokenBudgetLine(_remaining(token_budget)),
        None if monthly is None else f"{'-' if monthly < 0 else ''}${abs(monthly):,.2f}",
    )


def _remaining(budget: TokenBudget | None) -> Remaining:
    if budget is None:
        return Remaining(None, None)
    used = 100.0 * (budget.limit - budget.remaining) / budget.limit if budget.limit else 100.0
    return Remaining(budget.remaining, round(used, 2))
