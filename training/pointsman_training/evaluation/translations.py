"""Read translations of labelled tasks: JSONL lines {"id", "language", "text"}, `id` being the original's."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pointsman.errors import InvalidFile


class _Line(msgspec.Struct):
    id: str
    language: str
    text: str


def read_translations(paths: Iterable[str | os.PathLike[str]]) -> dict[str, dict[str, str]]:
    """Return the texts of all files by language, an ISO 639-1 code, and by the id of the original.

    Raises:
        InvalidFile: no such file, or a line that isn't a translation, is empty or repeats one; it is named.
    """
    texts: dict[str, dict[str, str]] = {}
    for path in map(Path, paths):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InvalidFile(f"{path} can't be read: {error.strerror}; expected JSONL of translations.") from None
        for number, raw in enumerate(lines, start=1):
            line = _parsed(raw, f"{path}, line {number}")
            of_language = texts.setdefault(line.language, {})
            if line.id in of_language:
                raise InvalidFile(f"{path}, line {number}: {line.id!r} is translated into {line.language!r} twice.")
            of_language[line.id] = line.text
    return texts


def _parsed(raw: bytes, place: str) -> _Line:
    try:
        line = msgspec.json.decode(raw, type=_Line)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{place}: {error}; expected an object with id, language and text.") from None
    if not line.text.strip():
        raise InvalidFile(f"{place}: text is empty; expected the translation.")
    return line
