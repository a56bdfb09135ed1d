"""Whose requests are counted, and from when to when."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from pointsman.budget.books import microseconds, moment
from pointsman.budget.windows import utc
from pointsman.errors import InvalidInput
from pointsman.store.events import EventLog
from pointsman.store.tables import LOG

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
_AGO: Final = re.compile(r"(\d{1,9})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


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


def parse_moment(words: str, now: datetime, field: str) -> datetime:
    """Return the moment that "2026-11-21", "2026-11-21T12:00+01:00" (UTC without a zone) or "7d", "24h", "30m" name.

    Raises:
        InvalidInput: it names none; `field` is named in the message.
    """
    ago = _AGO.fullmatch(words.strip())
    try:
        if ago:
            return utc(now) - int(ago[1]) * _UNITS[ago[2]]
        found = datetime.fromisoformat(words.strip())
        return utc(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field} is {words!r:.80}; expected a day (2026-11-21), a moment (2026-11-21T12:00Z), or a time before "
            "the present (30m, 24h, 7d).",
            field=field,
        ) from None
