"""What comes back of a call: a whole answer, or a stream of its bytes."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, Protocol

import msgspec

Clock = Callable[[], float]
"""Monotonic seconds."""

MAX_REPLY_BYTES: Final = 64 << 20
"""The most that is read of one answer, unpacked: more is a provider gone wrong, or a gzip bomb."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer of status 2xx, its bytes as the provider sent them.

    `first_ms` is to the headers and `total_ms` to the last byte, both from the start of the call that succeeded;
    `request_id` is the provider's own; `tries` counts the calls, those before it that failed unbilled included.
    """

    status: int
    body: bytes
    first_ms: float
    total_ms: float
    request_id: str | None = None
    tries: int = 1

    def __repr__(self) -> str:
        """Return what it is without what it says: answers repeat prompts, and reprs end in logs."""
        return f"Answer(status={self.status}, {len(self.body):,} bytes, request_id={self.request_id!r})"


class Stream:
    """A streamed answer of status 2xx: iterate it for its bytes, cut where the network cut them, not at events.

    `first_ms` is to the first byte and `total_ms` to the last, None until then. It ends where the provider ended it
    cleanly; whether its protocol's last event was there is for who reads the events to say.

    Raises, while it is iterated:
        UpstreamError: the connection broke, or it became too long; what came before stands, and is billed.
        UpstreamTimeout: nothing came for the provider's `idle_timeout_s`, or it took longer than `total_timeout_s`.

    """

    def __init__(
        self, chunks: AsyncIterator[bytes], *, status: int, request_id: str | None, clock: Clock, started: float
    ) -> None:
        self.status = status
        self.request_id = request_id
        self.first_ms: float | None = None
        self.total_ms: float | None = None
        self.tries = 1
        self._chunks = chunks
        self._clock = clock
        self._started = started

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            if self.first_ms is None:
                self.first_ms = self._elapsed_ms()
            yield chunk
        self.total_ms = self._elapsed_ms()

    def _elapsed_ms(self) -> float:
        return (self._clock() - self._started) * 1000


class OpenStream(Protocol):
    """A stream with the connection that it comes over."""

    stream: Stream

    async def close(self) -> None:
        """Give the connection back where the answer was read to its end, else end it."""


class Wire(Protocol):
    """One provider, whatever it is spoken to with. Each call is made once; all failures are `UpstreamError`."""

    async def open(self) -> None:
        """Get ready; no call is made."""

    async def close(self) -> None:
        """End all connections."""

    async def complete(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and return the whole answer."""

    async def stream(self, body: bytes, headers: Mapping[str, str]) -> OpenStream:
        """Send a request and return once the answer starts."""
