"""Work that outlives the answer: bills are posted, streams read to their end, answers kept."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

_LOG: Final = logging.getLogger("pointsman.gateway")


class Later:
    """Tasks of the running event loop that nobody waits for until `drain`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    def do(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start the work; what it raises is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def drain(self, timeout_s: float) -> int:
        """Wait for what was begun, and for what that begins; return how many didn't end in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while self._tasks and (left_s := end - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)
        return len(self._tasks)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("work behind an answer failed", exc_info=error)
