"""Errors as each protocol's own clients read them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.words import Protocol
from pointsman.errors import PointsmanError, http_status

_OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_value(protocol: Protocol, error: PointsmanError) -> dict[str, Any]:
    """Return an error as the object that the protocol's clients expect, its type by HTTP status."""
    status = http_status(error)
    if protocol == "openai":
        type_ = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        return {"error": {"message": error.message, "type": type_, "param": error.field, "code": error.code}}
    type_ = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": type_, "message": error.message}}


def error_body(protocol: Protocol, error: PointsmanError) -> bytes:
    """Return an error as the body of an answer in the caller's protocol."""
    return msgspec.json.encode(error_value(protocol, error))
