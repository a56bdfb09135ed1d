"""All providers behind one door: `complete` and `stream`, with the retries that are safe."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import msgspec

from pointsman.errors import InvalidConfig, MissingExtra, UpstreamError
from pointsman.gateway.upstreams.answers import Answer, Clock, Stream, Wire
from pointsman.gateway.upstreams.retrying import wait_s
from pointsman.gateway.upstreams.through_litellm import LiteLlmWire
from pointsman.settings import Provider, Retries

try:
    from pointsman.gateway.upstreams.wire import HttpWire
except ModuleNotFoundError as missing:
    raise MissingExtra("Calling providers", "serve") from missing

Sleep = Callable[[float], Awaitable[None]]
_Got = TypeVar("_Got")
_NO_HEADERS: Final[Mapping[str, str]] = {}


class Upstreams:
    """The configured providers; `open` it in the event loop that calls it, `close` it there.

    Raises:
        InvalidConfig: a provider has no usable base_url, or two have the same name.
        MissingExtra: a provider is spoken to by LiteLLM, which isn't installed.

    """

    def __init__(
        self,
        providers: Iterable[Provider],
        retries: Retries,
        *,
        clock: Clock,
        rng: random.Random,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._wires: dict[str, Wire] = {}
        for provider in providers:
            if provider.name in self._wires:
                raise InvalidConfig(f"Two providers are called {provider.name!r}; expected different names.")
            is_litellm = provider.protocol == "litellm"
            self._wires[provider.name] = (LiteLlmWire if is_litellm else HttpWire)(provider, clock)
        self._retries = retries
        self._rng = rng
        self._sleep = sleep
        self._under_way = 0
        self._begun = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def open(self) -> None:
        """Make the pools; nothing is sent."""
        for wire in self._wires.values():
            await wire.open()

    async def close(self) -> None:
        """End all connections; calls under way fail."""
        for wire in self._wires.values():
            await wire.close()

    async def drain(self, quiet_s: float = 0.0) -> None:
        """Return once no call is under way: what to await before `close` where others take over new calls.

        With `quiet_s` none was begun for so many seconds either: a request may be between two calls, or before its
        first.
        """
        begun = -1
        while begun != self._begun:
            begun = self._begun
            await self._is_idle.wait()
            await self._sleep(quiet_s)

    async def complete(self, provider: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        """Send a request and return the whole answer, whose status is 2xx and whose body starts a JSON object.

        `body` is sent as it is, in the provider's protocol; of the caller's `headers` only versions and beta features.

        Raises:
            UpstreamError: refused, broken off or nonsense, after the retries that are safe.
            UpstreamTimeout: it took too long.

        """
        wire = self._wire(provider)
        with self._counted():
            answer, tries = await self._with_retries(lambda: wire.complete(body, headers))
        return answer if tries == 1 else msgspec.structs.replace(answer, tries=tries)

    @asynccontextmanager
    async def stream(
        self, provider: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AsyncIterator[Stream]:
        """Send a request and give its answer as a stream; leaving before its end closes the connection.

        Retries end with the first byte of the answer. Raises as `complete` does on entering, and as `Stream` says
        after.
        """
        wire = self._wire(provider)
        with self._counted():
            opened, tries = await self._with_retries(lambda: wire.stream(body, headers))
            opened.stream.tries = tries
            try:
                yield opened.stream
            finally:
                await opened.close()

    def _wire(self, provider: str) -> Wire:
        wire = self._wires.get(provider)
        if wire is None:
            raise InvalidConfig(
                f"The provider {provider!r:.80} isn't configured; expected one of {', '.join(self._wires) or 'none'}."
            )
        return wire

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._under_way += 1
        self._begun += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._is_idle.set()

    async def _with_retries(self, call: Callable[[], Awaitable[_Got]]) -> tuple[_Got, int]:
        tries = 1
        while True:
            try:
                return await call(), tries
            except UpstreamError as error:
                wait = wait_s(error, tries, self._retries, self._rng)
                if wait is None:
                    raise
            await self._sleep(wait)
            tries += 1
