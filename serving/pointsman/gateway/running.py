"""What runs beside the requests of a gateway: readings are kept fresh, and what was begun is ended."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from pointsman.beside import repeated
from pointsman.errors import LedgerUnavailable
from pointsman.gateway.parts import Parts

if TYPE_CHECKING:
    from pointsman.gateway.engine import Engine

REFRESH_S: Final = 0.5
"""Half of what the treasury takes as fresh, so that no request waits for a reading."""

DRAIN_S: Final = 30.0
_LOG: Final = logging.getLogger("pointsman.gateway")


@contextlib.asynccontextmanager
async def running(engine: "Engine") -> AsyncIterator[None]:
    """Keep a gateway going while the block runs; afterwards wait for streams and bills, and close the connections."""
    await engine.parts.upstreams.open()
    try:
        async with repeated(lambda: _refresh(engine.parts), REFRESH_S):
            yield
    finally:
        await engine.waiting.close(DRAIN_S)
        if unfinished := await engine.later.drain(DRAIN_S):
            _LOG.error("%d streams or bills didn't end in %g s; their holds will be presumed", unfinished, DRAIN_S)
        await engine.parts.upstreams.close()
        if engine.parts.answers is not None:
            await asyncio.to_thread(engine.parts.answers.close)


def _refresh(parts: Parts) -> None:
    """Read what was spent, and learn how available the models are, so that no request waits for it."""
    try:
        for treasury in parts.tenants.treasuries():
            treasury.standing.refresh(treasury.clock())
    except LedgerUnavailable as error:
        _LOG.error("%s", error.message)
    parts.tenants.note_availability({model: parts.health.availability(model) for model in parts.fleet.ids})
