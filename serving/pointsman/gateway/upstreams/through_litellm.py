"""A provider that LiteLLM speaks to: OpenAI-shaped bytes in and out, through its library in this process.

LiteLLM takes far more than a chat from its arguments (api_base, extra_headers, fallbacks, mock_response), and for some
providers fetches the pictures that messages link to. So only OpenAI's own fields reach it, and no linked picture does:
a caller chooses neither where a call goes nor what is fetched.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from pointsman.errors import InvalidChat, MissingExtra, UpstreamError, UpstreamTimeout
from pointsman.gateway.upstreams.answers import MAX_REPLY_BYTES, Answer, Clock, Stream
from pointsman.gateway.upstreams.failures import Wording, retry_after_s
from pointsman.settings import Provider

PASSED_FIELDS: Final = frozenset(
    [
        "model",
        "messages",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stream_options",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "response_format",
        "seed",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
        "verbosity",
        "service_tier",
        "prediction",
        "functions",
        "function_call",
    ]
)
"""Fields of OpenAI's chat request that are handed on; others are left out."""

REJECTED: Final = frozenset({400, 401, 402, 403, 404, 413, 422, 429})
"""Statuses that LiteLLM gives only to what the provider refused; it gives its own failures those from 500."""

_LINKS: Final = frozenset({"url", "image_url", "video_url", "file_url", "file_id", "file_data"})


class LiteLlmWire:
    """One provider behind `litellm.acompletion`; a caller's headers don't reach it.

    At most `max_connections` calls wait for the start of their answer at once.

    Raises:
        MissingExtra: LiteLLM isn't installed.

    """

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._name = provider.name
        self._clock = clock
        self._litellm = _library()
        self._slots = asyncio.Semaphore(provider.max_connections)
        self._wording = Wording([provider.api_key, *provider.headers.values()])

    async def open(self) -> None:
        """Do nothing: LiteLLM makes its connections itself."""

    async def close(self) -> None:
        """Close the clients that LiteLLM keeps, those of all its providers."""
        await self._litellm.close_litellm_async_clients()

    async def complete(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and return the whole answer; raises as `HttpWire.complete` does, and InvalidChat."""
        started = self._clock()
        answer = await self._call(body)
        reply = answer.model_dump_json(exclude_none=True).encode()
        took_ms = (self._clock() - started) * 1000
        return Answer(200, reply, took_ms, took_ms, answer.get("id"))

    async def stream(self, body: bytes, headers: Mapping[str, str]) -> "LiteLlmStream":
        """Send a request and return once the answer starts; raises as `complete` does."""
        started = self._clock()
        source = await self._call(body)
        chunks = self._events(aiter(source), started, body)
        return LiteLlmStream(
            Stream(chunks, status=200, request_id=None, clock=self._clock, started=started), source.aclose
        )

    async def _call(self, body: bytes) -> Any:
        asked, limit = _arguments(body), self._provider
        try:
            async with self._slots, asyncio.timeout(limit.total_timeout_s):
                return await self._litellm.acompletion(
                    **asked,
                    api_key=limit.api_key,
                    base_url=limit.base_url,
                    extra_headers=dict(limit.headers) or None,
                    timeout=limit.total_timeout_s,
                    num_retries=0,
                    max_retries=0,
                )
        except TimeoutError:
            raise self._timeout(limit.total_timeout_s) from None
        except Exception as error:  # LiteLLM names no closed set of what it raises
            raise self._failure(error, body) from None

    async def _events(self, source: Any, started: float, sent: bytes) -> AsyncIterator[bytes]:
        """Yield the chunks as OpenAI's events."""
        size = 0
        while (chunk := await self._next(source, started, sent)) is not None:
            event = b"data: " + chunk.model_dump_json(exclude_none=True, exclude_unset=True).encode() + b"\n\n"
            size += len(event)
            if size > MAX_REPLY_BYTES:
                raise UpstreamError(f"{self._name} answered more than {MAX_REPLY_BYTES >> 20} MB.", status=200)
            yield event
        yield b"data: [DONE]\n\n"

    async def _next(self, source: Any, started: float, sent: bytes) -> Any:
        limit = self._provider
        left = limit.total_timeout_s - (self._clock() - started)
        try:
            async with asyncio.timeout(max(0.0, min(limit.idle_timeout_s, left))):
                return await anext(source, None)
        except TimeoutError:
            raise self._timeout(limit.idle_timeout_s) from None
        except Exception as error:  # LiteLLM names no closed set of what it raises
            failure = self._failure(error, sent)
            raise UpstreamError(f"{failure.message} The answer had begun.", status=failure.status) from None

    def _timeout(self, after_s: float) -> UpstreamTimeout:
        return UpstreamTimeout(f"{self._name} answered nothing for {after_s:g} s; what it billed isn't known.")

    def _failure(self, error: Any, sent: bytes) -> UpstreamError:
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) else None
        response = getattr(error, "response", None)
        kind = UpstreamTimeout if status == 408 else UpstreamError
        words = self._wording.of(sent).clean(str(getattr(error, "message", error)))
        code = getattr(error, "code", None)
        failure = kind(
            f"{self._name} answered {status or 'nothing'} ({type(error).__name__}): {words}",
            status=status,
            is_retryable=status == 429,
            is_unbilled=status in REJECTED,
            retry_after_s=None if response is None else retry_after_s(response.headers),
        )
        failure.upstream_code = code if isinstance(code, str) else None
        return failure


class LiteLlmStream:
    """A stream and how LiteLLM's is let go."""

    def __init__(self, stream: Stream, let_go: Callable[[], Awaitable[None]]) -> None:
        self.stream = stream
        self._let_go = let_go

    async def close(self) -> None:
        """Let LiteLLM's stream go, which ends the call where its answer wasn't read to the end."""
        await self._let_go()


class _Library:
    """The functions of LiteLLM that are used."""

    def __init__(self) -> None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices while it is imported
        try:
            import litellm
        except ImportError:
            raise MissingExtra('A provider of protocol "litellm"', "litellm") from None
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        self.acompletion: Any = litellm.acompletion
        self.close_litellm_async_clients: Any = litellm.close_litellm_async_clients


def _library() -> _Library:
    return _Library()


def _arguments(body: bytes) -> dict[str, Any]:
    """Return what is handed to LiteLLM of a request.

    Raises:
        InvalidChat: the body isn't a JSON object, or a message links to something instead of having it.

    """
    try:
        asked = msgspec.json.decode(body)
        has_link = isinstance(asked, dict) and _has_link(asked.get("messages"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise InvalidChat("The body isn't a JSON object; expected a chat request.")
    if has_link:
        raise InvalidChat(
            "A message links to a picture or file, and this provider would have the gateway fetch it; send the data "
            'itself, as "data:image/png;base64,...".',
            field="messages",
        )
    return {name: value for name, value in asked.items() if name in PASSED_FIELDS}


def _has_link(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_link, value))
    if not isinstance(value, dict):
        return False
    links = (part for name, part in value.items() if name in _LINKS and isinstance(part, str))
    return any(not link.startswith("data:") for link in links) or any(map(_has_link, value.values()))
