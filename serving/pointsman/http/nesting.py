"""How deep a JSON text is nested, counted without decoding it."""

from typing import Final

import numpy as np

from pointsman.http.bodies import InvalidJson

_AT_ONCE: Final = 1 << 20
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
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    codes = np.frombuffer(body, dtype=np.uint8)
    deepest = depth = is_within = 0
    for first in range(0, len(codes), _AT_ONCE):
        part = codes[first : first + _AT_ONCE]
        quotes = np.cumsum(part == _QUOTE, dtype=np.int32) + is_within
        steps = np.where(quotes & 1, np.int8(0), _STEP[part])
        depths = np.cumsum(steps[steps != 0], dtype=np.int32) + depth
        if len(depths):
            deepest, depth = max(deepest, int(depths.max())), int(depths[-1])
        is_within = int(quotes[-1]) & 1
    return deepest
