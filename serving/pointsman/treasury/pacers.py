"""How dear money is just now, for each complexity tier: what pacing learns from the tasks of this process.

The price is that of the limit that binds most: everyone's of the day and of the month, and the tier's of the day.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.budget import GLOBAL, Limit, Scope, Window, window_end, window_start
from pointsman.budget.pacing import Pace, PacerState, Purse, observe, pace, settle, tightest
from pointsman.budget.rules import Rules, Used
from pointsman.budget.traffic import FLAT, Arrivals, HourTotal, Profile, fit_profile, to_come
from pointsman.treasury.standing import Snapshot
from pointsman.types import COMPLEXITIES

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

HISTORY: Final = timedelta(weeks=8)
_AT_ONCE: Final = 256
_WAITING: Final = 64
_FOUND_FOR: Final = timedelta(seconds=1)
_HARDLY: Final = 1e-3
_EVERYONES: Final[tuple[tuple[Scope, Window], ...]] = ((GLOBAL, "day"), (GLOBAL, "month"))

Floats = npt.NDArray[np.float64]
Costs = npt.NDArray[np.int64]


class Lane(msgspec.Struct):
    """What is known of the traffic of one scope: costs, arrivals, its usual week, and tasks by hour."""

    state: PacerState = PacerState()
    arrivals: Arrivals = Arrivals()
    profile: Profile = FLAT
    hours: dict[int, int] = {}
    since_read: int = 0

    def seen(self, start: datetime) -> int:
        """Return the tasks that came since the start of a window."""
        first = int(start.timestamp()) // 3600
        return self.since_read + sum(tasks for hour, tasks in self.hours.items() if hour >= first)


class Came(NamedTuple):
    """Tasks that came at one moment."""

    tiers: list[str]
    quality: Floats
    cost_nanousd: Costs
    at: datetime


class Found(NamedTuple):
    """A pace, and what it was found from: `used` are nano-USD of everyone's day and month, and of the tier's day.

    `left` is what remained of the limit with the least room; None where no limit applies.
    """

    pace: Pace | None
    used: tuple[int, ...]
    left: int | None
    rules: Rules
    stored: tuple[Limit, ...]
    trade_usd: float
    at: datetime

    def stands(self, used: tuple[int, ...], snapshot: Snapshot, trade_usd: float, now: datetime) -> bool:
        """Return whether hardly anything has changed: the same rules, a second at most, a thousandth of what was left.

        A pace follows from what is left: where that is much, a request changes nothing; where it is little, everything.
        """
        is_recent = timedelta() <= now - self.at < _FOUND_FOR and trade_usd == self.trade_usd
        same_rules = (snapshot.rules is self.rules or snapshot.rules == self.rules) and snapshot.stored == self.stored
        if not (is_recent and same_rules):
            return False
        most = math.inf if self.left is None else self.left * _HARDLY
        return all(0 <= spent - before <= most for spent, before in zip(used, self.used, strict=True))


class Pacers:
    """Learns from tasks and bills, and prices money. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes = {scope: Lane() for scope in (GLOBAL, *(Scope("tier", tier) for tier in COMPLEXITIES))}
        self._waiting: list[Came] = []
        self._found: dict[str, Found] = {}

    def observe(self, tiers: list[str], quality: Floats, cost_nanousd: Costs, now: datetime) -> None:
        """Note tasks that came: arrays (n_tasks, n_models), quality −inf where a model isn't able.

        They are learned from together, at the latest when money is priced anew.
        """
        with self._lock:
            self._waiting.append(Came(tiers, quality, cost_nanousd, now))
            if len(self._waiting) >= _WAITING:
                self._learn_from_waiting()

    def _learn_from_waiting(self) -> None:
        if not self._waiting:
            return
        came, self._waiting = self._waiting, []
        tiers = [tier for one in came for tier in one.tiers]
        quality = np.concatenate([one.quality for one in came])
        cost_nanousd = np.concatenate([one.cost_nanousd for one in came])
        rows = {GLOBAL: np.arange(len(tiers))}
        for tier in set(tiers):
            rows[Scope("tier", tier)] = np.flatnonzero([one == tier for one in tiers])
        for scope, places in rows.items():
            lane = self._lanes[scope]
            for first in range(0, len(places), _AT_ONCE):
                some = places[first : first + _AT_ONCE]
                lane.state = observe(lane.state, quality[some], cost_nanousd[some])
            for one in came:
                if count := len(one.tiers) if scope == GLOBAL else one.tiers.count(scope.name):
                    lane.arrivals = lane.arrivals.after(count, one.at)
                    lane.since_read += count

    def billed(self, scopes: Iterable[Scope], predicted_nanousd: int, billed_nanousd: int) -> None:
        """Learn by how much a bill exceeds what was predicted."""
        with self._lock:
            for scope in scopes:
                if (lane := self._lanes.get(scope)) is not None:
                    lane.state = settle(lane.state, predicted_nanousd, billed_nanousd)

    def learn(self, ledger: "StoreLedger", now: datetime, tenant: str) -> None:
        """Read what the traffic of the last weeks was like: at first all of it, later what came since.

        Raises:
            LedgerUnavailable: it can't be read.
        """
        first = int((now - HISTORY).timestamp()) // 3600
        for scope, lane in list(self._lanes.items()):
            known = {hour: tasks for hour, tasks in lane.hours.items() if hour >= first}
            since = max(known, default=first)  # the last hour may have been going on
            counts = ledger.traffic(scope, datetime.fromtimestamp(3600 * since, UTC), tenant=tenant)
            known |= {count.hour: count.tasks for count in counts}
            profile = fit_profile([HourTotal(hour, tasks) for hour, tasks in known.items()], now)
            with self._lock:
                lane.profile, lane.hours, lane.since_read = profile, known, 0

    def paces(self, tiers: Iterable[str], snapshot: Snapshot, trade_usd: float, now: datetime) -> Mapping[str, Pace]:
        """Return for each tier how to choose, those left out that no limit changes; `trade_usd` is the dial."""
        with self._lock:
            found = {tier: self._pace_of(tier, snapshot, trade_usd, now) for tier in set(tiers)}
        return {tier: pace for tier, pace in found.items() if pace is not None and pace.is_degraded}

    def _pace_of(self, tier: str, snapshot: Snapshot, trade_usd: float, now: datetime) -> Pace | None:
        """Return the pace that binds a tier most: as it was found before, where hardly anything was used since."""
        used = tuple(snapshot.used.get(place, 0) for place in (*_EVERYONES, (Scope("tier", tier), "day")))
        known = self._found.get(tier)
        if known is None or not known.stands(used, snapshot, trade_usd, now):
            self._learn_from_waiting()
            purses = self._purses(GLOBAL, {"day", "month"}, snapshot, now)
            purses += self._purses(Scope("tier", tier), {"day"}, snapshot, now)
            paces = [pace(lane.state, purse, trade_usd) for lane, purse in purses]
            left = min((max(purse.remaining_nanousd, 0) for _, purse in purses), default=None)
            found = tightest(paces) if paces else None
            known = Found(found, used, left, snapshot.rules, snapshot.stored, trade_usd, now)
            self._found[tier] = known
        return known.pace

    def _purses(
        self, scope: Scope, windows: set[Window], snapshot: Snapshot, now: datetime
    ) -> list[tuple[Lane, Purse]]:
        lane, purses = self._lanes[scope], []
        for window, amount in _amounts(scope, snapshot, now):
            start, end = window_start(window, now), window_end(window, now)
            if window in windows and start is not None and end is not None:
                left = amount - snapshot.used.get((scope, window), 0)
                coming = to_come(lane.profile, lane.arrivals, float(lane.seen(start)), start=start, now=now, end=end)
                purses.append((lane, Purse(amount, left, coming)))
        return purses


def _amounts(scope: Scope, snapshot: Snapshot, now: datetime) -> list[tuple[Window, int]]:
    """Return the limits in nano-USD of everyone, or of a tier, with those that were set while running."""
    rules = snapshot.rules
    amounts: dict[Window, int | None] = {}
    if scope == GLOBAL:
        caps = rules.everyone
        amounts = {"day": caps.daily, "month": caps.monthly}
    elif rules.tiers is not None:
        used = Used(snapshot.tiers_today())
        daily = rules.everyone.daily if rules.everyone.daily is not None else sum(rules.tiers.nanousd.values())
        amounts = {"day": rules.tiers.allowance(scope.name, used.tiers_today_nanousd, daily, now)}
    amounts |= {own.window: own.amount for own in snapshot.stored if own.scope == scope and own.unit == "nanousd"}
    return [(window, amount) for window, amount in amounts.items() if amount is not None]
