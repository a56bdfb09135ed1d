"""Decode what providers call JSON."""

import json
import math
from typing import Any

import msgspec


def decoded_json(data: bytes) -> Any:
    """Return a provider's JSON; NaN and numbers beyond any float are null, halves of surrogate pairs question marks.

    Python's own servers write both, and an answer with them is an answer.

    Raises:
        ValueError: the data isn't JSON.

    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError from None
    except (msgspec.MsgspecError, UnicodeError):
        return _decoded_leniently(data)


def _decoded_leniently(data: bytes) -> Any:
    try:
        value = json.loads(data.decode(), parse_constant=lambda _: None, parse_float=_finite)
        return msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (RecursionError, msgspec.MsgspecError) as error:
        raise ValueError from error


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
