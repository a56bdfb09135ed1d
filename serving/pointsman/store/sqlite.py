"""The ledger's writer on SQLite: one connection, durable at every commit, alone while it writes.

Writers of all processes queue at a lock file for the whole transaction, the checkpoint after it included. That is
fairer than SQLite's own waiting, which polls; and it keeps versions before 3.51.3 clear of their WAL-reset bug
(sqlite.org/wal.html#walresetbug), which needs one connection to commit while another one checkpoints.
"""

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pointsman.budget.books import Account, Books, Counter, FreezeRow, HoldRow, Payer
from pointsman.store.backend import Busy, Failpoint, Gone, Refused
from pointsman.store.rows import (
    CHANGING_COLUMNS,
    COUNTED_COLUMNS,
    ENTRY_COLUMNS,
    HOLD_COLUMNS,
    changes_of,
    counted,
    hold_of,
    values_of,
)

if sys.platform != "win32":
    import fcntl

WAL_RESET_FIXED: Final = (3, 51, 3)
BUSY_MS: Final = 500
_MANY_COUNTERS: Final = 4096


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_ADD_HOLD: Final = _insert("holds", HOLD_COLUMNS)
_ADD_ENTRY: Final = _insert("ledger_entries", ENTRY_COLUMNS)
_ADD_EVENT: Final = _insert("ledger_events", ("kind", "owner", "scope", "at_us", "detail"))
_ADD_FREEZE: Final = _insert("freezes", ("owner", "scope", "since_us", "reason"))
_CHANGE_HOLD: Final = f"UPDATE holds SET {', '.join(f'{name} = ?' for name in CHANGING_COLUMNS)} WHERE hold_id = ?"
_SET_COUNTER: Final = (
    _insert("counters", (*COUNTED_COLUMNS, "owner", "scope", "window_id"))
    + " ON CONFLICT (owner, scope, window_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COUNTED_COLUMNS)
)
_FIND_HOLD: Final = f"SELECT {', '.join(HOLD_COLUMNS)} FROM holds WHERE hold_id = ?"
_FIND_COUNTER: Final = (
    f"SELECT {', '.join(COUNTED_COLUMNS)} FROM counters WHERE owner = ? AND scope = ? AND window_id = ?"
)
_FIND_DUE: Final = (
    "SELECT hold_id FROM holds WHERE state = 'open' AND expires_us <= ? ORDER BY expires_us, hold_id LIMIT ?"
)


class SqliteBackend:
    """The one connection of a process that writes to the file; made, and used, by the writer's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated(), exclusive(path):
            self._connection = connect(path)
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._file = _identity(path)
        self._counters: dict[Account, Counter] = {}
        self._version: int | None = None

    def begin(self) -> None:
        """Wait for the lock file, then take SQLite's write lock.

        Raises:
            Busy: a program that doesn't know the lock file is writing.
            Gone: the file was deleted or replaced, so that what is written would be lost.
        """
        self._acquire()
        try:
            if _identity(self._path) != self._file:
                raise Gone(f"{self._path} was deleted or replaced while it was open; restart to open the new file")
            with _translated():
                self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._release()
            raise

    def holds(self, hold_ids: Iterable[str]) -> dict[str, HoldRow]:
        """Return the holds that exist."""
        execute = self._connection.execute
        with _translated():
            found = (execute(_FIND_HOLD, (hold_id,)).fetchone() for hold_id in hold_ids)
            return {row[0]: hold_of(row) for row in found if row is not None}

    def counters(self, accounts: Iterable[Account]) -> dict[Account, Counter]:
        """Return the counters that exist: those read or written before, while nobody else has written since."""
        execute, known = self._connection.execute, self._known()
        with _translated():
            for account in accounts:
                if account not in known and (row := execute(_FIND_COUNTER, account).fetchone()) is not None:
                    known[account] = Counter(row[:3], row[3:])
        return {account: known[account] for account in accounts if account in known}

    def _known(self) -> dict[Account, Counter]:
        """Return the counters that are in memory as they are in the file.

        SQLite's data_version changes with every commit of another connection, and with none of this one.
        """
        with _translated():
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._counters) > _MANY_COUNTERS:
            self._version, self._counters = version, {}
        return self._counters

    def freezes(self) -> dict[Payer, FreezeRow]:
        """Return all payers that are stopped."""
        with _translated():
            rows = self._connection.execute("SELECT owner, scope, since_us, reason FROM freezes").fetchall()
        return {Payer(*row[:2]): FreezeRow(*row[2:]) for row in rows}

    def due(self, now_us: int, at_most: int) -> list[str]:
        """Return open holds past their expiry, the longest overdue first."""
        with _translated():
            return [row[0] for row in self._connection.execute(_FIND_DUE, (now_us, at_most))]

    def write(self, books: Books, failpoint: Failpoint) -> None:
        """Write what changed."""
        many = self._connection.executemany
        with _translated():
            many(_ADD_HOLD, map(values_of, books.opened))
            many(_CHANGE_HOLD, changes_of(books))
            failpoint("holds_written")
            many(_ADD_ENTRY, books.entries)
            failpoint("entries_written")
            many(_SET_COUNTER, counted(books))
            if books.events or books.thawed or books.frozen:
                many("DELETE FROM freezes WHERE owner = ? AND scope = ?", books.thawed)
                many(_ADD_FREEZE, [(*payer, *freeze) for payer, freeze in books.frozen.items()])
                many(_ADD_EVENT, books.events)
        self._counters |= {account: books.counters[account] for account in books.touched}

    def commit(self) -> None:
        """Commit, which returns when the log is on the disk; then let the next writer in."""
        with _translated():
            self._connection.execute("COMMIT")
        self._release()

    def rollback(self) -> None:
        """Undo what was begun. SQLite itself rolls back where the disk is full."""
        self._version = None
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._release()

    def close(self) -> None:
        """Close; the last connection moves the log into the file, which is writing, and so waits its turn."""
        self._acquire()
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._release()
        os.close(self._lock)

    def _acquire(self) -> None:
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _release(self) -> None:
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_UN)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep every writer of every process out while the block runs."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that writes durably; use it only within `exclusive`."""
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    can_lock = sys.platform != "win32"
    mode = "WAL" if can_lock or sqlite3.sqlite_version_info >= WAL_RESET_FIXED else "TRUNCATE"
    for pragma in (f"journal_mode={mode}", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that can't write, and so never checkpoints."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into the writer's."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Refused(str(error)) from error
    except (sqlite3.Error, OSError, OverflowError) as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Busy(str(error)) from error
        raise Gone(str(error)) from error
