"""The gateway's routes: chats in OpenAI's shape and Anthropic's, answered whole or as streams."""

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.access import RateLimiter
from pointsman.chat import Protocol, input_estimate, read_chat
from pointsman.errors import PointsmanError
from pointsman.gateway import Executor, Streamed, stream
from pointsman.gateway.asked import Asked
from pointsman.gateway.engine import CALLER_LEFT
from pointsman.gateway.upstreams.wire import PASSED_HEADERS
from pointsman.http.bodies import decode, read_body
from pointsman.http.metering import meter
from pointsman.http.metrics import Metrics
from pointsman.http.principals import principal_of
from pointsman.http.queueing import step_aside, unless_gone
from pointsman.http.refusals import refusal
from pointsman.http.wishes import PREFIX, wishes_of

PATHS: Final[Mapping[str, Protocol]] = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
_LARGE_BYTES: Final = 64 << 10
"""A larger body is decoded in a thread, so that nobody else waits for it."""


class EventStream(Response):
    """Server-sent events as they come; whoever reads them may leave."""

    media_type = "text/event-stream"

    def __init__(self, streamed: Streamed) -> None:
        super().__init__(headers={**headers_of(streamed.facts), "cache-control": "no-store"})
        del self.headers["content-length"]
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send every piece; the last one ends the response, or that the caller hung up."""
        gone = asyncio.ensure_future(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for piece in self._streamed.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except OSError:  # the caller hung up; uvicorn never says so here, other servers do
            self._streamed.leave()
        finally:
            gone.cancel()

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._streamed.leave()


class Chats:
    """Answers the chats of both protocols, and passes everything else on.

    It stands before the router of the application: what that does for every request would be a tenth of the time that
    the gateway takes for a chat.
    """

    def __init__(self, app: ASGIApp, executor: Executor, metrics: Metrics, limiter: RateLimiter) -> None:
        self.app, self.executor, self.metrics, self.limiter = app, executor, metrics, limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a chat, or run the application."""
        protocol = PATHS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if protocol is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = Place(scope["path"])
        response = await self._answer(Request(scope, receive), protocol)
        await response(scope, receive, send)

    async def _answer(self, request: Request, protocol: Protocol) -> Response:
        try:
            asked = await asked_of(request, protocol, self.limiter)
            if asked.can_wait:
                step_aside(request.scope["state"])
            if asked.chat.is_stream:
                return EventStream(await stream(self.executor, asked))
            answer = self.executor.answer(asked)
            answered = await (unless_gone(request.receive, answer) if asked.can_wait else answer)
        except PointsmanError as error:
            self.metrics.refused(error.code)
            return refusal(request.url.path, error)
        if answered is None:
            return Response(status_code=CALLER_LEFT)
        return Response(answered.body, 200, headers_of(answered.facts), "application/json")


class Place(NamedTuple):
    """Where a request went, for what counts requests by path."""

    path: str


async def asked_of(request: Request, protocol: Protocol, limiter: RateLimiter) -> Asked:
    """Return what a request asks.

    Raises:
        InvalidInput: its body or a header can't be used.
        RateLimited: its key has no room for so many tokens.
    """
    body = await read_body(request)
    data = await to_thread.run_sync(decode, body) if len(body) > _LARGE_BYTES else decode(body)
    headers = request.headers
    chat, wishes = read_chat(protocol, data), wishes_of(headers)
    sent_on = {name: headers[name] for name in PASSED_HEADERS if name in headers}
    spent = meter(request, limiter, input_estimate(chat))
    return Asked(chat, len(body), principal_of(request), wishes, headers=sent_on, spent=spent)


def headers_of(facts: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of an answer as headers."""
    return {PREFIX + name: value.encode("ascii", "backslashreplace").decode() for name, value in facts.items()}
