"""The one thread that writes: whatever is waiting when the database is free becomes one transaction.

A commit costs a flush to the disk, whatever its size. So callers queue, the writer takes the lock, applies all that
wait in their order, and answers each only after the commit. An operation that is refused changes nothing, and doesn't
touch its neighbours.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from pointsman.budget.books import Books
from pointsman.budget.operations import Lapse, Operation, Resume, Stop, accounts_of
from pointsman.errors import LedgerUnavailable, PointsmanError
from pointsman.store.backend import Backend, Busy, Failpoint, Gone, Refused, no_failpoint

Answer = Any
MOST_RACES: Final = 8
RETRY_AFTER_S: Final = 2
EXPIRED_AT_ONCE: Final = 1000


@dataclass(slots=True, frozen=True)
class Expire:
    """Presume the open holds that are past their expiry, some at a time; answers how many."""


@dataclass(slots=True, frozen=True)
class Writing:
    """How a writer works: at most `group` operations a commit (1: no group commit), `queue` waiting."""

    group: int = 256
    queue: int = 10_000
    failpoint: Failpoint = no_failpoint


BY_DEFAULT: Final = Writing()


@dataclass(slots=True)
class _Ticket:
    operation: Operation | Expire
    future: "Future[Answer]"


class Writer:
    """Applies operations in the order in which they came; `clock_us` says when (microseconds since 1970, UTC)."""

    def __init__(
        self, connect: Callable[[], Backend], clock_us: Callable[[], int], writing: Writing = BY_DEFAULT
    ) -> None:
        self._connect = connect
        self._clock_us = clock_us
        self._writing = writing
        self._waiting: deque[_Ticket] = deque()
        self._condition = threading.Condition()
        self._is_closing = False
        self._process = os.getpid()
        self._backend: Backend | None = None
        self._thread = threading.Thread(target=self._run, name="pointsman-ledger", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation | Expire) -> "Future[Answer]":
        """Queue the operation; the future answers after its commit. Cancelling works until its transaction begins.

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
            self._waiting.append(_Ticket(operation, future))
            self._condition.notify()
        return future

    def close(self, timeout_s: float = 10) -> None:
        """Finish what waits, then let go of the database."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_closing:
                    self._condition.wait()
                if not self._waiting:
                    break
            try:
                backend = self._begin()
            except Busy:
                self._forget_cancelled()
                continue
            except Gone as error:
                self._fail(self._take(), error)
                continue
            self._write(backend, self._take())
        if self._backend is not None:
            self._backend.close()

    def _begin(self) -> Backend:
        if self._backend is None:
            self._backend = self._connect()
        self._backend.begin()
        self._writing.failpoint("begun")
        return self._backend

    def _take(self) -> list[_Ticket]:
        with self._condition:
            count = min(len(self._waiting), self._writing.group)
            taken = [self._waiting.popleft() for _ in range(count)]
        return [ticket for ticket in taken if ticket.future.set_running_or_notify_cancel()]

    def _forget_cancelled(self) -> None:
        with self._condition:
            self._waiting = deque(ticket for ticket in self._waiting if not ticket.future.cancelled())

    def _fail(self, tickets: Sequence[_Ticket], cause: Exception) -> None:
        """Answer that the database can't be used, and connect anew for the next group."""
        if self._backend is not None:
            self._backend.rollback()
            self._backend.close()
            self._backend = None
        for ticket in tickets:
            ticket.future.set_exception(_unavailable(cause))

    def _write(self, backend: Backend, tickets: Sequence[_Ticket]) -> None:
        """Write the group whose transaction has begun; where a row is refused, each operation on its own."""
        try:
            answers = self._committed(backend, [ticket.operation for ticket in tickets])
        except Refused as error:
            backend.rollback()
            self._write_one_by_one(backend, tickets, error)
        except (Busy, Gone) as error:
            self._fail(tickets, error)
        except Exception as error:  # a defect: its callers get it as it is, and the thread lives on for others
            backend.rollback()
            for ticket in tickets:
                ticket.future.set_exception(error)
        else:
            _answer(tickets, answers)

    def _write_one_by_one(self, backend: Backend, tickets: Sequence[_Ticket], refusal: Refused) -> None:
        if len(tickets) == 1:
            tickets[0].future.set_exception(_disagreeing(refusal))
            return
        for number, ticket in enumerate(tickets):
            try:
                backend.begin()
            except (Busy, Gone) as error:
                self._fail(tickets[number:], error)
                return
            self._write(backend, [ticket])

    def _committed(self, backend: Backend, operations: Sequence[Operation | Expire]) -> list[Answer]:
        """Return the answers of a group after its commit; begin anew after a lost race, and after one lost connection.

        Where nobody can tell whether a commit was done, doing it again is safe: every operation knows its own traces.
        """
        races = losses = 0
        while True:
            try:
                return self._once(backend, operations)
            except Busy:
                races += 1
                if races == MOST_RACES:
                    raise
            except Gone:
                losses += 1
                if losses > 1:
                    raise
            backend.rollback()
            backend.begin()

    def _once(self, backend: Backend, operations: Sequence[Operation | Expire]) -> list[Answer]:
        failpoint, now_us = self._writing.failpoint, self._clock_us()
        steps = [_steps(backend, operation, now_us) for operation in operations]
        flat = [step for group in steps for step in group]
        holds = backend.holds({step.hold_id for step in flat if not isinstance(step, Stop | Resume)})
        counters = backend.counters(accounts_of(flat, holds, now_us))
        books = Books(holds, counters, backend.freezes())
        failpoint("loaded")
        applied = [[_applied(step, books, now_us) for step in group] for group in steps]
        failpoint("applied")
        if books.is_changed:
            backend.write(books, failpoint)
            failpoint("written")
        backend.commit()
        failpoint("committed")
        return [
            sum(answers) if isinstance(operation, Expire) else answers[0]
            for operation, answers in zip(operations, applied, strict=True)
        ]


def _steps(backend: Backend, operation: Operation | Expire, now_us: int) -> list[Operation]:
    if isinstance(operation, Expire):
        return [Lapse(hold_id) for hold_id in backend.due(now_us, EXPIRED_AT_ONCE)]
    return [operation]


def _applied(step: Operation, books: Books, now_us: int) -> Answer:
    try:
        return step.apply(books, now_us)
    except PointsmanError as refusal:
        return refusal


def _answer(tickets: Sequence[_Ticket], answers: Sequence[Answer]) -> None:
    for ticket, answer in zip(tickets, answers, strict=True):
        if isinstance(answer, PointsmanError):
            ticket.future.set_exception(answer)
        else:
            ticket.future.set_result(answer)


def _unavailable(cause: Exception) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"the ledger's database can't be used: {cause}. Nothing may be sent; repeat the call with the same key.",
        retry_after_s=RETRY_AFTER_S,
    )


def _disagreeing(refusal: Refused) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"the ledger's database refuses the entry: {refusal}. The counters disagree with the entries; "
        "reconcile them before going on.",
        retry_after_s=RETRY_AFTER_S,
    )
