"""The ledger on a database: writes go through the writer, reads to the tables."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from pointsman.budget import Amount, Entry, Event, Freeze, Hold, HoldRequest, Limit, Mismatch, Scope, Unbilled, Usage
from pointsman.budget.books import HoldRow, microseconds
from pointsman.budget.operations import Correct, Heartbeat, Operation, Presume, Reserve, Resume, Settle, Stop, Void
from pointsman.budget.windows import Window, utc
from pointsman.errors import LedgerError, LedgerUnavailable
from pointsman.store.database import Database
from pointsman.store.limits import StoredLimits
from pointsman.store.outcomes import StoredAlerts, StoredOutcomes
from pointsman.store.reading import HourCount, Reader
from pointsman.store.reconcile import compared, repaired
from pointsman.store.worker import EXPIRED_AT_ONCE, Expire
from pointsman.store.writer import Writer

_TOGETHER = 1000
"""Requests that wait at once: the queue has room for those of others."""
COMPANY_S: Final = 0.005
"""How long what may wait does so; a bill that is lost meanwhile is presumed from its hold."""
Clock = Callable[[], datetime]


class StoreLedger:
    """A `budget.Ledger` on SQLite or PostgreSQL; `open_ledger` makes it. Use it as a context, or close it.

    `limits` are those that were set while running; they are stored here, and given to `reserve` by the caller.
    """

    def __init__(self, database: Database, writer: Writer, clock: Clock, timeout_s: float) -> None:
        self._database = database
        self._writer = writer
        self._reader = Reader(database)
        self._clock = clock
        self._timeout_s = timeout_s
        self.limits = StoredLimits(database, clock)
        self.outcomes = StoredOutcomes(database, clock)
        self.alerts = StoredAlerts(database)

    def submit(self, operation: Operation | Expire) -> "Future[Any]":
        """Queue an operation for callers that don't wait in a thread; the future holds a row of the books."""
        return self._writer.submit(operation)

    def reserve(self, request: HoldRequest, limits: Sequence[Limit] = ()) -> Hold:
        """Hold the amount in every scope, or in none."""
        return self._hold(Reserve(request, tuple(limits)))

    def perform(self, operations: Sequence[Operation]) -> list[Hold | LedgerError]:
        """Return the hold that each operation leaves, or its refusal; those that wait together become one commit.

        Raises:
            InvalidInput: an operation that can't be done at all.
        """
        answers: list[Hold | LedgerError] = []
        for first in range(0, len(operations), _TOGETHER):
            futures = [self._try_submit(operation) for operation in operations[first : first + _TOGETHER]]
            end = time.monotonic() + self._timeout_s  # for all of them: a database that hangs is waited for once
            answers += [self._hold_or_refusal(future, end) for future in futures]
        return answers

    async def performed(self, operations: Sequence[Operation], *, may_wait: bool = False) -> list[Hold | LedgerError]:
        """Do as `perform`, without a thread that waits. Don't cancel it: what was submitted would still be done.

        What `may_wait` shares the commit of whatever comes within `COMPANY_S`: half the commits of a single caller.
        """
        futures = [self._try_submit(operation, may_wait=may_wait) for operation in operations]
        if may_wait:
            asyncio.get_running_loop().call_later(COMPANY_S, self._writer.press)
        await _all_done(futures, self._timeout_s)
        return [self._hold_or_refusal(future, time.monotonic()) for future in futures]

    def settle(self, hold_id: str, bill: Amount, *, key: str, tenant: str = "default") -> Hold:
        """Post the bill and release the hold; a presumed hold is corrected."""
        return self._hold(Settle(hold_id, bill, key, tenant))

    def void(self, hold_id: str, evidence: Unbilled, *, key: str, tenant: str = "default") -> Hold:
        """Release the hold of an attempt that was provably not billed."""
        return self._hold(Void(hold_id, evidence, key, tenant))

    def presume(self, hold_id: str, *, key: str, tenant: str = "default") -> Hold:
        """Post the whole hold: the outcome is unknown, and may stay so."""
        return self._hold(Presume(hold_id, key, tenant))

    def correct(self, hold_id: str, bill: Amount, evidence: str, *, key: str, tenant: str = "default") -> Hold:
        """Replace what was presumed by the bill that late evidence shows."""
        return self._hold(Correct(hold_id, bill, evidence, key, tenant))

    def heartbeat(self, hold_id: str, until: datetime, *, tenant: str = "default") -> Hold:
        """Keep the hold of a live stream open until then."""
        return self._hold(Heartbeat(hold_id, microseconds(utc(until)), tenant))

    def expire(self) -> int:
        """Presume every open hold that is past its expiry; return how many."""
        total = 0
        while True:
            count = int(self._answer(Expire()))
            total += count
            if count < EXPIRED_AT_ONCE:
                return total

    def hold(self, hold_id: str, *, tenant: str = "default") -> Hold:
        """Return the hold."""
        return self._reader.hold(hold_id, tenant)

    def usage(self, scope: Scope, window: Window, at: datetime | None = None, *, tenant: str = "default") -> Usage:
        """Return what the scope used in the window that holds the moment (None: the present one)."""
        return self._reader.usage(scope, window, at or self._clock(), tenant)

    def entries(self, *, tenant: str = "default", hold_id: str | None = None, after: int = 0) -> list[Entry]:
        """Return the lines of the tenant in order, at most 1,000 after the numbered one."""
        return self._reader.entries(tenant, hold_id, after)

    def usages(self, at: datetime | None = None, *, tenant: str = "default") -> list[Usage]:
        """Return what every scope of the tenant, and `global`, used in the windows that hold the moment.

        Scopes of single requests are left out; of very many scopes, those that used most are returned.
        """
        return self._reader.usages(at or self._clock(), tenant)

    def traffic(self, scope: Scope, since: datetime, *, tenant: str = "default") -> list[HourCount]:
        """Return how many holds were opened for the scope in each hour since then, and what they cost or may cost."""
        return self._reader.traffic(scope, since, tenant)

    def freezes(self) -> list[Freeze]:
        """Return the scopes that are stopped."""
        return self._reader.freezes()

    def freeze(self, scope: Scope, reason: str, *, tenant: str = "default") -> None:
        """Stop the scope: it takes no holds."""
        self._answer(Stop(scope, reason, tenant))

    def unfreeze(self, scope: Scope, reason: str, *, tenant: str = "default") -> bool:
        """Let the scope go on; return whether it was stopped."""
        return bool(self._answer(Resume(scope, reason, tenant)))

    def events(self, after: int = 0) -> list[Event]:
        """Return the events in order, at most 1,000 after the numbered one."""
        return self._reader.events(after)

    def reconcile(self, *, repair: bool = False) -> list[Mismatch]:
        """Recompute every counter from the entries; return those that disagree, and put them right where asked."""
        if not repair:
            return self._database.read(compared)
        now_us = microseconds(utc(self._clock()))
        return self._database.administer(lambda connection: repaired(connection, now_us))

    def close(self) -> None:
        """Finish what was submitted, and let go of the database."""
        self._writer.close()
        self._database.dispose()

    def __enter__(self) -> "StoreLedger":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _hold(self, operation: Operation) -> Hold:
        row: HoldRow = self._answer(operation)
        return row.to_hold()

    def _try_submit(self, operation: Operation, *, may_wait: bool = False) -> "Future[Any]":
        try:
            return self._writer.submit(operation, may_wait=may_wait)
        except LedgerUnavailable as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused

    def _hold_or_refusal(self, future: "Future[Any]", end: float) -> Hold | LedgerError:
        try:
            row: HoldRow = self._result(future, max(end - time.monotonic(), 0.0))
        except LedgerError as refusal:
            return refusal
        return row.to_hold()

    def _answer(self, operation: Operation | Expire) -> Any:
        """Wait for the operation. What hasn't begun in time is taken back; what has may still be done."""
        return self._result(self._writer.submit(operation), self._timeout_s)

    def _result(self, future: "Future[Any]", timeout_s: float) -> Any:
        try:
            return future.result(timeout_s)
        except TimeoutError:
            done = "Nothing was done." if future.cancel() else "It may still be done; the same key finds out."
        raise LedgerUnavailable(
            f"the ledger's database didn't answer within {self._timeout_s:g} s. {done} Nothing may be sent.",
            retry_after_s=2,
        )


async def _all_done(futures: "Sequence[Future[Any]]", timeout_s: float) -> None:
    """Wait until all are done, or for so long. One wake-up of the loop, where `asyncio.wrap_future` needs one each."""
    loop = asyncio.get_running_loop()
    woken, arrived = loop.create_future(), itertools.count(1)

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def done(_: "Future[Any]") -> None:
        if next(arrived) == len(futures):  # `next` is atomic: several writers may call this
            loop.call_soon_threadsafe(wake)

    for future in futures:
        future.add_done_callback(done)
    late = loop.call_later(timeout_s, wake)
    try:
        await woken
    finally:
        late.cancel()
