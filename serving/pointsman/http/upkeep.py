"""What runs beside the requests of a server: holds expire, alerts are told, keys are read again."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from pointsman.access import KeyRing
from pointsman.access.ring import REFRESH_S
from pointsman.beside import repeated
from pointsman.budget.alerts import Alert
from pointsman.errors import LedgerUnavailable
from pointsman.http.metrics import Metrics
from pointsman.http.webhook import Sender
from pointsman.tenants import Tenants
from pointsman.treasury import Watch

if TYPE_CHECKING:
    from pointsman.store import StoredKeys

TICK_S: Final = 1.0
_LOG: Final = logging.getLogger("pointsman.budget")
_ACCESS_LOG: Final = logging.getLogger("pointsman.access")


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
async def upkeep(tenants: Tenants, metrics: Metrics, post: Post | None) -> AsyncIterator[None]:
    """Watch over the treasuries of all tenants while the block runs, and close their ledger afterwards."""
    watches: dict[str, Watch] = {}

    def watching() -> None:
        for treasury in tenants.treasuries():
            watch = watches.setdefault(treasury.tenant, Watch(treasury, post))
            if presumed := watch.tick(treasury):
                metrics.settled("presumed", count=presumed)

    try:
        async with repeated(watching, TICK_S):
            yield
    finally:
        await asyncio.to_thread(tenants.treasuries()[0].close)


@contextlib.asynccontextmanager
async def refreshing(ring: KeyRing, keys: "StoredKeys | None") -> AsyncIterator[None]:
    """Keep the ring up to date while the block runs, and close the stored keys afterwards."""
    try:
        async with repeated(lambda: _refresh(ring), REFRESH_S):
            yield
    finally:
        if keys is not None:
            await asyncio.to_thread(keys.close)


def _refresh(ring: KeyRing) -> None:
    try:
        ring.refresh()
    except LedgerUnavailable as error:
        _ACCESS_LOG.error("the keys can't be read: %s", error.message)
