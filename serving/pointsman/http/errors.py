"""Every refusal in one shape: {"error": {"code", "message", "field"}}."""

import logging
import math
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import UNSET, UnsetType
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointsman.errors import (
    BudgetExceeded,
    LedgerUnavailable,
    Overloaded,
    PointsmanError,
    RateLimited,
    UpstreamError,
    http_status,
)
from pointsman.http.bodies import BodyTimeout, BodyTooLarge, InvalidJson, json_response
from pointsman.http.credentials import InvalidHeaders, UnsupportedEncoding
from pointsman.http.metrics import Metrics

_LOG: Final = logging.getLogger("pointsman.http")
_STATUS: Final[Mapping[type[PointsmanError], int]] = {
    InvalidJson: 400,
    InvalidHeaders: 400,
    BodyTimeout: 408,
    BodyTooLarge: 413,
    UnsupportedEncoding: 415,
}


class BudgetDetails(msgspec.Struct, frozen=True):
    """The limit that has no room: amounts count the `unit`; `window_end` is None where waiting can't help."""

    scope: str
    window: str
    unit: str
    limit: int
    posted: int
    held: int
    asked: int
    window_end: datetime | None


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: `code` is stable, `message` is for people, `field` names the place where there is one.

    `details` are there where a budget has no room.
    """

    code: str
    message: str
    field: str | None = None
    details: BudgetDetails | UnsetType = UNSET


class ErrorReply(msgspec.Struct, frozen=True):
    """The reply to a request, or to one task of a batch, that was refused."""

    error: ErrorBody


def error_reply(error: PointsmanError) -> ErrorReply:
    """Return the reply that tells of an error."""
    details: BudgetDetails | UnsetType = UNSET
    if isinstance(error, BudgetExceeded):
        names = BudgetDetails.__struct_fields__
        details = BudgetDetails(**{name: getattr(error, name) for name in names})
    return ErrorReply(ErrorBody(error.code, error.message, error.field, details))


def install_error_replies(app: FastAPI, metrics: Metrics) -> None:
    """Answer the errors that callers cause in the one shape, and count them by code."""

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, PointsmanError)
        metrics.refused(error.code)
        return json_response(msgspec.json.encode(error_reply(error)), status_of(error), waiting_headers(error))

    async def refuse_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).name.lower()
        metrics.refused(code)
        message = f"{request.method} {request.url.path}: {error.detail}. The endpoints are listed at /docs."
        body = msgspec.json.encode(ErrorReply(ErrorBody(code, message)))
        return json_response(body, error.status_code, dict(error.headers or {}))

    app.add_exception_handler(PointsmanError, refuse)
    app.add_exception_handler(HTTPException, refuse_request)


def status_of(error: PointsmanError) -> int:
    """Return the HTTP status of an error, also of those that only a server has."""
    return _STATUS.get(type(error)) or http_status(error)


def waiting_headers(error: PointsmanError) -> dict[str, str] | None:
    """Return the headers that say when to try again, where an error knows."""
    if isinstance(error, LedgerUnavailable | RateLimited | Overloaded):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, UpstreamError) and error.retry_after_s is not None:
        return {"Retry-After": str(math.ceil(error.retry_after_s))}
    return None


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
