"""How deep a JSON text is nested, counted without decoding it."""

from typing import Final

import numpy as np

from pointsman.http.bodies import InvalidJson

_AT_ONCE: Final = 1 << 18
_QUOTE: Final = ord('"')
_STEP: Final = np.zeros(256, dtype=np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


def check_depth(body: bytes, max_depth: int) -> None:
    """Refuse JSON whose lists and objects are nested deeper than that; the work is linear in the body.

    Raises:
        InvalidJson: it is nested too deep.
    """
    if body.count(b"{") + body.count(b"[") > max_depth and depth_of(body) > max_depth:
        raise InvalidJson(f"The body is nested more than {max_depth} deep; expected the JSON of a request.")


def depth_of(body: bytes) -> int:
    """Return the depth of a JSON text: 1 for "[]", 0 for a number. Of a text that is none, that of its valid start."""
    deepest = depth = is_within = first = 0
    while first < len(body):
        part = _part(body, first)
        first += len(part)
        codes = np.frombuffer(part.replace(b"\\\\", b"").replace(b'\\"', b""), dtype=np.uint8)
        quotes = np.cumsum(codes == _QUOTE, dtype=np.int32) + is_within
        steps = np.where(quotes & 1, np.int8(0), _STEP[codes])
        depths = np.cumsum(steps[steps != 0], dtype=np.int32) + depth
        if len(depths):
            deepest, depth = max(deepest, int(depths.max())), int(depths[-1])
        if len(quotes):
            is_within = int(quotes[-1]) & 1
    return deepest


def _part(body: bytes, first: int) -> bytes:
    """Return the next bytes, cut where no escape is cut in two: small, so that other threads run in between."""
    part = body[first : first + _AT_ONCE]
    escapes = len(part) - len(part.rstrip(b"\\"))
    return part[:-1] if escapes % 2 and len(part) > 1 else part
