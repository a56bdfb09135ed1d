"""Requests that come at the same moment are decided in one pass: each as it would be alone, for less of the processor.

A pass reads the weights of the graph once for all of its tasks, where each alone would find them gone from the caches.
Nobody waits for company: what is there when the event loop turns is decided.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from pointsman.errors import LedgerUnavailable, PointsmanError
from pointsman.gateway.later import Later
from pointsman.router import Router
from pointsman.treasury.steps import awaited
from pointsman.types import Decision, Task

MOST: Final = 8
"""Tasks of one pass at most, so that a pass doesn't keep others waiting for long."""


Passed = Decision | PointsmanError


async def passed(
    decide: Callable[[Sequence[Task]], Awaitable[Sequence[Passed]]], tasks: Sequence[Task]
) -> Sequence[Passed]:
    """Return the results of one pass; where one task refuses the whole pass, those of a pass for each."""
    try:
        return await decide(tasks)
    except PointsmanError as error:
        if len(tasks) == 1 or isinstance(error, LedgerUnavailable):
            return [error] * len(tasks)
    return [(await passed(decide, [task]))[0] for task in tasks]


class Asking(NamedTuple):
    """A task that is to be decided, and where its decision goes."""

    task: Task
    decision: "asyncio.Future[Decision]"


class Deciding:
    """Decides and holds. Use it from one event loop."""

    def __init__(self, later: Later) -> None:
        self._later = later
        self._asked: dict[Router, list[Asking]] = {}

    async def decision(self, router: Router, task: Task) -> Decision:
        """Return the decision of a task, as `Router.route` does.

        Raises:
            PointsmanError: as there.
        """
        loop = asyncio.get_running_loop()
        asking = Asking(task, loop.create_future())
        if not self._asked:
            loop.call_soon(self._decide)
        self._asked.setdefault(router, []).append(asking)
        try:
            return await asking.decision
        except asyncio.CancelledError:
            given = asking.decision
            if not given.cancelled() and given.exception() is None:  # it came, and nobody is left to take it
                self._later.do(_release(router, [given.result()]))
            raise

    def _decide(self) -> None:
        asked, self._asked = self._asked, {}
        for router, askings in asked.items():
            for first in range(0, len(askings), MOST):
                self._later.do(self._pass(router, askings[first : first + MOST]))

    async def _pass(self, router: Router, askings: list[Asking]) -> None:
        try:
            results = await passed(router.try_route_many_async, [asking.task for asking in askings])
        except BaseException as error:
            for asking in askings:
                _answer(asking, error)
            raise
        unwanted = [
            result
            for asking, result in zip(askings, results, strict=True)
            if not _answer(asking, result) and isinstance(result, Decision)
        ]
        await _release(router, unwanted)


async def _release(router: Router, unwanted: list[Decision]) -> None:
    """Let go of what is held for decisions that nobody takes."""
    held = [one.hold_id for one in unwanted if one.hold_id]
    if held and router.treasury is not None:
        await awaited(router.treasury.releasing(held), router.treasury.ledger)


def _answer(asking: Asking, result: Decision | BaseException) -> bool:
    """Give a decision or an error to whoever asked; return whether they are still there."""
    if asking.decision.done():
        return False
    if isinstance(result, BaseException):
        asking.decision.set_exception(result)
    else:
        asking.decision.set_result(result)
    return True
