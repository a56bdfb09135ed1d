"""Limits that were set while running, with the history of who changed what, when and why."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from pointsman.budget import Limit, Scope, Unit, Window, parse_scope, parse_window
from pointsman.budget.books import microseconds, moment
from pointsman.budget.ledger import check_key, check_words
from pointsman.budget.windows import utc
from pointsman.store.database import Database
from pointsman.store.tables import LIMIT_CHANGES


class LimitChange(msgspec.Struct, frozen=True):
    """One line of the history; `amount` is None where the limit was removed."""

    number: int
    tenant: str
    scope: Scope
    window: Window
    unit: Unit
    amount: int | None
    at: datetime
    changed_by: str
    reason: str


class StoredLimits:
    """The limits of each tenant: the last change of a scope, window and unit counts. Nothing is forgotten.

    Everything raises LedgerUnavailable where the database can't be used.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def put(self, limit: Limit, *, changed_by: str, tenant: str = "default") -> bool:
        """Set the limit; return whether that changed it.

        Raises:
            InvalidBudget: a tenant or a name that can't be stored.
        """
        return self._change(limit.scope, limit.window, limit.unit, limit.amount, (tenant, changed_by, limit.reason))

    def remove(
        self, scope: Scope, window: Window, unit: Unit = "nanousd", *, changed_by: str, tenant: str = "default"
    ) -> bool:
        """Remove the limit; return whether there was one.

        Raises:
            InvalidBudget: as `put`.
        """
        return self._change(scope, window, unit, None, (tenant, changed_by, ""))

    def limits(self, tenant: str = "default") -> tuple[Limit, ...]:
        """Return the limits of the tenant, in the order of their scopes."""
        rows = self._database.read(lambda connection: _present(connection, tenant))
        return tuple(
            sorted(
                Limit(change.scope, change.window, change.amount, change.unit, change.reason)
                for change in map(_change_of, rows)
                if change.amount is not None
            )
        )

    def history(self, tenant: str = "default", after: int = 0) -> list[LimitChange]:
        """Return the changes in order, at most 1,000 after the numbered one."""
        columns = LIMIT_CHANGES.c
        query = select(LIMIT_CHANGES).where(columns.tenant == tenant, columns.number > after)
        ordered = query.order_by(columns.number).limit(1000)
        rows = self._database.read(lambda connection: connection.execute(ordered).fetchall())
        return [_change_of(row) for row in rows]

    def _change(
        self, scope: Scope, window: Window, unit: Unit, amount: int | None, about: tuple[str, str, str]
    ) -> bool:
        tenant, changed_by, reason = about
        check_key("tenant", tenant)
        check_key("changed_by", changed_by)
        if reason:
            check_words("reason", reason)
        row = {"tenant": tenant, "scope": str(scope), "window": window, "unit": unit, "amount": amount}
        row |= {"at_us": microseconds(utc(self._clock())), "changed_by": changed_by, "reason": reason}

        def write(connection: Connection) -> bool:
            present = {(one.scope, one.window, one.unit): one.amount for one in _present(connection, tenant)}
            if present.get((str(scope), window, unit)) == amount:
                return False
            connection.execute(LIMIT_CHANGES.insert().values(row))
            return True

        return self._database.administer(write)


def _present(connection: Connection, tenant: str) -> list[Any]:
    columns = LIMIT_CHANGES.c
    last = select(func.max(columns.number)).where(columns.tenant == tenant)
    last = last.group_by(columns.scope, columns.window, columns.unit)
    return list(connection.execute(select(LIMIT_CHANGES).where(columns.number.in_(last))))


def _change_of(row: Any) -> LimitChange:
    return LimitChange(
        row.number,
        row.tenant,
        parse_scope(row.scope),
        parse_window(row.window),
        row.unit,
        row.amount,
        moment(row.at_us),
        row.changed_by,
        row.reason,
    )
