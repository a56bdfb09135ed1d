"""Where operations wait: whatever is there when the database is free becomes one transaction.

A commit costs a flush to the disk, whatever its size. So callers queue, a worker takes the lock, applies all that wait
in their order, and answers each only after the commit. An operation that is refused changes nothing, and doesn't touch
its neighbours. One that nobody waits for, such as a bill behind an answer, goes along with the next hold.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from pointsman.budget.operations import Operation
from pointsman.errors import LedgerUnavailable
from pointsman.store.backend import Backend, Failpoint, no_failpoint
from pointsman.store.worker import Answer, Expire, Ticket, Worker


@dataclass(slots=True, frozen=True)
class Writing:
    """How a ledger writes: at most `group` operations a commit (1: no group commit), `queue` waiting.

    `connections` write at once; None: as many as suit the database, which is one for SQLite.
    """

    group: int = 256
    queue: int = 10_000
    connections: int | None = None
    failpoint: Failpoint = no_failpoint


BY_DEFAULT: Final = Writing()


class Writer:
    """Applies operations in the order in which they came; `clock_us` says when (microseconds since 1970, UTC).

    With several connections, one flushes while another works; only operations that don't wait for each other's answers
    may then change places.
    """

    def __init__(
        self,
        connect: Callable[[], Backend],
        clock_us: Callable[[], int],
        writing: Writing = BY_DEFAULT,
    ) -> None:
        self._writing = writing
        self._waiting: deque[Ticket] = deque()
        self._condition = threading.Condition()
        self._is_pressed = False
        self._is_closing = False
        self._process = os.getpid()
        count = writing.connections or 1
        self._workers = [Worker(self, connect, clock_us, writing.failpoint) for _ in range(count)]
        self._threads = [
            threading.Thread(target=one.run, name="pointsman-ledger", daemon=True) for one in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, operation: Operation | Expire, *, may_wait: bool = False) -> "Future[Answer]":
        """Queue the operation; the future answers after its commit. Cancelling works until its transaction begins.

        One that `may_wait` goes along with the next that may not; `press` ends the waiting.

        Raises:
            LedgerUnavailable: too many wait, the ledger is closed, or this process is a fork of the one that opened it.
        """
        if os.getpid() != self._process:
            raise LedgerUnavailable("the ledger was opened before the process forked; open it in each process.")
        future: Future[Answer] = Future()
        with self._condition:
            if self._is_closing:
                raise LedgerUnavailable("the ledger is closed.")
            if len(self._waiting) >= self._writing.queue:
                raise LedgerUnavailable(f"{len(self._waiting):,} operations wait for the database; try again later.")
            self._waiting.append(Ticket(operation, future))
            if not may_wait:
                self._is_pressed = True
                self._condition.notify()
        return future

    def press(self) -> None:
        """Let nothing wait for company any longer."""
        with self._condition:
            if self._waiting:
                self._is_pressed = True
                self._condition.notify()

    def close(self, timeout_s: float = 10) -> None:
        """Finish what waits, then let go of the database."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def is_due(self) -> bool:
        """Wait for a ticket; return False where there is none and will be none."""
        with self._condition:
            while not (self._waiting and self._is_pressed) and not self._is_closing:
                self._condition.wait()
            return bool(self._waiting)

    def take(self) -> list[Ticket]:
        """Return the next group; what was cancelled before isn't in it."""
        with self._condition:
            count = min(len(self._waiting), self._writing.group)
            taken = [self._waiting.popleft() for _ in range(count)]
            self._is_pressed = bool(self._waiting)
        return [ticket for ticket in taken if ticket.future.set_running_or_notify_cancel()]

    def forget_cancelled(self) -> None:
        """Drop what was cancelled."""
        with self._condition:
            self._waiting = deque(ticket for ticket in self._waiting if not ticket.future.cancelled())
