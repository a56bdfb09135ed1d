"""Pieces of an answer on their way to a caller who may hang up while they come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from pointsman.errors import PointsmanError

_AHEAD: Final = 64
"""Pieces that wait for a slow caller before the provider is made to wait too."""

PATIENCE_S: Final = 60.0
"""A caller that takes nothing for so long has left: nobody keeps a provider's connection by reading slowly."""


class Pipe:
    """One writer, one reader. A writer never waits for a reader who has left."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._begun = asyncio.Event()
        self._failure: PointsmanError | None = None
        self.is_abandoned = False

    async def put(self, piece: bytes) -> None:
        """Hand a piece on; the first one means that the answer has begun."""
        if piece:
            self._begun.set()
            await self._hand(piece)

    async def close(self, failure: PointsmanError | None = None) -> None:
        """End: nothing more comes. A failure is told to who waits for the beginning."""
        self._failure = failure
        self._begun.set()
        await self._hand(None)

    async def _hand(self, piece: bytes | None) -> None:
        if self.is_abandoned:
            return
        if not self._pieces.full():
            self._pieces.put_nowait(piece)
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._pieces.put(piece)
        except TimeoutError:
            self.abandon()

    async def begun(self) -> None:
        """Wait for the first piece.

        Raises:
            PointsmanError: what kept it from coming.
        """
        await self._begun.wait()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """Leave: what comes from here on is thrown away, and the pieces end."""
        if self.is_abandoned:
            return
        self.is_abandoned = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
