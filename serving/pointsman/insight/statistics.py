"""The figures of a period: how much, how well, how fast, by what."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Double

from pointsman.budget.windows import utc
from pointsman.insight.period import Period, whole
from pointsman.insight.savings import count_where, is_failed
from pointsman.money import usd
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG, OUTCOMES

HITS: Final = ("exact", "semantic")
MOST_NAMES: Final = 100


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds of those requests that state them; p50 and p95 are of a request that was (nearest rank)."""

    mean: float
    p50: float
    p95: float


class Share(msgspec.Struct, frozen=True):
    """How many requests, and which part of all."""

    requests: int
    share: float


class Reported(msgspec.Struct, frozen=True):
    """The qualities that callers and judges reported for the period's decisions."""

    count: int
    mean: float | None


class Statistics(msgspec.Struct, frozen=True):
    """The figures of a period. Rates are shares of the requests, None where there is nothing to divide by.

    `succeeded` had an answer. `cache_hit_rate` is of the requests that asked the cache. `escalation_rate` is of the
    routed ones. `average_confidence` is what was predicted, `reported_quality` what came of it. `uptime_s` is that of
    the process that answers, and `lost_events` are those that it couldn't write; both None from the command line.
    `budget_remaining_usd` is what is left of the day, None where no budget is kept.
    """

    since: str
    until: str
    requests: int
    succeeded: int
    failed: int
    success_rate: float | None
    error_rate: float | None
    cost_nanousd: int
    cost_usd: float
    average_cost_usd: float | None
    input_tokens: int
    output_tokens: int
    tokens_saved: int
    latency_ms: Spread | None
    overhead_ms: Spread | None
    models: dict[str, Share]
    complexities: dict[str, Share]
    strategies: dict[str, Share]
    types: dict[str, Share]
    errors: dict[str, Share]
    average_confidence: float | None
    average_quality: float | None
    reported_quality: Reported
    escalation_rate: float | None
    degradation_rate: float | None
    cache_hits: int
    cache_misses: int
    cache_hit_rate: float | None
    budget_remaining_usd: float | None = None
    uptime_s: float | None = None
    lost_events: int | None = None


def statistics(
    log: EventLog, period: Period, *, budget_remaining_nanousd: int | None = None, is_server: bool = False
) -> Statistics:
    """Return the period's figures; `is_server` adds those of this process.

    Raises:
        LedgerUnavailable: the log can't be read.
    """
    found = log.read(lambda connection: _figures(connection, period))
    remaining = None if budget_remaining_nanousd is None else usd(budget_remaining_nanousd)
    uptime = (utc(log.clock()) - log.opened_at).total_seconds() if is_server else None
    return Statistics(
        since=period.since.isoformat(),
        until=period.until.isoformat(),
        **found,
        budget_remaining_usd=remaining,
        uptime_s=uptime,
        lost_events=log.lost if is_server else None,
    )


def _figures(connection: Connection, period: Period) -> dict[str, Any]:
    column = LOG.c
    sums = select(
        func.count(),
        *(count_where(condition) for condition in _CONDITIONS),
        *(func.sum(column[name]) for name in ("cost_nanousd", "input_tokens", "output_tokens", "tokens_saved")),
        *(func.avg(column[name]) for name in ("confidence", "quality")),
    ).where(period.lines)
    row = connection.execute(sums).one()
    n, failed, routed, escalated, degraded, hits, misses = (whole(value) for value in row[:7])
    cost, input_tokens, output_tokens, saved = (whole(value) for value in row[7:11])
    return {
        "requests": n,
        "succeeded": n - failed,
        "failed": failed,
        "success_rate": _rate(n - failed, n),
        "error_rate": _rate(failed, n),
        "cost_nanousd": cost,
        "cost_usd": usd(cost),
        "average_cost_usd": usd(cost) / n if n else None,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "tokens_saved": saved,
        "latency_ms": _spread(connection, period, column.latency_ms),
        "overhead_ms": _spread(connection, period, column.overhead_ms),
        **{name: _shares(connection, period, by, n) for name, by in _DISTRIBUTIONS.items()},
        "average_confidence": row[11],
        "average_quality": row[12],
        "reported_quality": _reported(connection, period),
        "escalation_rate": _rate(escalated, routed),
        "degradation_rate": _rate(degraded, n),
        "cache_hits": hits,
        "cache_misses": misses,
        "cache_hit_rate": _rate(hits, hits + misses),
    }


_CONDITIONS: Final[Sequence[ColumnElement[bool]]] = (
    is_failed(),
    LOG.c.is_routed,
    and_(LOG.c.is_routed, LOG.c.escalated_from.is_not(None)),
    LOG.c.is_degraded,
    LOG.c.cache.in_(HITS),
    LOG.c.cache == "miss",
)
_DISTRIBUTIONS: Final = {
    "models": LOG.c.model,
    "complexities": LOG.c.complexity,
    "strategies": LOG.c.strategy,
    "types": LOG.c.task_type,
    "errors": LOG.c.error,
}


def _rate(part: int, of: int) -> float | None:
    return part / of if of else None


def _shares(connection: Connection, period: Period, by: ColumnElement[Any], n: int) -> dict[str, Share]:
    count = func.count()
    query = select(by, count).where(period.lines, by.is_not(None)).group_by(by).order_by(count.desc(), by)
    return {name: Share(found, found / n) for name, found in connection.execute(query.limit(MOST_NAMES))}


def _spread(connection: Connection, period: Period, value: ColumnElement[float]) -> Spread | None:
    stated = and_(period.lines, value.is_not(None))
    n, mean = connection.execute(select(func.count(), func.avg(value)).where(stated)).one()
    if not n:
        return None
    ranked = select(value).where(stated).order_by(value).limit(1)
    p50, p95 = (connection.execute(ranked.offset((n * percent - 1) // 100)).scalar_one() for percent in (50, 95))
    return Spread(mean, p50, p95)


def _reported(connection: Connection, period: Period) -> Reported:
    quality: ColumnElement[Any]
    if connection.dialect.name == "sqlite":
        quality = func.json_extract(OUTCOMES.c.body, "$.quality")
    else:
        quality = cast(cast(OUTCOMES.c.body, JSONB)["quality"].astext, Double)
    same = and_(OUTCOMES.c.tenant == LOG.c.tenant, OUTCOMES.c.decision_id == LOG.c.decision_id)
    query = select(func.count(quality), func.avg(quality)).select_from(LOG.join(OUTCOMES, same)).where(period.lines)
    count, mean = connection.execute(query).one()
    return Reported(count, mean)
