"""What runs beside the requests of a server that keeps a log: lines expire, and the last are written at the end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from pointsman.beside import repeated
from pointsman.errors import LedgerUnavailable
from pointsman.store.events import EventLog

EXPIRE_EVERY_S: Final = 3600.0
_LOG: Final = logging.getLogger("pointsman.events")


@contextlib.asynccontextmanager
async def log_upkeep(log: EventLog) -> AsyncIterator[None]:
    """Expire the log's lines every hour while the block runs, and close the log in the end."""
    try:
        async with repeated(lambda: _expire(log), EXPIRE_EVERY_S):
            yield
    finally:
        await asyncio.to_thread(log.close)


def _expire(log: EventLog) -> None:
    try:
        if count := log.expire():
            _LOG.info("%d lines of the log expired", count)
    except LedgerUnavailable as error:
        _LOG.warning("the log's lines couldn't expire: %s", error)
