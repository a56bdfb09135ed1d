"""JSON Lines files: one JSON object a line, each with its place for messages; "-" is standard input."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any, BinaryIO, Final

import msgspec

from pointsman.errors import InvalidFile, InvalidTask

STANDARD: Final = "-"
MAX_LINE_BYTES: Final = 16 << 20


class Line(msgspec.Struct, frozen=True):
    """The data of one line; `place` names it in messages: "tasks.jsonl, line 17"."""

    place: str
    data: Any


def read_lines(path: str) -> Iterator[Line]:
    """Yield the lines of a JSON Lines file that aren't blank.

    Raises:
        InvalidFile: unreadable, without a line, or with a line that is too long, not UTF-8 or not JSON.
    """
    name = "standard input" if path == STANDARD else path
    is_empty = True
    try:
        with nullcontext(sys.stdin.buffer) if path == STANDARD else open(path, "rb") as file:
            for number, raw in enumerate(_raw_lines(file), start=1):
                text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if not text.isspace() and text:
                    is_empty = False
                    place = f"{name}, line {number}"
                    yield Line(place, _parse(text, place))
    except OSError as error:
        raise InvalidFile(f"{name} can't be read: {error.strerror}.") from None
    if is_empty:
        raise InvalidFile(f"{name} is empty; expected one JSON object per line.")


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.readline(MAX_LINE_BYTES + 1):
        yield raw


def _parse(raw: bytes, place: str) -> Any:
    if len(raw) > MAX_LINE_BYTES:
        raise InvalidFile(f"{place}: the line is longer than {MAX_LINE_BYTES >> 20} MB; expected one task per line.")
    try:
        return msgspec.json.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{place}: byte {error.start + 1} isn't UTF-8; save the file as UTF-8.") from None
    except msgspec.DecodeError as error:
        raise InvalidFile(f"{place}: {error}; expected one JSON object per line.") from None
    except RecursionError:
        raise InvalidFile(f"{place}: nested too deeply; expected one JSON object per line.") from None


def refuse_equal_ids(ids: Iterable[tuple[str, str | int | None]]) -> None:
    """Refuse an id that stands on two lines; the pairs are (place, id), None for a line without id.

    Raises:
        InvalidTask: the message names both places.
    """
    first_of: dict[str | int, str] = {}
    for place, name in ids:
        if name is not None and (first := first_of.setdefault(name, place)) != place:
            raise InvalidTask(f"{place}: id {name!r} stands already on {first}; ids must differ.", field="id")
