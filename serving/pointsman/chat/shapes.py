"""What the values of a request must be; a refusal names path and kind, and never repeats what the caller wrote."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pointsman.errors import InvalidChat

_WORD: Final = re.compile(r"[\w.-]{1,32}", re.ASCII)
_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
)


def wrong(path: str, value: object, expected: str) -> InvalidChat:
    """Return the refusal of a value that isn't what its place expects."""
    return InvalidChat(f"{path} is {kind(value)}; expected {expected}.", field=path)


def kind(value: object) -> str:
    """Return what a value is without what it says: a number or a short word as it is, else its kind."""
    if value is None:
        return "missing or null"
    if value in ("", [], {}):
        return f"an empty {'text' if value == '' else 'list' if value == [] else 'object'}"
    if isinstance(value, int | float) and abs(value) < 1e12:
        return str(value).lower()
    return next((name for types, name in _KINDS if isinstance(value, types)), "not JSON")


def word(value: object) -> str:
    """Return a value that should be one of a protocol's words: quoted where it is a short word, else its kind."""
    return f'"{value}"' if isinstance(value, str) and _WORD.fullmatch(value) else kind(value)


def text(value: object, path: str) -> str:
    """Return a text that may be empty, else refuse it."""
    if not isinstance(value, str):
        raise wrong(path, value, "a text")
    return value


def name(value: object, path: str, what: str) -> str:
    """Return a text that isn't empty, else refuse it; `what` says what was expected."""
    if not isinstance(value, str) or not value:
        raise wrong(path, value, what)
    return value


def mapping(value: object, path: str, what: str = "an object") -> dict[str, Any]:
    """Return an object, else refuse it; `what` says what was expected."""
    if not isinstance(value, dict):
        raise wrong(path, value, what)
    return value


def items(value: object, path: str, what: str) -> list[Any]:
    """Return a list of at least one item, else refuse it; `what` says of what."""
    if not isinstance(value, list) or not value:
        raise wrong(path, value, f"a list of at least one {what}")
    return value


def optional_text(body: Mapping[str, Any], field: str, path: str = "") -> str | None:
    """Return a field's text, None where it is absent or null."""
    value = body.get(field)
    return None if value is None else text(value, path + field)


def optional_flag(body: Mapping[str, Any], field: str, path: str = "") -> bool:
    """Return a field's boolean, False where it is absent or null."""
    value = body.get(field)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong(path + field, value, "true or false")


def optional_count(body: Mapping[str, Any], field: str) -> int | None:
    """Return a field's whole number from 1 to 1e9, None where it is absent or null."""
    value = body.get(field)
    if value is None or (type(value) is int and 1 <= value <= 1_000_000_000):
        return value
    raise wrong(field, value, "a whole number of at least 1")


def optional_number(body: Mapping[str, Any], field: str) -> float | None:
    """Return a field's finite number, None where it is absent or null."""
    value = body.get(field)
    if value is None or (type(value) in (int, float) and math.isfinite(value)):
        return value
    raise wrong(field, value, "a finite number")


def check_stops(body: Mapping[str, Any], field: str, *, may_be_text: bool) -> None:
    """Refuse stop sequences that aren't a list of texts (or, for OpenAI, one text)."""
    value = body.get(field)
    if value is None or (may_be_text and isinstance(value, str)):
        return
    if not isinstance(value, list) or not all(isinstance(stop, str) for stop in value):
        raise wrong(field, value, "a list of texts")
