"""What was spent on what: by model, type, complexity, day, or payer."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, func, select

from pointsman.errors import InvalidInput
from pointsman.insight.period import DAY_US, HOUR_US, Period, day_name, hour_name, whole
from pointsman.money import usd
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG

MAX_LINES: Final = 1000
_BY: Final[Mapping[str, ColumnElement[Any]]] = {
    "model": LOG.c.model,
    "type": LOG.c.task_type,
    "complexity": LOG.c.complexity,
    "strategy": LOG.c.strategy,
    "user": LOG.c.user,
    "team": LOG.c.team,
    "agent": LOG.c.agent,
    "project": LOG.c.project,
    "key": LOG.c.key,
    "kind": LOG.c.kind,
    "cache": LOG.c.cache,
    "day": LOG.c.at_us // DAY_US,
    "hour": LOG.c.at_us // HOUR_US,
}
BY: Final = tuple(_BY)
_NAMES: Final[Mapping[str, Callable[[int], str]]] = {"day": day_name, "hour": hour_name}


class CostLine(msgspec.Struct, frozen=True):
    """What the requests of one name cost; `name` is None for those that have none. `share` is of the whole cost."""

    name: str | None
    requests: int
    cost_nanousd: int
    cost_usd: float
    average_cost_usd: float
    share: float
    input_tokens: int
    output_tokens: int


class Costs(msgspec.Struct, frozen=True):
    """The lines, the dearest first, days and hours in order; `rest` is what names beyond the most listed cost."""

    by: str
    since: str
    until: str
    total: CostLine
    lines: list[CostLine]
    rest: CostLine | None = None


def costs(log: EventLog, period: Period, by: str = "model", *, most: int = MAX_LINES) -> Costs:
    """Return what the period's requests cost, by one of `BY`; lines and rest together are exactly the total.

    A request counts whole for the model that answered it, with the attempts of others before.

    Raises:
        InvalidInput: `by` is something else.
        LedgerUnavailable: the log can't be read.
    """
    if by not in _BY:
        raise InvalidInput(f"by is {by!r:.80}; expected one of {', '.join(BY)}.", field="by")
    name, cost = _BY[by].label("name"), func.sum(LOG.c.cost_nanousd)
    sums = (func.count(), cost, func.sum(LOG.c.input_tokens), func.sum(LOG.c.output_tokens))
    everything = select(*sums).where(period.lines)
    grouped = select(*sums, name).where(period.lines).group_by(name)
    ordered = grouped.order_by(name) if by in _NAMES else grouped.order_by(cost.desc(), name)
    total, rows = log.read(lambda connection: (
        [whole(value) for value in connection.execute(everything).one()],
        [([whole(value) for value in row[:4]], row[4]) for row in connection.execute(ordered.limit(most))],
    ))  # fmt: skip
    name_of = _NAMES.get(by, lambda value: value)
    lines = [_line(None if value is None else name_of(value), counts, total[1]) for counts, value in rows]
    left = [value - sum(counts[index] for counts, _ in rows) for index, value in enumerate(total)]
    rest = _line(None, left, total[1]) if left[0] else None
    return Costs(by, period.since.isoformat(), period.until.isoformat(), _line(None, total, total[1]), lines, rest)


def _line(name: str | None, counts: list[int], whole_cost: int) -> CostLine:
    requests, cost, input_tokens, output_tokens = counts
    average = usd(cost) / requests if requests else 0.0
    share = cost / whole_cost if whole_cost else 0.0
    return CostLine(name, requests, cost, usd(cost), average, share, input_tokens, output_tokens)
