"""The gateway's routes: chats in OpenAI's shape and Anthropic's, answered whole or as streams."""

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.chat import Protocol, error_body, read_chat
from pointsman.errors import PointsmanError
from pointsman.gateway import Executor, stream
from pointsman.gateway.asked import Asked
from pointsman.gateway.upstreams.wire import PASSED_HEADERS
from pointsman.http.bodies import decode, json_response, read_body
from pointsman.http.errors import status_of, waiting_headers
from pointsman.http.metrics import Metrics
from pointsman.http.principals import principal_of
from pointsman.http.queueing import step_aside
from pointsman.http.wishes import PREFIX, wishes_of

PATHS: Final[Mapping[str, Protocol]] = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
_LARGE_BYTES: Final = 64 << 10
"""A larger body is decoded in a thread, so that nobody else waits for it."""


class EventStream(Response):
    """Server-sent events as they come; whoever reads them may leave."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "cache-control": "no-store"})
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send every piece; the last one ends the response."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except OSError:
            return  # the caller hung up; what is left is read without it


class Chats:
    """Answers the chats of both protocols, and passes everything else on.

    It stands before the router of the application: what that does for every request would be a tenth of the time that
    the gateway takes for a chat.
    """

    def __init__(self, app: ASGIApp, executor: Executor, metrics: Metrics) -> None:
        self.app, self.executor, self.metrics = app, executor, metrics

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
            asked = await asked_of(request, protocol)
            if asked.can_wait:
                step_aside(request.scope["state"])
            if asked.chat.is_stream:
                streamed = await stream(self.executor, asked)
                return EventStream(streamed.pieces, headers_of(streamed.facts))
            answered = await self.executor.answer(asked)
        except PointsmanError as error:
            self.metrics.refused(error.code)
            return refusal(protocol, error)
        return Response(answered.body, 200, headers_of(answered.facts), "application/json")


class Place(NamedTuple):
    """Where a request went, for what counts requests by path."""

    path: str


async def asked_of(request: Request, protocol: Protocol) -> Asked:
    """Return what a request asks.

    Raises:
        InvalidInput: its body or a header can't be used.
    """
    body = await read_body(request)
    data = await to_thread.run_sync(decode, body) if len(body) > _LARGE_BYTES else decode(body)
    headers = request.headers
    chat, wishes = read_chat(protocol, data), wishes_of(headers)
    sent_on = {name: headers[name] for name in PASSED_HEADERS if name in headers}
    return Asked(chat, len(body), principal_of(request), wishes, headers=sent_on)


def headers_of(facts: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of an answer as headers."""
    return {PREFIX + name: value for name, value in facts.items()}


def refusal(protocol: Protocol, error: PointsmanError) -> Response:
    """Return an error in the shape of the caller's protocol."""
    return json_response(error_body(protocol, error), status_of(error), waiting_headers(error))
