"""Every refusal in one shape: {"error": {"code", "message", "field"}}."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointsman.errors import PointsmanError, http_status
from pointsman.http.bodies import BodyTooLarge, InvalidJson, json_response
from pointsman.http.metrics import Metrics

_LOG: Final = logging.getLogger("pointsman.http")
_STATUS: Final[Mapping[type[PointsmanError], int]] = {InvalidJson: 400, BodyTooLarge: 413}


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: `code` is stable, `message` is for people, `field` names the place where there is one."""

    code: str
    message: str
    field: str | None = None


class ErrorReply(msgspec.Struct, frozen=True):
    """The reply to a request, or to one task of a batch, that was refused."""

    error: ErrorBody


def error_reply(error: PointsmanError) -> ErrorReply:
    """Return the reply that tells of an error."""
    return ErrorReply(ErrorBody(error.code, error.message, error.field))


def install_error_replies(app: FastAPI, metrics: Metrics) -> None:
    """Answer the errors that callers cause in the one shape, and count them by code."""

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, PointsmanError)
        metrics.refused(error.code)
        status = _STATUS.get(type(error)) or http_status(error)
        return json_response(msgspec.json.encode(error_reply(error)), status)

    async def refuse_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).name.lower()
        metrics.refused(code)
        message = f"{request.method} {request.url.path}: {error.detail}. The endpoints are listed at /docs."
        body = msgspec.json.encode(ErrorReply(ErrorBody(code, message)))
        return json_response(body, error.status_code, dict(error.headers or {}))

    app.add_exception_handler(PointsmanError, refuse)
    app.add_exception_handler(HTTPException, refuse_request)


class Boundary:
    """The one place where an unexpected error ends: logged whole, answered without details."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        has_started = False

        async def noting_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except Exception:
            if scope["type"] != "http" or has_started:
                raise
            _LOG.exception("unexpected error in %s %s", scope["method"], scope["path"])
            body = ErrorBody("internal", "The server failed unexpectedly; its log says why.")
            await json_response(msgspec.json.encode(ErrorReply(body)), 500)(scope, receive, send)
