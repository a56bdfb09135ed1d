"""Outcomes that callers reported, and alerts that were told: each is written once, whoever writes it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, select

from pointsman.budget.alerts import Alert
from pointsman.budget.books import microseconds
from pointsman.budget.windows import utc
from pointsman.store.database import Database
from pointsman.store.tables import ALERTS, OUTCOMES

AT_ONCE: Final = 1000


class StoredOutcomes:
    """What was reported about decisions, as JSON. Raises LedgerUnavailable where the database can't be used."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, decision_id: str, digest: str, body: str, *, tenant: str = "default") -> bool:
        """Keep a report; return False where the same one (by its digest) is kept already."""
        row: dict[str, object] = {"tenant": tenant, "decision_id": decision_id, "digest": digest, "body": body}
        row |= {"at_us": microseconds(utc(self._clock()))}
        return self._database.administer(lambda connection: _added(connection, OUTCOMES, row))

    def bodies(self, decision_id: str, *, tenant: str = "default") -> list[str]:
        """Return what was reported about a decision, in the order in which it came."""
        columns = OUTCOMES.c
        query = select(columns.body).where(columns.tenant == tenant, columns.decision_id == decision_id)
        ordered = query.order_by(columns.at_us).limit(AT_ONCE)
        return self._database.read(lambda connection: list(connection.execute(ordered).scalars()))


class StoredAlerts:
    """The alerts that were told. Raises LedgerUnavailable where the database can't be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, alert: Alert) -> bool:
        """Keep an alert; return False where it is kept already, so that one of several processes tells it."""
        row = {"alert_id": alert.id, "tenant": alert.tenant, "at_us": microseconds(alert.at), "body": alert.words}
        known = select(ALERTS.c.alert_id).where(ALERTS.c.alert_id == alert.id)
        if self._database.read(lambda connection: connection.execute(known).first()) is not None:
            return False
        return self._database.administer(lambda connection: _added(connection, ALERTS, row))

    def words(self, tenant: str = "default") -> list[str]:
        """Return the last alerts of the tenant, the oldest first."""
        columns = ALERTS.c
        query = select(columns.body).where(columns.tenant == tenant)
        last = query.order_by(columns.at_us.desc(), columns.alert_id.desc()).limit(AT_ONCE)
        return self._database.read(lambda connection: list(connection.execute(last).scalars()))[::-1]


def _added(connection: Connection, table: Table, row: dict[str, object]) -> bool:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    return connection.execute(insert(table).values(row).on_conflict_do_nothing()).rowcount == 1
