"""Reads of the ledger: what was committed, without waiting for the writer."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, literal, select

from pointsman.budget import Amount, Entry, Event, Freeze, Hold, Scope, Usage, Window, parse_scope, window_id
from pointsman.budget.books import microseconds, moment, owner_of
from pointsman.errors import UnknownHold
from pointsman.store.database import Database
from pointsman.store.rows import HOLD_COLUMNS, hold_of
from pointsman.store.tables import COUNTERS, ENTRIES, EVENTS, FREEZES, HOLDS

AT_ONCE: Final = 1000
MOST_USAGES: Final = 10_000
_HOUR_US: Final = 3_600_000_000
_LASTING: Final[tuple[Window, ...]] = ("day", "month", "total")


class HourCount(NamedTuple):
    """The holds that were opened in one hour (counted from the epoch, UTC), and what they cost, or may where open."""

    hour: int
    tasks: int
    nanousd: int


class Reader:
    """Answers questions about the ledger. Raises LedgerUnavailable where the database can't be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, hold_id: str, tenant: str) -> Hold:
        """Return the hold of the tenant.

        Raises:
            UnknownHold: there is none.
        """
        columns = [HOLDS.c[name] for name in HOLD_COLUMNS]
        rows = self._rows(select(*columns).where(HOLDS.c.hold_id == hold_id, HOLDS.c.tenant == tenant))
        if not rows:
            raise UnknownHold(f"no hold has the id {hold_id!r:.80}; take it from the decision that reserved it.")
        return hold_of(rows[0]).to_hold()

    def usage(self, scope: Scope, window: Window, at: datetime, tenant: str) -> Usage:
        """Return what the scope used in the window of the moment."""
        name, key = window_id(window, at), COUNTERS.c
        rows = self._rows(
            select(*list(key)[3:]).where(
                key.owner == owner_of(tenant, scope), key.scope == str(scope), key.window_id == name
            )
        )
        posted, held = (Amount(*rows[0][:3]), Amount(*rows[0][3:])) if rows else (Amount(0), Amount(0))
        return Usage(scope, name, posted, held)

    def usages(self, at: datetime, tenant: str) -> list[Usage]:
        """Return what all scopes of the tenant, and `global`, used in the windows of the moment."""
        key, windows = COUNTERS.c, [window_id(window, at) for window in _LASTING]
        used = key.posted_nanousd + key.held_nanousd
        query = select(COUNTERS).where(key.owner.in_(("", tenant)), key.window_id.in_(windows))
        rows = self._rows(query.order_by(used.desc(), key.scope, key.window_id).limit(MOST_USAGES))
        return [Usage(parse_scope(row[1]), row[2], Amount(*row[3:6]), Amount(*row[6:9])) for row in rows]

    def traffic(self, scope: Scope, since: datetime, tenant: str) -> list[HourCount]:
        """Return the hours in which holds were opened for the scope."""
        held = HOLDS.c
        hour = (held.opened_us // _HOUR_US).label("hour")
        cost = func.sum(func.coalesce(held.bill_nanousd, held.nanousd))
        query = select(hour, func.count(), cost).where(held.opened_us >= microseconds(since))
        if scope.kind != "global":
            query = query.where(held.tenant == tenant)
        if scope.kind not in ("global", "tenant"):
            lines = literal("\n") + held.scopes + literal("\n")
            query = query.where(lines.contains(f"\n{scope}\n", autoescape=True))
        return [HourCount(int(row[0]), row[1], int(row[2])) for row in self._rows(query.group_by(hour))]

    def entries(self, tenant: str, hold_id: str | None, after: int) -> list[Entry]:
        """Return lines of the tenant in order."""
        column = ENTRIES.c
        query = select(
            *(column.number, column.hold_id, column.tenant, column.kind),
            *(column.nanousd, column.input_tokens, column.output_tokens, column.at_us, column.evidence),
        ).where(column.tenant == tenant, column.number > after)
        if hold_id is not None:
            query = query.where(column.hold_id == hold_id)
        rows = self._rows(query.order_by(column.number).limit(AT_ONCE))
        return [Entry(row[0], row[1], row[2], row[3], Amount(*row[4:7]), moment(row[7]), row[8]) for row in rows]

    def events(self, after: int) -> list[Event]:
        """Return events in order."""
        query = select(EVENTS).where(EVENTS.c.number > after).order_by(EVENTS.c.number).limit(AT_ONCE)
        return [Event(row[0], row[1], row[2], row[3], moment(row[4]), row[5]) for row in self._rows(query)]

    def freezes(self) -> list[Freeze]:
        """Return the scopes that are stopped."""
        rows = self._rows(select(FREEZES).order_by(FREEZES.c.owner, FREEZES.c.scope))
        return [Freeze(row[0], parse_scope(row[1]), moment(row[2]), row[3]) for row in rows]

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        return self._database.read(lambda connection: connection.execute(query).fetchall())


def stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    """Yield the rows of a query of any size."""
    yield from connection.execute(query, execution_options={"yield_per": 5000})
