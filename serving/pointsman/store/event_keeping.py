"""What is done to the log besides adding: lines expire, users are erased, statistics begin anew; marks say so."""

from typing import Final, cast

from sqlalchemy import Connection, CursorResult, delete, insert, literal, select, update

from pointsman.store.database import Database
from pointsman.store.tables import LOG, LOG_MARKS

ALL_TENANTS: Final = ""
AT_ONCE: Final = 2_000
"""Lines that are deleted in one transaction, so that writers never wait long."""


def add_mark(
    connection: Connection, kind: str, tenant: str, at_us: int, *, made_by: str, before_us: int | None = None,
    reason: str = "",
) -> None:  # fmt: skip
    """Write down what is done to the log, and by whom."""
    row = {"tenant": tenant, "kind": kind, "at_us": at_us, "before_us": before_us, "made_by": made_by, "reason": reason}
    connection.execute(insert(LOG_MARKS).values(row))


def delete_before(database: Database, before_us: int, at_us: int, made_by: str) -> int:
    """Delete the lines of all tenants from before the moment, after a mark that lets the triggers do it."""
    is_due = LOG.c.at_us < before_us
    if (
        database.read(lambda connection: connection.execute(select(LOG.c.number).where(is_due).limit(1)).first())
        is None
    ):
        return 0
    database.administer(
        lambda connection: add_mark(connection, "expired", ALL_TENANTS, at_us, made_by=made_by, before_us=before_us)
    )
    some = delete(LOG).where(LOG.c.number.in_(select(LOG.c.number).where(is_due).limit(AT_ONCE)))
    total = 0
    while True:
        count = database.administer(lambda connection: _count(connection.execute(some)))
        total += count
        if count < AT_ONCE:
            return total


def erase_user(database: Database, tenant: str, user: str, at_us: int, made_by: str) -> int:
    """Take out of the lines of a user who that was; money, tokens and times stay."""

    def erased(connection: Connection) -> int:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        nothing = dict.fromkeys(("user", "key", "agent", "tags", "text", "features"))
        change = update(LOG).where(LOG.c.tenant == tenant, LOG.c.user == user)
        unlinked = literal("erased:").concat(LOG.c.number)
        count = _count(connection.execute(change.values(decision_id=unlinked, **nothing)))
        if count:
            add_mark(connection, "erased", tenant, at_us, made_by=made_by)
        return count

    return database.administer(erased)


def last_reset(connection: Connection, tenant: str) -> int | None:
    """Return the moment of the tenant's last reset."""
    marks = LOG_MARKS.c
    query = select(marks.at_us).where(marks.kind == "reset", marks.tenant == tenant).order_by(marks.number.desc())
    return connection.execute(query.limit(1)).scalar()


def _count(result: object) -> int:
    return int(cast("CursorResult[object]", result).rowcount)
