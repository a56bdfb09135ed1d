"""A gateway takes on another configuration while it runs: all of it, or nothing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pointsman.configuration import Configuration, Source
from pointsman.errors import PointsmanError
from pointsman.gateway.engine import Engine
from pointsman.gateway.opening import again, opened_router, rules_of
from pointsman.gateway.upstreams import Upstreams
from pointsman.router import Router

QUIET_S: Final = 10.0
"""How long a request may be between two calls: longer than the ledger takes to answer."""

_LOG: Final = logging.getLogger("pointsman.gateway")


class Reloading:
    """Reads the configuration again; requests under way end on the parts that they began with.

    `tell_others` has the other processes of a server do so too.
    """

    def __init__(
        self, source: Source, configuration: Configuration, engine: Engine, tell_others: Callable[[], None]
    ) -> None:
        self._source = source
        self._engine = engine
        self._lock = asyncio.Lock()
        self.configuration = configuration
        self.tell_others = tell_others

    async def reload(self) -> Configuration:
        """Take on what file and environment say, bundle included, and return it.

        Raises:
            PointsmanError: it can't be used, or changes what only a start can; everything stays as it was.
        """
        async with self._lock:
            fresh, router = await asyncio.to_thread(self._read)
            old = self._engine.parts
            parts = again(fresh, old)
            await parts.upstreams.open()
            old.tenants.replace(router)
            self._engine.parts, self.configuration = parts, fresh
            self._engine.later.do(_closed(old.upstreams))
            models, digest = len(fresh.fleet.ids), router.bundle.digest
            _LOG.info("the configuration was read again: %d models, bundle %s", models, digest)
            return fresh

    def reload_later(self) -> None:
        """Take on the configuration where nobody waits for it, as after a signal; a bad one is logged."""
        self._engine.later.do(self._reload_or_log())

    async def _reload_or_log(self) -> None:
        try:
            await self.reload()
        except PointsmanError as error:
            _LOG.error("the configuration stays as it was: %s", error.message)

    def _read(self) -> tuple[Configuration, Router]:
        fresh = self._source.read_again(self.configuration)
        treasury = self._engine.parts.router.treasury
        assert treasury is not None
        return fresh, opened_router(fresh, treasury.under(rules_of(fresh)))


async def _closed(upstreams: Upstreams) -> None:
    """Close connections when the calls on them have ended."""
    await upstreams.drain(QUIET_S)
    await upstreams.close()
