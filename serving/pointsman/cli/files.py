"""JSON Lines in, whole files out; "-" is standard input or output."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
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


def check_output(path: str) -> None:
    """Refuse an output that can't be written, before any work is spent on it.

    Raises:
        InvalidFile: it is a directory, or its directory doesn't exist.
    """
    target = Path(path)
    if path == STANDARD:
        return
    if target.is_dir():
        raise InvalidFile(f"{path} is a directory; expected the name of a file to write.")
    if not target.parent.is_dir():
        raise InvalidFile(f"{path} can't be written: there is no directory {target.parent}; create it first.")


def write_whole(path: str, lines: Iterable[bytes]) -> None:
    """Write lines to a file that appears whole or not at all, however far `lines` come; a former file is replaced.

    Raises:
        InvalidFile: the file can't be written.
    """
    check_output(path)
    if path == STANDARD:
        _write(sys.stdout.buffer, lines)
        return
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file():  # a device or pipe can't be replaced by a file
            with target.open("wb") as file:
                _write(file, lines)
        else:
            _replace(target, lines)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidFile(f"{path} can't be written: {error.strerror}.") from None


def _replace(target: Path, lines: Iterable[bytes]) -> None:
    scratch = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    try:
        with scratch.open("xb") as file:
            _write(file, lines)
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _write(file: BinaryIO, lines: Iterable[bytes]) -> None:
    for line in lines:
        file.write(line + b"\n")
    file.flush()
