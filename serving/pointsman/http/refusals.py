"""A refusal in the shape of the protocol that the caller speaks."""

from collections.abc import Mapping
from typing import Final

import msgspec
from fastapi import Response

from pointsman.access.roles import subject_of
from pointsman.chat import Protocol, error_body
from pointsman.errors import PointsmanError
from pointsman.http.bodies import json_response
from pointsman.http.errors import error_reply, status_of, waiting_headers

_PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "/chat/completions": "openai",
    "/models": "openai",
    "/messages": "anthropic",
}


def refusal(path: str, error: PointsmanError) -> Response:
    """Return the response that tells of an error to whoever asked for that address: in OpenAI's shape, or ours."""
    status, protocol = status_of(error), _PROTOCOLS.get(subject_of(path))
    headers = waiting_headers(error) or {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(error_reply(error)) if protocol is None else error_body(protocol, error)
    return json_response(body, status, headers)
