"""What has to be done besides answering: expire holds, learn from the traffic, tell alerts."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from pointsman.budget.alerts import Alert, forecast_alert, freeze_alert, threshold_alerts, unsent
from pointsman.errors import LedgerUnavailable
from pointsman.treasury.overview import BudgetLine, budgets, forecasts, shared_lines
from pointsman.treasury.treasury import Treasury

EXPIRE_EVERY: Final = timedelta(seconds=2)
LOOK_EVERY: Final = timedelta(seconds=10)
LEARN_EVERY: Final = timedelta(minutes=1)
FORESEE_EVERY: Final = timedelta(minutes=10)
_LOG: Final = logging.getLogger("pointsman.budget")

Tell = Callable[[Alert], None]


@contextmanager
def _logged() -> Iterator[None]:
    """Log that the ledger can't be used, and go on: the next round tries again."""
    try:
        yield
    except LedgerUnavailable as error:
        _LOG.error("%s", error.message)


class Watch:
    """Does what is due of one treasury, off the path of requests; `tell` gets each alert once, whoever watches too."""

    def __init__(self, treasury: Treasury, tell: Tell | None = None) -> None:
        self._treasury = treasury
        self._tell = tell
        self._done: dict[str, datetime] = {}
        self._known: set[str] = set()

    def tick(self, treasury: Treasury | None = None) -> int:
        """Do what is due, and return how many holds were presumed; a ledger that can't be used is logged, no more.

        `treasury` takes the place of the one watched so far, under other rules.
        """
        self._treasury = treasury or self._treasury
        now, presumed = self._treasury.clock(), 0
        if self._is_due("expire", EXPIRE_EVERY, now):
            with _logged():
                presumed = self._treasury.expire()
        if self._is_due("learn", LEARN_EVERY, now):
            with _logged():
                self._treasury.pacers.learn(self._treasury.ledger, now, self._treasury.tenant)
        if self._is_due("look", LOOK_EVERY, now):
            with _logged():
                self._look(now)
        return presumed

    def _is_due(self, what: str, every: timedelta, now: datetime) -> bool:
        last = self._done.get(what)
        if last is not None and timedelta() <= now - last < every:
            return False
        self._done[what] = now
        return True

    def _look(self, now: datetime) -> None:
        lines = budgets(self._treasury)
        for line in lines:
            self._tell_last(self._passed(line, now))
            self._tell_last(self._stopped(line))
        if self._is_due("foresee", FORESEE_EVERY, now):
            for alert in self._foreseen(shared_lines(lines), now):
                self._tell_last([alert])

    def _tell_last(self, alerts: list[Alert]) -> None:
        """Keep all of the alerts, and tell the last of those that weren't kept before: it includes the others."""
        new = unsent(alerts, self._known)
        fresh = [alert for alert in new if self._treasury.ledger.alerts.claim(alert)]
        self._known.update(alert.id for alert in new)
        if fresh:
            _LOG.warning("%s", fresh[-1].words)
            if self._tell is not None:
                self._tell(fresh[-1])

    def _passed(self, line: BudgetLine, now: datetime) -> list[Alert]:
        tenant, thresholds = self._treasury.tenant, self._treasury.rules.alert_percents
        return threshold_alerts(line.as_limit, 0, line.posted + line.held, now, tenant=tenant, thresholds=thresholds)

    def _stopped(self, line: BudgetLine) -> list[Alert]:
        limit, used, tenant = line.as_limit, line.posted + line.held, self._treasury.tenant
        return [
            freeze_alert(limit, used, freeze.reason, freeze.since, tenant=tenant)
            for freeze in (self._treasury.ledger.freezes() if line.frozen else [])
            if freeze.scope == limit.scope
        ]

    def _foreseen(self, lines: list[BudgetLine], now: datetime) -> list[Alert]:
        places = {(line.scope, line.window): line for line in lines if line.unit == "nanousd"}
        found = forecasts(self._treasury, places.values())
        alerts = (
            forecast_alert(places[one.scope, one.window].as_limit, one.forecast, now, tenant=self._treasury.tenant)
            for one in found
        )
        return [alert for alert in alerts if alert is not None]
