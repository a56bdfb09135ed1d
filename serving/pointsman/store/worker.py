"""One thread that writes: it takes what waits, makes it one transaction, and answers after the commit."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pointsman.budget.books import Books
from pointsman.budget.operations import Lapse, Operation, Resume, Stop, accounts_of
from pointsman.errors import LedgerUnavailable, PointsmanError
from pointsman.store.backend import Backend, Busy, Failpoint, Gone, Refused

Answer = Any
MOST_RACES: Final = 8
RETRY_AFTER_S: Final = 2
EXPIRED_AT_ONCE: Final = 1000


@dataclass(slots=True, frozen=True)
class Expire:
    """Presume the open holds that are past their expiry, some at a time; answers how many."""


@dataclass(slots=True, frozen=True)
class Ticket:
    """An operation that waits, and where its answer goes."""

    operation: Operation | Expire
    future: "Future[Answer]"


class Waiting(Protocol):
    """Where a worker finds its tickets."""

    def is_due(self) -> bool:
        """Wait for a ticket; return False where there is none and will be none."""
        ...

    def take(self) -> list[Ticket]:
        """Return the next group; what was cancelled before isn't in it."""
        ...

    def forget_cancelled(self) -> None:
        """Drop what was cancelled."""
        ...


class Worker:
    """Writes on one connection, which it opens when needed and again after it was lost."""

    def __init__(
        self, waiting: Waiting, connect: Callable[[], Backend], clock_us: Callable[[], int], failpoint: Failpoint
    ) -> None:
        self._waiting = waiting
        self._connect = connect
        self._clock_us = clock_us
        self._failpoint = failpoint
        self._backend: Backend | None = None

    def run(self) -> None:
        """Work until there is nothing left and nothing to come."""
        while self._waiting.is_due():
            try:
                backend = self._begin()
            except Busy:
                self._waiting.forget_cancelled()
            except (Gone, OSError) as error:
                self._fail(self._waiting.take(), error)
            else:
                self._write(backend, self._waiting.take())
        if self._backend is not None:
            self._backend.close()

    def _begin(self) -> Backend:
        if self._backend is None:
            self._backend = self._connect()
        self._backend.begin()
        self._failpoint("begun")
        return self._backend

    def _fail(self, tickets: Sequence[Ticket], cause: Exception) -> None:
        """Answer that the database can't be used, and connect anew for the next group."""
        if self._backend is not None:
            self._backend.rollback()
            self._backend.close()
            self._backend = None
        for ticket in tickets:
            ticket.future.set_exception(_unavailable(cause))

    def _write(self, backend: Backend, tickets: Sequence[Ticket]) -> None:
        """Write the group whose transaction has begun; where a row is refused, each operation on its own."""
        if not tickets:
            backend.rollback()
            return
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

    def _write_one_by_one(self, backend: Backend, tickets: Sequence[Ticket], refusal: Refused) -> None:
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
        failpoint, now_us = self._failpoint, self._clock_us()
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


def _answer(tickets: Sequence[Ticket], answers: Sequence[Answer]) -> None:
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
