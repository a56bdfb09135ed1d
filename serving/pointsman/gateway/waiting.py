"""Requests that can wait: gathered for a moment, decided in one pass, run a few at once; the same ones only once.

What is urgent never stands behind them: they are decided in a thread, and have turns of their own. No more are decided
than run soon, since a decision holds money.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from pointsman.errors import Overloaded, PointsmanError
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.gateway.course import Course
from pointsman.gateway.deciding import passed
from pointsman.gateway.keeping import found, place
from pointsman.gateway.later import Later
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import Plan
from pointsman.gateway.tickets import Ticket, Tickets
from pointsman.router import Result, Router
from pointsman.types import Decision, Task


class Host(Protocol):
    """What decides and runs the requests."""

    parts: Parts
    later: Later

    def plan(self, course: Course) -> Plan:
        """Return what is routed and sent."""
        ...

    def attempting(self, course: Course, plan: Plan, decision: Decision) -> Attempting:
        """Return what makes the attempts of a decision."""
        ...

    async def carried_out(self, course: Course, attempting: Attempting) -> Tried:
        """Return the answer to a request that was decided."""
        ...


T = TypeVar("T")
ROUNDS: Final = 4
"""How many times `concurrency` are decided in one pass: a hold waits for three calls before its own at most."""

MOST_BYTES: Final = 256 << 20
"""What the bodies of waiting requests may weigh together."""


class Waiting:
    """The queue of requests that can wait; `count` of them wait or run. Use it from one event loop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tickets = Tickets()
        self._answers: dict[bytes, asyncio.Future[Tried]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._is_over = False
        self._freed = asyncio.Event()
        self._running = 0
        self._bytes = 0
        self.count = 0

    async def tried(self, course: Course) -> Tried:
        """Return the answer to a request that can wait: one given before or being given to the same, or its own.

        Raises:
            Overloaded: too many wait.
            PointsmanError: as `Engine.answer`.
        """
        most, size = course.parts.batching.max_waiting, course.asked.body_bytes
        if self.count >= most or self._bytes + size > MOST_BYTES:
            raise Overloaded(f"{self.count:,} requests that can wait do so, which is all that may. Try again later.")
        self.count, self._bytes = self.count + 1, self._bytes + size
        try:
            return await self._once(course)
        finally:
            self.count, self._bytes = self.count - 1, self._bytes - size

    async def attended(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of a request; where its caller leaves, it never begins, or ends without its caller."""

        async def outcome() -> T | PointsmanError:
            try:
                return await work
            except PointsmanError as error:
                return error

        task = self._host.later.do(outcome())
        try:
            found: T | PointsmanError = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if isinstance(found, PointsmanError):
            raise found
        return found

    async def close(self, timeout_s: float) -> None:
        """Begin what waits without gathering more; what hasn't begun after so many seconds is refused."""
        self._closing.set()
        worker = self._worker
        if worker is not None:
            await asyncio.wait([worker], timeout=timeout_s)
            self._is_over = True
            self._freed.set()
            await asyncio.wait([worker])

    async def _once(self, course: Course) -> Tried:
        """Return the answer to a request, once that to the same one is there, where there is such."""
        ticket = Ticket(course, course.parts.clock())
        key = place(course.asked, course.parts)
        while key is not None and (same := self._answers.get(key)) is not None and not same.done():
            await asyncio.wait([same])
        course.waited_s = course.parts.clock() - ticket.since
        if (known := found(course)) is not None:
            return known
        if key is not None:
            self._answers[key] = ticket.answer
        self._tickets.add(ticket)
        self._start()
        try:
            return await asyncio.shield(ticket.answer)
        except asyncio.CancelledError:
            if not ticket.has_begun:
                ticket.answer.cancel()
                raise
            return await ticket.answer
        finally:
            if key is not None and self._answers.get(key) is ticket.answer:
                del self._answers[key]

    def _start(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = self._host.later.do(self._work())

    async def _work(self) -> None:
        """Decide and begin what waits, until nothing does."""
        tickets: list[Ticket] = []
        try:
            while self._tickets:
                settings = self._host.parts.batching
                await self._window(settings.window_ms / 1000)
                tickets = self._tickets.take(ROUNDS * settings.concurrency)
                if self._is_over:
                    for ticket in tickets:
                        ticket.refuse(Overloaded("The gateway shuts down. Try again in a minute."))
                    continue
                for ticket, attempting in await self._decided([one for one in tickets if not one.answer.done()]):
                    await self._begin(ticket, attempting)
        except BaseException as error:
            for ticket in tickets:
                ticket.refuse(error)
            if self._tickets:
                self._worker = self._host.later.do(self._work())
            raise

    async def _window(self, window_s: float) -> None:
        """Return once the request that waits longest has done so for the window, or at once when closing."""
        left_s = self._tickets.since + window_s - self._host.parts.clock()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), left_s)

    async def _begin(self, ticket: Ticket, attempting: Attempting) -> None:
        """Run a request at its turn; one that was decided under a configuration of before is decided again."""
        while self._running >= self._host.parts.batching.concurrency and not self._is_over:
            self._freed.clear()
            await self._freed.wait()
        if attempting.parts is not self._host.parts or self._is_over:
            attempting.till.close()
            self._tickets.put_back(ticket)
            return
        self._running += 1
        self._host.later.do(self._run(ticket, attempting))

    async def _run(self, ticket: Ticket, attempting: Attempting) -> None:
        """Give a request its answer; where its caller has left before it began, let go of what was held."""
        course = ticket.course
        try:
            if ticket.answer.done():
                attempting.till.close()
                return
            course.waited_s, ticket.has_begun = course.parts.clock() - ticket.since, True
            tried = await self._host.carried_out(course, attempting)
            if not ticket.answer.done():
                ticket.answer.set_result(tried)
        except BaseException as error:
            ticket.refuse(error)
            if not isinstance(error, PointsmanError):
                raise
        finally:
            self._running -= 1
            self._freed.set()

    async def _decided(self, tickets: Sequence[Ticket]) -> list[tuple[Ticket, Attempting]]:
        """Return what makes the attempts of each request that may be sent; others get their refusal."""
        plans: dict[str, list[tuple[Ticket, Plan]]] = {}
        for ticket in tickets:
            ticket.course.parts = self._host.parts
            try:
                plans.setdefault(ticket.tenant, []).append((ticket, self._host.plan(ticket.course)))
            except PointsmanError as error:
                ticket.refuse(error)
            await asyncio.sleep(0)  # a long text takes milliseconds: whoever can't wait comes first
        decided = []
        for tenant, planned in plans.items():
            decide = _in_thread(self._host.parts.tenants.of(tenant))
            results = await passed(decide, [plan.task for _, plan in planned])
            for (ticket, plan), result in zip(planned, results, strict=True):
                if isinstance(result, Decision):
                    decided.append((ticket, self._host.attempting(ticket.course, plan, result)))
                else:
                    ticket.refuse(result)
        return decided


def _in_thread(router: Router) -> Callable[[Sequence[Task]], Awaitable[list[Result]]]:
    """Return what decides tasks, however many, without keeping those that can't wait."""

    async def decide(tasks: Sequence[Task]) -> list[Result]:
        return await asyncio.to_thread(router.try_route_many, tasks)

    return decide
