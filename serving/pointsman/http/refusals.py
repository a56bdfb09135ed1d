"""A refusal in the shape of the protocol that the caller speaks."""

from typing import Any, Final

import msgspec
from fastapi import Response

from pointsman.access.roles import subject_of
from pointsman.errors import PointsmanError
from pointsman.http.bodies import json_response
from pointsman.http.errors import error_reply, status_of, waiting_headers

_OPENAI: Final = ("/chat/completions", "/models")
_ANTHROPIC: Final = ("/messages",)
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OPENAI_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def refusal(path: str, error: PointsmanError) -> Response:
    """Return the response that tells of an error to whoever asked for that address."""
    status = status_of(error)
    headers = waiting_headers(error) or {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return json_response(msgspec.json.encode(error_body(path, error)), status, headers)


def error_body(path: str, error: PointsmanError) -> Any:
    """Return the body: Anthropic's shape below /v1/messages, OpenAI's for chats and models, else ours."""
    status, subject = status_of(error), subject_of(path)
    if subject in _ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": error.message}}
    if subject in _OPENAI:
        kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        return {"error": {"message": error.message, "type": kind, "param": error.field, "code": error.code}}
    return error_reply(error)
