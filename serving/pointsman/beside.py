"""Work that is done again and again beside the requests of a server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

_LOG: Final = logging.getLogger("pointsman")


@contextlib.asynccontextmanager
async def repeated(work: Callable[[], None], every_s: float) -> AsyncIterator[None]:
    """Do the work in a thread, at once and then every so many seconds, while the block runs.

    The block begins after the first time. What the work raises is a defect: it is logged, and the next time comes.
    """

    async def once() -> None:
        try:
            await asyncio.to_thread(work)
        except Exception:
            _LOG.exception("work beside the requests failed")

    async def again() -> None:
        while True:
            await asyncio.sleep(every_s)
            await once()

    await once()
    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
