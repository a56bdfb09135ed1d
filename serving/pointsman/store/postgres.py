"""The ledger's writer on PostgreSQL.

Rows are locked in one order, holds before counters, so that replicas don't deadlock. A group of operations is a handful
of statements whatever its size: rows travel as one JSON text, which psycopg encodes faster than arrays.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import psycopg
from psycopg import errors

from pointsman.budget.books import Account, Books, Counter, FreezeRow, HoldRow, Payer
from pointsman.store.backend import Busy, Failpoint, Gone, Refused
from pointsman.store.rows import (
    CHANGING_COLUMNS,
    COUNTED_COLUMNS,
    ENTRY_COLUMNS,
    HOLD_COLUMNS,
    changes_of,
    counted,
    counters_of,
    hold_of,
    values_of,
)

LOCK_TIMEOUT_MS: Final = 1000
STATEMENT_TIMEOUT_MS: Final = 2000
_OPTIONS: Final = (
    f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} "
    "-c idle_in_transaction_session_timeout=10000 -c synchronous_commit=on "
    "-c default_transaction_isolation=read\\ committed "
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
)
"""Every statement finds rows by their primary key; without statistics, the planner would read whole tables for it."""
_KINDS: Final = {"step": "int2"}
_LOST_RACE: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.UniqueViolation,
)


def _rows_of(columns: Sequence[str]) -> str:
    """Return the table expression of rows that come as one JSON text."""
    counts = ("_us", "nanousd", "_tokens")
    kinds = (f"{name} {_KINDS.get(name, 'int8' if name.endswith(counts) else 'text')}" for name in columns)
    return f"json_to_recordset(%s::json) AS n ({', '.join(kinds)})"


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {_rows_of(columns)}"


def _update(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    return (
        f"UPDATE {table} SET {', '.join(f'{name} = n.{name}' for name in columns)} FROM {_rows_of((*columns, *key))} "
        f"WHERE {' AND '.join(f'{table}.{name} = n.{name}' for name in key)}"
    )


_ACCOUNT: Final = ("owner", "scope", "window_id")
_EVENT: Final = ("kind", "owner", "scope", "at_us", "detail")
_FREEZE: Final = ("owner", "scope", "since_us", "reason")
_CHANGED_HOLD: Final = (*CHANGING_COLUMNS, "hold_id")
_COUNTED: Final = (*COUNTED_COLUMNS, *_ACCOUNT)
_ADD_HOLDS: Final = _insert("holds", HOLD_COLUMNS)
_ADD_ENTRIES: Final = _insert("ledger_entries", ENTRY_COLUMNS)
_ADD_EVENTS: Final = _insert("ledger_events", _EVENT)
_ADD_FREEZES: Final = _insert("freezes", _FREEZE) + " ON CONFLICT (owner, scope) DO NOTHING"
_CHANGE_HOLDS: Final = _update("holds", CHANGING_COLUMNS, ("hold_id",))
_SET_COUNTERS: Final = _update("counters", COUNTED_COLUMNS, _ACCOUNT)
_FIND_HOLDS: Final = (
    f"SELECT {', '.join(HOLD_COLUMNS)} FROM holds WHERE hold_id IN (SELECT json_array_elements_text(%s::json)) "
    "ORDER BY hold_id FOR UPDATE"
)
_FIND_COUNTERS: Final = (
    f"SELECT {', '.join((*_ACCOUNT, *COUNTED_COLUMNS))} FROM counters WHERE (owner, scope, window_id) IN "
    f"(SELECT {', '.join(_ACCOUNT)} FROM {_rows_of(_ACCOUNT)}) ORDER BY owner, scope, window_id FOR UPDATE"
)
_ADD_COUNTERS: Final = (
    f"INSERT INTO counters ({', '.join((*_ACCOUNT, *COUNTED_COLUMNS))}) "
    f"SELECT {', '.join(_ACCOUNT)}, 0, 0, 0, 0, 0, 0 FROM {_rows_of(_ACCOUNT)} ON CONFLICT DO NOTHING"
)
_FIND_DUE: Final = (
    "SELECT hold_id FROM holds WHERE state = 'open' AND expires_us <= %s ORDER BY expires_us, hold_id LIMIT %s"
)


class PostgresBackend:
    """The one connection of a process that writes to the ledger; connects again after it was lost."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.Connection[Any] | None = None
        self._connected()

    def begin(self) -> None:
        """Make sure that there is a connection; the transaction begins with the first statement."""
        self._connected()

    def holds(self, hold_ids: Iterable[str]) -> dict[str, HoldRow]:
        """Return the holds that exist, locked in the order of their ids."""
        return {row[0]: hold_of(row) for row in self._rows(_FIND_HOLDS, [_json(sorted(hold_ids))])}

    def counters(self, accounts: Iterable[Account]) -> dict[Account, Counter]:
        """Return the counters, locked in the order of their keys; missing ones are added."""
        ordered = sorted(accounts)
        if not ordered:
            return {}
        found = counters_of(self._rows(_FIND_COUNTERS, [_table(_ACCOUNT, ordered)]))
        missing = [account for account in ordered if account not in found]
        if missing:
            self._run(_ADD_COUNTERS, _ACCOUNT, missing)
            found |= counters_of(self._rows(_FIND_COUNTERS, [_table(_ACCOUNT, missing)]))
        return found

    def freezes(self) -> dict[Payer, FreezeRow]:
        """Return all payers that are stopped."""
        rows = self._rows("SELECT owner, scope, since_us, reason FROM freezes", [])
        return {Payer(*row[:2]): FreezeRow(*row[2:]) for row in rows}

    def due(self, now_us: int, at_most: int) -> list[str]:
        """Return open holds past their expiry, not locked: `holds` locks them in its order."""
        return [row[0] for row in self._rows(_FIND_DUE, [now_us, at_most])]

    def write(self, books: Books, failpoint: Failpoint) -> None:
        """Write what changed; the statements travel together."""
        with _translated(), self._connected().pipeline():
            self._write(books, failpoint)

    def _write(self, books: Books, failpoint: Failpoint) -> None:
        self._run(_ADD_HOLDS, HOLD_COLUMNS, sorted(map(values_of, books.opened)))
        self._run(_CHANGE_HOLDS, _CHANGED_HOLD, list(changes_of(books)))
        failpoint("holds_written")
        self._run(_ADD_ENTRIES, ENTRY_COLUMNS, books.entries)
        failpoint("entries_written")
        self._run(_SET_COUNTERS, _COUNTED, list(counted(books)))
        if books.events or books.thawed or books.frozen:
            for payer in sorted(books.thawed):
                self._connected().execute("DELETE FROM freezes WHERE owner = %s AND scope = %s", payer)
            rows = [(*payer, *freeze) for payer, freeze in sorted(books.frozen.items())]
            self._run(_ADD_FREEZES, _FREEZE, rows)
            self._run(_ADD_EVENTS, _EVENT, books.events)

    def commit(self) -> None:
        """Commit, which returns when the log is on the disk."""
        with _translated():
            self._connected().commit()

    def rollback(self) -> None:
        """Undo what was begun; a broken connection is dropped, which undoes it as well."""
        if self._connection is None:
            return
        try:
            self._connection.rollback()
        except psycopg.Error:
            self._drop()
        else:
            if self._connection.broken:
                self._drop()

    def close(self) -> None:
        """Close the connection."""
        self._drop()

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is not None and not self._connection.closed:
            return self._connection
        with _translated():
            self._connection = psycopg.connect(
                self._conninfo,
                connect_timeout=2,
                options=_OPTIONS,
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        with _translated():
            return self._connected().execute(statement.encode(), parameters, prepare=True).fetchall()

    def _run(self, statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with _translated():
                self._connected().execute(statement.encode(), [_table(columns, rows)], prepare=True)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return _json([dict(zip(columns, row, strict=True)) for row in rows])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn PostgreSQL's errors into the writer's."""
    try:
        yield
    except _LOST_RACE as error:
        raise Busy(str(error)) from error
    except (errors.IntegrityError, errors.RaiseException) as error:
        raise Refused(str(error)) from error
    except psycopg.Error as error:
        raise Gone(str(error).strip().split("\n")[0]) from error
