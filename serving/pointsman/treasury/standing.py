"""What limits say and what was used, read at most once a second: between, a process counts its own holds on top.

Nothing here decides whether money may be held. The ledger does, on its own counters.
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.budget import GLOBAL, Limit, Scope, Window, window_start
from pointsman.budget.rules import Rules, Tiers, Used
from pointsman.types import COMPLEXITIES

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

FRESH: Final = timedelta(seconds=1)
_MANY_USERS: Final = 10_000
_MONEY: Final[tuple[Window, ...]] = ("day", "month", "total")
_TIERS: Final = {tier: Scope("tier", tier) for tier in COMPLEXITIES}


class Snapshot(msgspec.Struct, frozen=True):
    """The state at one moment: limits that were set while running, and nano-USD used by scope and window."""

    at: datetime
    rules: Rules
    stored: tuple[Limit, ...]
    used: Mapping[tuple[Scope, Window], int]

    def tiers_today(self) -> dict[str, int]:
        """Return what each tier used today, in nano-USD."""
        return {tier: self.used.get((scope, "day"), 0) for tier, scope in _TIERS.items()}

    def overlaid(self, limits: Iterable[Limit], scopes: Iterable[Scope]) -> tuple[Limit, ...]:
        """Return the limits, those replaced or added that were set while running for one of the scopes."""
        wanted = set(scopes)
        placed = {(limit.scope, limit.window, limit.unit): limit for limit in limits}
        placed |= {(own.scope, own.window, own.unit): own for own in self.stored if own.scope in wanted}
        return tuple(placed.values())


class Standing:
    """Reads the state of one tenant. Safe to use from any thread."""

    def __init__(self, ledger: "StoreLedger", rules: Rules, tenant: str) -> None:
        self._ledger = ledger
        self._rules = rules
        self._tenant = tenant
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._used: dict[tuple[Scope, Window], int] = {}
        self._last_month: dict[tuple[str, datetime | None], tuple[int | None, int | None]] = {}

    def at(self, now: datetime) -> Snapshot:
        """Return the state, read again where it is older than `FRESH`.

        Raises:
            LedgerUnavailable: it can't be read.
        """
        with self._lock:
            found = self._snapshot
            if found is None or not timedelta() <= now - found.at < FRESH:
                found = self._keep(self._read(now))
            return msgspec.structs.replace(found, used=self._used.copy())

    def refresh(self, now: datetime) -> None:
        """Read the state, so that `at` finds it fresh; nobody waits meanwhile.

        Raises:
            LedgerUnavailable: it can't be read.
        """
        found = self._read(now)
        with self._lock:
            self._keep(found)

    def _keep(self, found: Snapshot) -> Snapshot:
        self._snapshot, self._used = found, dict(found.used)
        return found

    def add(self, scopes: Iterable[Scope], nanousd: int) -> None:
        """Count money that this process held, or let go of, since the last reading."""
        with self._lock:
            for scope in scopes:
                for window in _windows(scope):
                    self._used[scope, window] = self._used.get((scope, window), 0) + nanousd

    def forget(self) -> None:
        """Read again at the next question: a limit or a hold has changed."""
        with self._lock:
            self._snapshot = None

    def used_by(self, user: str | None, now: datetime, snapshot: Snapshot) -> Used:
        """Return what bears on the limits of a task; last month's tokens where the user may have a plan."""
        tiers = snapshot.tiers_today()
        if user is None or snapshot.rules.plan(user) is None:
            return Used(tiers)
        month = (user, window_start("month", now))
        if month not in self._last_month:
            if len(self._last_month) >= _MANY_USERS:
                self._last_month.clear()
            self._last_month[month] = self._tokens_last_month(Scope("user", user), now)
        read, written = self._last_month[month]
        return Used(tiers, read, written)

    def _tokens_last_month(self, user: Scope, now: datetime) -> tuple[int | None, int | None]:
        start = window_start("month", now)
        assert start is not None
        usage = self._ledger.usage(user, "month", start - timedelta(days=1), tenant=self._tenant)
        read = usage.posted.input_tokens + usage.held.input_tokens
        written = usage.posted.output_tokens + usage.held.output_tokens
        return (read, written) if read or written else (None, None)

    def _read(self, now: datetime) -> Snapshot:
        stored = self._ledger.limits.limits(self._tenant)
        used = {}
        for scope in (GLOBAL, *_TIERS.values()):
            for window in _windows(scope):
                usage = self._ledger.usage(scope, window, now, tenant=self._tenant)
                used[scope, window] = usage.posted.nanousd + usage.held.nanousd
        return Snapshot(now, scaled(self._rules, stored), stored, used)


def _windows(scope: Scope) -> tuple[Window, ...]:
    """Return the windows that are read of a scope: money counts for the tiers of a day, and for everyone."""
    if scope.kind == "global":
        return _MONEY
    return _MONEY[:1] if scope.kind == "tier" else ()


def scaled(rules: Rules, stored: Iterable[Limit]) -> Rules:
    """Return the rules under the day's limit that was set while running: tiers keep their shares of it."""
    day = (GLOBAL, "day", "nanousd")
    daily = next((one.amount for one in stored if (one.scope, one.window, one.unit) == day), None)
    before = rules.everyone.daily
    if daily is None or daily == before:
        return rules
    changed = msgspec.structs.replace(rules, everyone=msgspec.structs.replace(rules.everyone, daily=daily))
    if rules.tiers is None or not before:
        return changed
    shares = {tier: amount * daily // before for tier, amount in rules.tiers.nanousd.items()}
    return msgspec.structs.replace(changed, tiers=Tiers(shares, rules.tiers.borrow_after_percent))
