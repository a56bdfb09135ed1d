"""Whose requests are counted, and from when to when."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from pointsman.budget.books import microseconds, moment
from pointsman.budget.windows import utc
from pointsman.errors import InvalidInput
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US


class Period(NamedTuple):
    """The lines of a tenant from `since` (included) to `until` (not included), UTC."""

    tenant: str
    since: datetime
    until: datetime

    @property
    def lines(self) -> ColumnElement[bool]:
        """The condition that its lines meet."""
        column = LOG.c
        since, until = microseconds(self.since), microseconds(self.until)
        return and_(column.tenant == self.tenant, column.at_us >= since, column.at_us < until)


def period(
    log: EventLog, tenant: str = "default", *, since: datetime | None = None, until: datetime | None = None
) -> Period:
    """Return the period: since the last reset, or the tenant's first line, and until the present, where not given.

    Raises:
        InvalidInput: it ends before it begins.
        InvalidBudget: a time without a zone.
        LedgerUnavailable: the log can't be read.
    """
    end = utc(log.clock() if until is None else until)
    begin = utc(since) if since is not None else log.since(tenant) or min(_first(log, tenant) or end, end)
    if end < begin:
        raise InvalidInput(
            f"the period ends ({end.isoformat()}) before it begins ({begin.isoformat()}); exchange since and until.",
            field="until",
        )
    return Period(tenant, begin, end)


def day_name(number: int) -> str:
    """Return the date of a day counted from 1970."""
    return f"{moment(number * DAY_US):%Y-%m-%d}"


def hour_name(number: int) -> str:
    """Return the moment of an hour counted from 1970."""
    return f"{moment(number * HOUR_US):%Y-%m-%dT%H:00Z}"


def whole(value: Any) -> int:
    """Return a sum that the database gave, 0 for that of nothing."""
    return int(value or 0)


def _first(log: EventLog, tenant: str) -> datetime | None:
    query = select(func.min(LOG.c.at_us)).where(LOG.c.tenant == tenant)
    at_us = log.read(lambda connection: connection.execute(query).scalar())
    return None if at_us is None else moment(int(at_us))
