"""Request bodies: read within a limit, decoded strictly; the reply, worked out where it blocks nobody else."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from anyio import to_thread
from fastapi import Request, Response
from starlette.types import Receive

from pointsman.errors import InvalidInput, InvalidTask

MAX_BODY_BYTES: Final = 32 << 20
MAX_TASKS: Final = 10_000
_MAX_LENGTH_DIGITS: Final = 19
BODY: Final = "body"
"""Where the scope's state has the body, once it was read."""

MAX_INLINE_BYTES: Final = 64 << 10
"""A larger body is worked on in a thread: decoding it takes longer than handing it over."""


class BodyTooLarge(InvalidInput):
    """The body has more bytes than may be."""

    code = "body_too_large"


class BodyTimeout(InvalidInput):
    """The body took too long to come."""

    code = "body_timeout"


class InvalidJson(InvalidInput):
    """The body isn't JSON; the message says from which byte on."""

    code = "invalid_json"


async def read_body(request: Request) -> bytes:
    """Return the whole body; one that the guard has read is at hand.

    Raises:
        BodyTooLarge, InvalidJson: as `received`.
    """
    known: bytes | None = request.scope.get("state", {}).get(BODY)
    if known is not None:
        return known
    return await received(request.receive, request.headers.get("content-length", "").encode())


async def received(receive: Receive, stated: bytes, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the whole body, refusing it as soon as it is known to be too large; `stated` is its Content-Length.

    Raises:
        BodyTooLarge: it states, or turns out to have, more than `max_bytes`.
        InvalidJson: it broke off.
    """
    if stated.isdigit() and len(stated) < _MAX_LENGTH_DIGITS and int(stated) > max_bytes:
        raise _too_large(max_bytes)
    message = await receive()
    body = bytearray(message.get("body", b""))
    while message.get("more_body") and len(body) <= max_bytes:
        message = await receive()
        body += message.get("body", b"")
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if message["type"] == "http.disconnect":
        raise InvalidJson(f"The body broke off after byte {len(body)}; expected JSON.")
    return bytes(body)


def _too_large(max_bytes: int) -> BodyTooLarge:
    size = f"{max_bytes >> 20} MB" if max_bytes >= 1 << 20 else f"{max_bytes:,} bytes"
    return BodyTooLarge(f"The body is larger than {size}; send fewer tasks in each request.")


def decode(body: bytes) -> object:
    """Return what a JSON body holds.

    Raises:
        InvalidJson: no JSON, NaN or Infinity, a number out of range, or nested too deep.
    """
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body isn't UTF-8: {error.reason} in a text; expected JSON in UTF-8.") from None
    except RecursionError:
        raise InvalidJson("The body is nested too deep; expected the JSON of a request.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(_explained(str(error), body)) from None


def _explained(message: str, body: bytes) -> str:
    if not body:
        return "The body is empty; expected JSON."
    found = re.search(r"\(byte (\d+)\)", message)
    at = int(found[1]) if found else len(body)
    if body[at:].startswith((b"NaN", b"Infinity")):
        return f"The body has NaN or Infinity at byte {at}, which isn't JSON; expected a finite number, or null."
    if "truncated" in message:
        return f"The body ends too early, after byte {at}, or has a broken text; expected JSON."
    return f"The body isn't JSON: {message.removeprefix('JSON is malformed: ')}."


def task_list(fields: dict[str, Any]) -> list[object]:
    """Return the tasks of a request.

    Raises:
        InvalidTask: none, or more than `MAX_TASKS`.
    """
    tasks: list[object] = fields.get("tasks", [])
    if not 1 <= len(tasks) <= MAX_TASKS:
        raise InvalidTask(f"tasks has {len(tasks):,} entries; expected a list of 1 to {MAX_TASKS:,}.", field="tasks")
    return tasks


async def reply(request: Request, work: Callable[[bytes], bytes], *, is_long: bool = False) -> Response:
    """Return the JSON that `work` makes of the body; long work runs in a thread, so that nobody waits for it."""
    body = await read_body(request)
    is_long = is_long or len(body) > MAX_INLINE_BYTES
    return json_response(await to_thread.run_sync(work, body) if is_long else work(body))


def json_response(data: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response of encoded JSON."""
    return Response(data, status, headers, media_type="application/json")
