"""A bounded queue: so many requests run at once, so many wait, and one more is refused at once."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from starlette.types import Receive

from pointsman.errors import Overloaded

T = TypeVar("T")
PLACE: Final = "place"
"""Where the scope's state has the place of a request that calls models."""


class Queue:
    """Lets `max_running` requests run, in the order in which they came, while at most `max_waiting` wait."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._places = max_running + max_waiting
        self._inside = 0
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def inside(self) -> int:
        """How many run or wait."""
        return self._inside

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """Keep a place, running or waiting, while the block runs, or until it is left.

        Raises:
            Overloaded: there is none.
        """
        if self._inside >= self._places:
            raise Overloaded(f"{self._inside:,} requests run or wait, which is all that may. Try again in a second.")
        self._inside += 1
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    def _left(self) -> None:
        self._inside -= 1

    def try_turn(self) -> bool:
        """Take a turn where one is free."""
        if self._waiting or self._running >= self._max_running:
            return False
        self._running += 1
        return True

    async def turn(self) -> None:
        """Wait for a turn; whoever is cancelled has none."""
        if self.try_turn():
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled():
                self.give_back()
            elif waiting in self._waiting:  # else whoever ended a turn has passed it over
                self._waiting.remove(waiting)
            raise

    def give_back(self) -> None:
        """End a turn, and hand it to whoever waits longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._running -= 1


class Place:
    """A place in the queue; whoever has it says in `has_turn` that its turn has come."""

    def __init__(self, queue: Queue) -> None:
        self._queue: Queue | None = queue
        self.has_turn = False

    def leave(self) -> None:
        """Give the place to others, and the turn; once."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue._left()
            if self.has_turn:
                queue.give_back()


def step_aside(state: Mapping[str, Any]) -> None:
    """Leave the queue to others: what can wait stands in a queue of its own. `state` is that of the request."""
    place: Place | None = state.get(PLACE)
    if place is not None:
        place.leave()


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work gives; None where the caller hangs up first, which cancels it."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        gone.cancel()
        task.cancel()


async def until_gone(receive: Receive) -> None:
    """Return when the caller hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
