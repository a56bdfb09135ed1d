"""The same figures over time, an hour or a day at a time."""

from typing import Final

import msgspec
from sqlalchemy import func, or_, select

from pointsman.budget.books import microseconds
from pointsman.errors import InvalidInput
from pointsman.insight.period import DAY_US, HOUR_US, Period, day_name, hour_name, whole
from pointsman.insight.savings import count_where, is_compared, is_failed, is_overhead, total_where
from pointsman.insight.statistics import HITS
from pointsman.money import usd
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG

STEPS: Final = {"hour": (HOUR_US, hour_name), "day": (DAY_US, day_name)}
MAX_POINTS: Final = 2_000


class Point(msgspec.Struct, frozen=True):
    """One hour or day (UTC), named by its beginning; those without requests are there too."""

    at: str
    requests: int
    failed: int
    cache_hits: int
    cost_nanousd: int
    cost_usd: float
    saved_nanousd: int
    input_tokens: int
    output_tokens: int
    average_latency_ms: float | None


class Series(msgspec.Struct, frozen=True):
    """The points of a period in order."""

    step: str
    points: list[Point]


def time_series(log: EventLog, period: Period, step: str = "day") -> Series:
    """Return the period's hours or days; their sums are the period's totals.

    Raises:
        InvalidInput: another step, or more than `MAX_POINTS` of them.
        LedgerUnavailable: the log can't be read.
    """
    if step not in STEPS:
        raise InvalidInput(f"step is {step!r:.80}; expected one of {', '.join(STEPS)}.", field="step")
    length, name_of = STEPS[step]
    first = microseconds(period.since) // length
    end = -(-microseconds(period.until) // length)
    if end - first > MAX_POINTS:
        raise InvalidInput(
            f"the period has {end - first:,} steps of a {step}; expected at most {MAX_POINTS:,}: shorten it, or take "
            "longer steps.",
            field="step",
        )
    bucket = (LOG.c.at_us // length).label("bucket")
    compared = is_compared()
    saved = total_where(compared, LOG.c.baseline_nanousd) - total_where(or_(compared, is_overhead()))
    query = select(
        bucket,
        func.count(),
        count_where(is_failed()),
        count_where(LOG.c.cache.in_(HITS)),
        func.sum(LOG.c.cost_nanousd),
        saved,
        func.sum(LOG.c.input_tokens),
        func.sum(LOG.c.output_tokens),
        func.avg(LOG.c.latency_ms),
    ).where(period.lines)
    rows = log.read(lambda connection: connection.execute(query.group_by(bucket)).fetchall())
    found = {int(row[0]): ([whole(value) for value in row[1:8]], row[8]) for row in rows}
    empty: tuple[list[int], None] = ([0] * 7, None)
    return Series(step, [_point(name_of(number), *found.get(number, empty)) for number in range(first, end)])


def _point(at: str, counts: list[int], latency_ms: float | None) -> Point:
    requests, failed, hits, cost, saved, input_tokens, output_tokens = counts
    return Point(at, requests, failed, hits, cost, usd(cost), saved, input_tokens, output_tokens, latency_ms)
