"""What runs beside the requests of a server that keeps budgets: holds expire, alerts are told."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import AsyncIterator
from typing import Final

from pointsman.budget.alerts import Alert
from pointsman.http.metrics import Metrics
from pointsman.http.webhook import Sender
from pointsman.treasury import Treasury, Watch

TICK_S: Final = 1.0
_LOG: Final = logging.getLogger("pointsman.budget")


class Post:
    """Delivers alerts one after another in a thread of its own, since retries may take minutes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._waiting: queue.SimpleQueue[Alert] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="pointsman-alerts", daemon=True).start()

    def __call__(self, alert: Alert) -> None:
        """Queue the alert."""
        self._waiting.put(alert)

    def _run(self) -> None:
        while True:
            alert = self._waiting.get()
            done = self._sender.deliver(alert)
            if done.outcome != "delivered":
                _LOG.error("the webhook %s alert %s (status %s)", done.outcome.replace("_", " "), alert.id, done.status)


@contextlib.asynccontextmanager
async def upkeep(treasury: Treasury, metrics: Metrics, post: Post | None) -> AsyncIterator[None]:
    """Watch over the treasury while the block runs, and close it afterwards."""
    watch = Watch(treasury, post)

    async def watching() -> None:
        while True:
            if presumed := await asyncio.to_thread(watch.tick):
                metrics.settled("presumed", count=presumed)
            await asyncio.sleep(TICK_S)

    task = asyncio.create_task(watching())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(treasury.close)
