"""Writes events in a thread of its own, many in one transaction."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from pointsman.errors import LedgerUnavailable
from pointsman.events import Event
from pointsman.settings import StoredText
from pointsman.store.database import Database
from pointsman.store.event_rows import COLUMNS, row_of, stored_text

FLUSH_S: Final = 0.25
BATCH: Final = 500
ROOM: Final = 10_000
"""Events that wait at most: some 38 MB of those with 53 features and ten predicted qualities (tracemalloc)."""

ROOM_FOR_TEXT: Final = 16 << 20
"""Characters of text that wait at most; a text that comes then is left out of its event."""

_SLICE: Final = 20
_WAITS_S: Final = (0.1, 0.5, 2.0, 5.0)
_LAST_TRIES_S: Final = 5.0
_REFUSALS: Final = (DataError, IntegrityError, ProgrammingError)
_LOG: Final = logging.getLogger("pointsman.events")


class EventWriter:
    """A queue of events and the thread that empties it into the database.

    What the database refuses is counted as lost; while it can't be used, events wait, up to `room`.
    """

    def __init__(self, database: Database, text: StoredText, *, room: int = ROOM, flush_s: float = FLUSH_S) -> None:
        self._database = database
        self._text = text
        self._room = room
        self._flush_s = flush_s
        self._waiting: deque[Event] = deque()
        self._characters_in = self._characters_out = 0
        self._overflow = self._refused = self._told = 0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._waits = _Waits(self._closing)
        self._flushes: deque[threading.Event] = deque()
        self._thread = threading.Thread(target=self._run, name="pointsman-events", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many events were not written: the queue was full, or the database refused them."""
        return self._overflow + self._refused

    @property
    def waiting(self) -> int:
        """How many events wait to be written, those of the present transaction left out."""
        return len(self._waiting)

    def add(self, event: Event) -> None:
        """Queue an event: a few operations of a deque, no lock that a writer holds, no encoding. Never raises."""
        if len(self._waiting) >= self._room or self._closing.is_set():
            self._overflow += 1
            return
        self._waiting.append(event if event.text is None else self._with_room(event, event.text))
        if len(self._waiting) == BATCH:
            self._wake.set()

    def _with_room(self, event: Event, text: str) -> Event:
        is_full = self._characters_in - self._characters_out + len(text) > ROOM_FOR_TEXT
        if is_full or self._text == "none":
            return msgspec.structs.replace(event, text=None)
        self._characters_in += len(text)
        return event

    def flush(self, timeout_s: float) -> None:
        """Return when all that was added before is written.

        Raises:
            LedgerUnavailable: it wasn't in time; the events still wait.
        """
        done = threading.Event()
        self._flushes.append(done)
        self._wake.set()
        if not self._thread.is_alive() and not self._waiting:
            return
        if not done.wait(timeout_s):
            raise LedgerUnavailable(f"the log has {self.waiting:,} events that wait for the database. Try again.")

    def close(self) -> None:
        """Write what waits, for at most some seconds where the database can't be used, and stop."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:  # a defect: what comes is counted as lost rather than kept for nobody
            self._closing.set()
            raise

    def _work(self) -> None:
        while True:
            self._wake.wait(self._flush_s)
            self._wake.clear()
            is_last = self._closing.is_set()
            flushes = list(self._flushes)
            while self._waiting:
                self._write(self._taken())
            for done in flushes:
                self._flushes.popleft()
                done.set()
            self._tell()
            if is_last:
                return

    def _taken(self) -> list[tuple[Any, ...]]:
        """Return the rows of the next batch, encoded a few at a time so that others get the interpreter between."""
        rows = []
        for number in range(min(BATCH, len(self._waiting))):
            if number % _SLICE == 0:
                time.sleep(0)
            event = self._waiting.popleft()
            try:
                rows.append(row_of(event, self._stored(event.text)))
            except (ValueError, TypeError, AttributeError) as error:
                self._refused += 1
                _LOG.error("an event of kind %.40s can't be stored: %s", event.kind, type(error).__name__)
        return rows

    def _stored(self, text: str | None) -> str | None:
        if text is None:
            return None
        self._characters_out += len(text)
        return stored_text(text, self._text)

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows in one transaction; where the database refuses one, each by itself."""
        try:
            self._insist(rows)
        except LedgerUnavailable as error:
            if len(rows) > 1 and isinstance(error.__cause__, _REFUSALS):
                for row in rows:
                    self._write([row])
                return
            self._refused += len(rows)
            cause = type(error.__cause__).__name__
            _LOG.error("%d events couldn't be written to %s: %s", len(rows), self._database.name, cause)

    def _insist(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows, again and again while the database can't be used; after `close` only for some seconds."""
        tries = 0
        while True:
            try:
                return self._database.administer(lambda connection: insert(connection, rows))
            except LedgerUnavailable as error:
                tries += 1
                if isinstance(error.__cause__, _REFUSALS) or not self._waits.wait(tries):
                    raise
                _LOG.warning("the log's database can't be used; %d events wait: %s", self.waiting, error)
                self._tell()

    def _tell(self) -> None:
        if self._overflow > self._told:
            more, self._told = self._overflow - self._told, self._overflow
            _LOG.error("%d events were lost (%d in all): the log's queue is full", more, self.lost)


class _Waits:
    """Waits longer and longer between tries; once closing, some seconds for everything that is left."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._end: float | None = None

    def wait(self, tries: int) -> bool:
        """Wait after so many tries; return False where there shall be no other."""
        delay = _WAITS_S[min(tries, len(_WAITS_S)) - 1]
        if not self._closing.wait(delay):
            return True
        now = time.monotonic()
        if self._end is None:
            self._end = now + _LAST_TRIES_S
        time.sleep(_WAITS_S[0])
        return now < self._end


def insert(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add rows of `COLUMNS`; one that is there already, from a commit that nobody heard of, is left alone."""
    if not rows:
        return
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    marks = ", ".join([mark] * len(COLUMNS))
    place = "(tenant, decision_id, at_us)"
    connection.exec_driver_sql(
        f"INSERT INTO events ({names}) VALUES ({marks}) ON CONFLICT {place} DO NOTHING", list(rows)
    )
