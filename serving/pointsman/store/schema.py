"""Brings a database to the schema that this version reads and writes."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from pointsman.errors import LedgerUnavailable

HEAD: Final = "0003"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME: Final = 7_015_742
"""The advisory lock of upgrades, so that two replicas that start together don't both build the tables."""


def revision(connection: Connection) -> str | None:
    """Return the revision that the database is at; None for one without our tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(connection: Connection) -> None:
    """Bring the database to `HEAD` within the connection's transaction; one that is there already is left alone.

    Raises:
        LedgerUnavailable: the database was written by a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
    found = revision(connection)
    if found == HEAD:
        return
    _refuse_newer(found)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Refuse a database that isn't at `HEAD`.

    Raises:
        LedgerUnavailable: it is older, newer or empty; the message says what to run.
    """
    found = revision(connection)
    _refuse_newer(found)
    if found != HEAD:
        state = "has no tables of Pointsman" if found is None else f"is at revision {found}"
        raise LedgerUnavailable(f"the database {state}; expected revision {HEAD}. Run: pointsman db upgrade")


def _refuse_newer(found: str | None) -> None:
    if found is not None and found > HEAD:
        raise LedgerUnavailable(
            f"the database is at revision {found}; this version of Pointsman knows revisions up to {HEAD}. "
            "Install the version that wrote it, or a newer one."
        )
