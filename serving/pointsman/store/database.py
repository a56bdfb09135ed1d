"""One database: how to read it, how to administer it, and the backend that the writer uses."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pointsman.errors import InvalidInput, LedgerUnavailable, MissingExtra
from pointsman.store import sqlite
from pointsman.store.backend import Backend

T = TypeVar("T")
FORMS: Final = "sqlite:///pointsman.db or postgresql://user@host/database"
PG_CONNECTIONS: Final = 2
READ_TIMEOUT_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Database:
    """A database that answers; `connect` opens one of the `connections` that write holds and entries."""

    name: str
    reading: Engine
    administering: Engine
    exclusive: Callable[[], AbstractContextManager[None]]
    connect: Callable[[], Backend]
    connections: int

    @property
    def is_embedded(self) -> bool:
        """Whether it is a file of this machine."""
        return self.reading.dialect.name == "sqlite"

    def read(self, question: Callable[[Connection], T]) -> T:
        """Return what the question finds in one state of the database.

        Raises:
            LedgerUnavailable: the database can't be read.
        """
        try:
            with self.reading.begin() as connection:
                return question(connection)
        except (DBAPIError, PoolTimeout) as error:
            raise self._unusable(error) from error

    def administer(self, change: Callable[[Connection], T]) -> T:
        """Return what the change returns, in one transaction that keeps every other writer out of a SQLite file.

        Raises:
            LedgerUnavailable: the database can't be written.
        """
        try:
            with self.exclusive(), self.administering.begin() as connection:
                return change(connection)
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise self._unusable(error) from error

    def dispose(self) -> None:
        """Close what is open; the last connection to a SQLite file moves its log, and so keeps other writers out."""
        self.reading.dispose()
        with self.exclusive():
            self.administering.dispose()

    def _unusable(self, error: Exception) -> LedgerUnavailable:
        cause = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        return LedgerUnavailable(f"the database {self.name} can't be used: {cause}. Try again.", retry_after_s=2)


def database(url: str) -> Database:
    """Return the database of a URL; nothing is opened yet.

    Raises:
        InvalidInput: not a URL of a SQLite file or a PostgreSQL database.
        MissingExtra: a PostgreSQL URL without psycopg.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(f"the database URL is {url!r:.80}; expected {FORMS}.") from None
    backend = parsed.get_backend_name() if parsed.drivername else ""
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return _sqlite(Path(parsed.database))
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed)
    raise InvalidInput(f"the database URL is {parsed.render_as_string()!r:.80}; expected {FORMS}.")


def _sqlite(path: Path) -> Database:
    def engine(connect: Callable[[Path], Any], begin: str) -> Engine:
        made = create_engine("sqlite://", creator=lambda: connect(path), poolclass=QueuePool, hide_parameters=True)
        event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
        return made

    return Database(
        str(path),
        engine(sqlite.connect_to_read, "BEGIN"),
        engine(sqlite.connect, "BEGIN IMMEDIATE"),
        lambda: sqlite.exclusive(path),
        lambda: sqlite.SqliteBackend(path),
        1,
    )


def _postgresql(url: URL) -> Database:
    try:
        from pointsman.store.postgres import PostgresBackend

        address = url.set(drivername="postgresql+psycopg")
        options = {"options": f"-c statement_timeout={READ_TIMEOUT_MS}", "connect_timeout": 2}
        engine = create_engine(address, pool_pre_ping=True, connect_args=options, hide_parameters=True)
    except (ImportError, NoSuchModuleError):
        raise MissingExtra("A PostgreSQL ledger", "postgres") from None
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    name, alone = url.render_as_string(), contextlib.nullcontext
    return Database(name, engine, engine, alone, lambda: PostgresBackend(conninfo), PG_CONNECTIONS)
