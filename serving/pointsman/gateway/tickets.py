"""Requests that stand in a queue: each tenant's in the order in which they came, the tenants in turn."""

import asyncio
from collections import deque

from pointsman.gateway.attempting import Tried
from pointsman.gateway.course import Course


class Ticket:
    """One request that waits `since` a second of the monotonic clock; `answer` is what it gets."""

    __slots__ = ("answer", "course", "has_begun", "since")

    def __init__(self, course: Course, since: float) -> None:
        self.course = course
        self.since = since
        self.has_begun = False
        self.answer: asyncio.Future[Tried] = asyncio.get_running_loop().create_future()

    @property
    def tenant(self) -> str:
        """Whose money it is."""
        return self.course.asked.who.tenant

    def refuse(self, error: BaseException) -> None:
        """Answer with an error, where there is no answer yet."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Tickets:
    """The tickets that wait; a tenant with many keeps no other tenant waiting for all of them."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Ticket]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __bool__(self) -> bool:
        return bool(self._of)

    @property
    def since(self) -> float:
        """Since when the oldest waits; there has to be one."""
        return min(line[0].since for line in self._of.values())

    def add(self, ticket: Ticket) -> None:
        """Put a ticket at the end of its tenant's."""
        self._of.setdefault(ticket.tenant, deque()).append(ticket)

    def put_back(self, ticket: Ticket) -> None:
        """Put a ticket that was taken before all others of its tenant."""
        self._of.setdefault(ticket.tenant, deque()).appendleft(ticket)

    def take(self, most: int) -> list[Ticket]:
        """Take out at most so many, one of each tenant in turn."""
        taken: list[Ticket] = []
        while self._of and len(taken) < most:
            tenant, line = next(iter(self._of.items()))
            taken.append(line.popleft())
            del self._of[tenant]
            if line:
                self._of[tenant] = line
        return taken
