"""What routing saved against a baseline model, with everything it cost taken off, and what that may come to."""

from datetime import timedelta
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select

from pointsman.budget.books import microseconds
from pointsman.insight.period import DAY_US, Period, whole
from pointsman.money import usd
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG

INTERVAL: Final = 0.9
RESAMPLES: Final = 2_000
LEAST_DAYS: Final = 7
"""Whole days below which no interval is given: a week has weekdays and weekends."""

DAYS_OF_YEAR: Final = 365.25
CAVEAT: Final = (
    "The baseline is taken to use the same tokens as the model that answered; another model would answer shorter or "
    "longer, and perhaps better or worse."
)
_UNSENT: Final = ("route", "predict")
"""Requests whose model somebody else calls: what that cost isn't known here."""


class Projection(msgspec.Struct, frozen=True):
    """What a day, a month and a year come to if days stay as those seen were: a projection, not a promise.

    `low_usd` and `high_usd` bound the savings with 90 %: days are drawn anew with replacement `RESAMPLES` times. They
    are None below `LEAST_DAYS` whole days.
    """

    window: str
    cost_usd: float
    saved_usd: float
    low_usd: float | None
    high_usd: float | None


class Savings(msgspec.Struct, frozen=True):
    """Savings: `saved_nanousd` is exactly `baseline_nanousd` less `cost_nanousd`, and may be negative.

    `baselines` has what each baseline model would have cost for the requests that were routed and answered.
    `cost_nanousd` is what these cost with all their attempts, and `failed_nanousd` and `judging_nanousd` are in it:
    routed requests that failed, and evaluations. `by_cache_nanousd` of the savings are answers from the cache, which a
    cache before the baseline would have saved too. `uncompared_nanousd` is what requests cost that have no baseline or
    whose caller named the model; they count neither way. `days` are the whole days that the projections are made of.
    """

    since: str
    until: str
    compared: int
    uncompared: int
    baselines: dict[str, int]
    baseline_nanousd: int
    cost_nanousd: int
    saved_nanousd: int
    saved_usd: float
    saved_share: float | None
    failed_nanousd: int
    judging_nanousd: int
    by_cache_nanousd: int
    uncompared_nanousd: int
    days: int
    projections: list[Projection]
    caveat: str = CAVEAT


def is_overhead() -> ColumnElement[bool]:
    """Return the condition of what is spent without an answer: routed requests that failed, and judging."""
    return or_(is_judging(), and_(LOG.c.is_routed, is_failed(), LOG.c.kind.not_in(_UNSENT)))


def is_judging() -> ColumnElement[bool]:
    """Return the condition of evaluations."""
    return LOG.c.kind == "evaluate"


def is_failed() -> ColumnElement[bool]:
    """Return the condition of requests without an answer."""
    return or_(LOG.c.status >= 400, LOG.c.error.is_not(None))


def is_compared() -> ColumnElement[bool]:
    """Return the condition of what was routed, answered, and has a baseline."""
    column = LOG.c
    has_answer = and_(not_(is_failed()), column.kind.not_in((*_UNSENT, "evaluate")))
    return and_(column.is_routed, has_answer, column.baseline_nanousd.is_not(None))


def total_where(condition: ColumnElement[bool], amount: ColumnElement[Any] = LOG.c.cost_nanousd) -> ColumnElement[Any]:
    """Return the sum of an amount over the lines that meet the condition."""
    return func.sum(case((condition, amount), else_=0))


def count_where(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    """Return the number of lines that meet the condition."""
    return func.sum(case((condition, 1), else_=0))


def savings(log: EventLog, period: Period, rng: np.random.Generator) -> Savings:
    """Return what routing saved in the period.

    Raises:
        LedgerUnavailable: the log can't be read.
    """
    compared, overhead, baseline = is_compared(), is_overhead(), LOG.c.baseline_nanousd
    from_cache = and_(compared, LOG.c.cache.in_(("exact", "semantic")))
    sums = select(
        count_where(compared),
        func.count(),
        total_where(or_(compared, overhead)),
        total_where(and_(overhead, not_(is_judging()))),
        total_where(is_judging()),
        total_where(from_cache, baseline - LOG.c.cost_nanousd),
        func.sum(LOG.c.cost_nanousd),
    ).where(period.lines)
    by_model = select(LOG.c.baseline, func.sum(baseline)).where(period.lines, compared).group_by(LOG.c.baseline)
    counts, named = log.read(lambda connection: (
        [whole(value) for value in connection.execute(sums).one()],
        {name or "unnamed": whole(value) for name, value in connection.execute(by_model.order_by(LOG.c.baseline))},
    ))  # fmt: skip
    n_compared, n_all, cost, failed, judging, by_cache, all_cost = counts
    worth = sum(named.values())
    days = daily(log, period)
    return Savings(
        since=period.since.isoformat(),
        until=period.until.isoformat(),
        compared=n_compared,
        uncompared=n_all - n_compared,
        baselines=named,
        baseline_nanousd=worth,
        cost_nanousd=cost,
        saved_nanousd=worth - cost,
        saved_usd=usd(worth - cost),
        saved_share=(worth - cost) / worth if worth else None,
        failed_nanousd=failed,
        judging_nanousd=judging,
        by_cache_nanousd=by_cache,
        uncompared_nanousd=all_cost - cost,
        days=len(days),
        projections=projections(days, rng),
    )


def daily(log: EventLog, period: Period) -> list[tuple[int, int]]:
    """Return (cost, saved) in nano-USD of each whole day of 24 hours back from the period's end, the last first."""
    end = microseconds(period.until)
    n_days = (end - microseconds(period.since)) // DAY_US
    lines = Period(period.tenant, period.until - timedelta(days=n_days), period.until).lines
    day = ((end - 1 - LOG.c.at_us) // DAY_US).label("day")
    cost = total_where(or_(is_compared(), is_overhead()))
    query = select(day, cost, total_where(is_compared(), LOG.c.baseline_nanousd)).where(lines).group_by(day)
    found = {int(row[0]): row for row in log.read(lambda connection: connection.execute(query).fetchall())}
    rows = (found.get(number, (number, 0, 0)) for number in range(n_days))
    return [(whole(cost), whole(worth) - whole(cost)) for _, cost, worth in rows]


def projections(days: list[tuple[int, int]], rng: np.random.Generator) -> list[Projection]:
    """Return what a day, a month and a year come to; nothing where no whole day was seen."""
    if not days:
        return []
    amounts = np.array(days, dtype=np.float64) / 1e9
    cost, saved = amounts.mean(axis=0).tolist()
    low = high = None
    if len(days) >= LEAST_DAYS:
        drawn = rng.integers(len(days), size=(RESAMPLES, len(days)))
        tails = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
        low, high = np.quantile(amounts[drawn, 1].mean(axis=1), tails).tolist()
    lengths = {"day": 1.0, "month": DAYS_OF_YEAR / 12, "year": DAYS_OF_YEAR}
    return [
        Projection(name, cost * n, saved * n, None if low is None else low * n, None if high is None else high * n)
        for name, n in lengths.items()
    ]
