"""Every limit with what is posted, held and left, and what will become of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pointsman.budget import (
    GLOBAL,
    Amount,
    Limit,
    Scope,
    Unit,
    Usage,
    Window,
    parse_scope,
    parse_window,
    window_end,
    window_id,
    window_start,
)
from pointsman.budget.forecast import Forecast, forecast
from pointsman.budget.forecast import Standing as Stand
from pointsman.budget.rules import PAYERS, Bearing, Rules, Used, effective_limits
from pointsman.budget.traffic import HourTotal
from pointsman.treasury.standing import Snapshot
from pointsman.treasury.treasury import Treasury
from pointsman.types import COMPLEXITIES, TASK_TYPES

HISTORY: Final = timedelta(weeks=8)
_NOBODY: Final = "-"


class BudgetLine(msgspec.Struct, frozen=True):
    """One limit: amounts count the `unit`; `window_end` is None where the window never turns.

    `frozen` says why the scope takes no holds, None where it does; `reason` is the rule that the limit comes from.
    """

    scope: str
    window: str
    unit: str
    limit: int
    posted: int
    held: int
    remaining: int
    window_end: datetime | None
    reason: str
    frozen: str | None = None

    @property
    def as_limit(self) -> Limit:
        """The limit itself."""
        unit: Unit = self.unit  # type: ignore[assignment]
        return Limit(parse_scope(self.scope), parse_window(self.window), self.limit, unit, self.reason)


class ForecastLine(msgspec.Struct, frozen=True):
    """What will become of one limit, in numbers and in words."""

    scope: str
    window: str
    forecast: Forecast
    words: str


def budgets(treasury: Treasury) -> list[BudgetLine]:
    """Return every limit that there is: of each payer that is named, has a limit of its own, or has spent.

    A guest isn't shown the limits of everyone, which tell what other tenants spend.

    Raises:
        LedgerUnavailable: it can't be read.
    """
    now, snapshot = treasury.clock(), treasury.snapshot()
    usages = treasury.ledger.usages(now, tenant=treasury.tenant)
    limits = _all_limits(treasury, snapshot, {usage.scope for usage in usages}, now)
    if treasury.is_guest:
        limits = [limit for limit in limits if limit.scope != GLOBAL]
    return _lines(treasury, limits, usages, now)


def effective(treasury: Treasury, tags: Mapping[str, str]) -> list[BudgetLine]:
    """Return the limits that bear on tasks with these tags, of every tier and task type, each with its rule.

    Raises:
        LedgerUnavailable: it can't be read.
        InvalidBudget: a tag that can't name a payer.
    """
    now, snapshot = treasury.clock(), treasury.snapshot()
    payers = {Scope(kind, tags[kind]) for kind in PAYERS if tags.get(kind)}
    shared = {"global", "tenant", "tier", "task_type"}
    limits = [
        limit
        for limit in _all_limits(treasury, snapshot, payers, now)
        if limit.scope in payers or limit.scope.kind in shared
    ]
    return _lines(treasury, limits, treasury.ledger.usages(now, tenant=treasury.tenant), now)


def forecasts(treasury: Treasury, lines: Iterable[BudgetLine]) -> list[ForecastLine]:
    """Return what will become of the limits on money that have a window, from the hours of their own traffic.

    Raises:
        LedgerUnavailable: the traffic can't be read.
    """
    now, told = treasury.clock(), []
    history: dict[Scope, list[HourTotal]] = {}
    for line in lines:
        limit = line.as_limit
        start, end = window_start(limit.window, now), window_end(limit.window, now)
        if line.unit != "nanousd" or start is None or end is None:
            continue
        if limit.scope not in history:
            counts = treasury.ledger.traffic(limit.scope, now - HISTORY, tenant=treasury.tenant)
            history[limit.scope] = [HourTotal(count.hour, float(count.nanousd)) for count in counts]
        stand = Stand(line.limit, line.posted + line.held, start, end)
        found = forecast(history[limit.scope], stand, now)
        told.append(ForecastLine(line.scope, line.window, found, found.words()))
    return told


def shared_lines(lines: Iterable[BudgetLine]) -> list[BudgetLine]:
    """Return the lines of scopes that many tasks share: those of single payers are left out."""
    return [line for line in lines if line.scope.partition(":")[0] not in PAYERS]


def _all_limits(treasury: Treasury, snapshot: Snapshot, seen: set[Scope], now: datetime) -> list[Limit]:
    rules, used = snapshot.rules, Used(snapshot.tiers_today())
    limits: dict[tuple[Scope, Window, Unit], Limit] = {}
    payers = {scope for scope in (*seen, *rules.named) if scope.kind in PAYERS}
    bearings = [Bearing(_NOBODY, {}, kind, tier) for tier, kind in _tiers_and_types(rules)]
    for scope in sorted(payers):
        bearings.append(Bearing(_NOBODY, {scope.kind: scope.name}, TASK_TYPES[0], COMPLEXITIES[0]))
    for bearing in bearings:
        user = bearing.tags.get("user")
        found = treasury.standing.used_by(user, now, snapshot) if user else used
        for limit in effective_limits(rules, bearing, found, now):
            if limit.scope.kind != "request":
                limits.setdefault((limit.scope, limit.window, limit.unit), limit)
    limits |= {(own.scope, own.window, own.unit): own for own in snapshot.stored}
    return sorted(limits.values(), key=lambda limit: (limit.scope.narrowness, limit.scope.name, limit.window))


def _tiers_and_types(rules: Rules) -> list[tuple[str, str]]:
    others = (name for name in TASK_TYPES if name not in rules.task_types)
    kind = next(others, TASK_TYPES[0])
    return [*((tier, kind) for tier in COMPLEXITIES), *((COMPLEXITIES[0], name) for name in rules.task_types)]


def _lines(treasury: Treasury, limits: list[Limit], usages: list[Usage], now: datetime) -> list[BudgetLine]:
    used = {(usage.scope, usage.window_id): usage for usage in usages}
    frozen = {
        one.scope: one.reason
        for one in treasury.ledger.freezes()
        if one.tenant == ("" if one.scope == GLOBAL else treasury.tenant)
    }
    lines = []
    for limit in limits:
        usage = used.get((limit.scope, window_id(limit.window, now)))
        posted, held = (usage.posted, usage.held) if usage else (Amount(0), Amount(0))
        counted, kept = posted.of(limit.unit), held.of(limit.unit)
        lines.append(
            BudgetLine(
                scope=str(limit.scope),
                window=limit.window,
                unit=limit.unit,
                limit=limit.amount,
                posted=counted,
                held=kept,
                remaining=max(limit.amount - counted - kept, 0),
                window_end=window_end(limit.window, now),
                reason=limit.reason or "set while running",
                frozen=frozen.get(limit.scope),
            )
        )
    return lines
