"""What is wrong with a configuration, and where: every mistake is kept, so that one reading names them all."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, TypeVar

import msgspec

from pointsman.errors import PointsmanError
from pointsman.registry.documents import Document

T = TypeVar("T")
Path = tuple[str, ...]
"""The keys that lead to a value; a key may have dots in it, as model ids do."""

_MAX_NAMES: Final = 30
_LEAST_HIDDEN: Final = 8
_SAID: Final = 40


class Remark(msgspec.Struct, frozen=True):
    """One mistake or warning: the file and line, or the variable, that it is about."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class Remarks:
    """Collects mistakes and warnings while a configuration is read; `variables` says what the environment set."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.variables: dict[Path, str] = {}
        self._blanks: set[Path] = set()
        self._hidden: dict[str, str] = {}
        self._mistakes: list[tuple[int, Remark]] = []
        self._warnings: list[tuple[int, Remark]] = []

    @property
    def mistakes(self) -> tuple[Remark, ...]:
        """What must be changed, in the file's order."""
        return _in_order(self._mistakes)

    @property
    def warnings(self) -> tuple[Remark, ...]:
        """What works, and probably isn't meant, in the file's order."""
        return _in_order(self._warnings)

    def mistake(self, path: Path, message: str) -> None:
        """Keep what is wrong with the value at a path, unless it is blank because a variable isn't set."""
        if path not in self._blanks:
            self._mistakes.append(self._at(path, message))

    def blank(self, path: Path, message: str) -> None:
        """Keep why there is no value at a path; what else may be said of it follows from that."""
        self.mistake(path, message)
        self._blanks.add(path)

    def warn(self, path: Path, message: str) -> None:
        """Keep what is odd about the value at a path."""
        self._warnings.append(self._at(path, message))

    def hide(self, value: str, source: str) -> None:
        """Show the name of its source wherever a value of the environment, which may be a secret, would be said."""
        if len(value) >= _LEAST_HIDDEN:
            self._hidden[value] = f"<the value of {source}>"

    def mistake_of(self, variable: str, message: str) -> None:
        """Keep what is wrong with a variable of the environment."""
        self._mistakes.append((0, Remark(variable, message)))

    def warn_of(self, variable: str, message: str) -> None:
        """Keep what is odd about a variable of the environment."""
        self._warnings.append((0, Remark(variable, message)))

    def unknown(self, path: Path, known: Iterable[str]) -> None:
        """Keep that the last key of a path is no known one, and which was perhaps meant."""
        self.mistake(path, f"{dotted(path)} is no known setting; {closest(path[-1], known)}")

    def _at(self, path: Path, message: str) -> tuple[int, Remark]:
        for length in range(len(path), 0, -1):
            if variable := self.variables.get(path[:length]):
                return 0, Remark(variable, self._without_hidden(message))
        line = self._document.line_at(path)
        return line, Remark(f"{self._document.path}, line {line}", self._without_hidden(message))

    def _without_hidden(self, message: str) -> str:
        for value in sorted(self._hidden, key=len, reverse=True):  # messages cut long values short, so a part counts
            pattern = re.escape(value[:_SAID]) + (r"[^\s']*" if len(value) > _SAID else "")
            message = self._hidden[value].join(re.split(f"'?{pattern}'?", message))
        return message


def _in_order(remarks: Sequence[tuple[int, Remark]]) -> tuple[Remark, ...]:
    return tuple(dict.fromkeys(remark for _, remark in sorted(remarks, key=lambda pair: pair[0])))


def dotted(path: Path) -> str:
    """Return a path as people write it: "retries.attempts"."""
    return ".".join(path)


def closest(name: str, known: Iterable[str]) -> str:
    """Return the words that point from a name nobody knows to those that are known."""
    names = list(known)
    if close := get_close_matches(str(name)[:100].lower(), names, n=2, cutoff=0.6):
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")
    return f"expected any of {shown}." if names else "expected none."


def mapping_at(data: object, path: Path, remarks: Remarks, holding: str) -> Mapping[str, object]:
    """Return a mapping whose keys are texts, empty where there is none; what is none is kept as a mistake."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        remarks.mistake(path, f"{dotted(path) or 'the file'} is {shape(data)}; expected a mapping of {holding}.")
        return {}
    for key in data:
        if not isinstance(key, str):
            remarks.mistake(path, f"{dotted(path) or 'the file'} has the key {key!r:.80}; write it in quotes, as text.")
    return {key: value for key, value in data.items() if isinstance(key, str)}


def shape(value: object) -> str:
    """Return what kind of thing a value is, in YAML's words, without the value."""
    shapes: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "true or false"), (str, "a text"), ((int, float), "a number"), ((list, tuple), "a list"),
        (Mapping, "a mapping"), (type(None), "empty"),
    ]  # fmt: skip
    return next((name for kind, name in shapes if isinstance(value, kind)), type(value).__name__)


def each_mistake(parse: Callable[[], T], drop: Callable[[PointsmanError], bool]) -> T | None:
    """Return what `parse` returns; after each error `drop` removes its cause and says whether to try again."""
    while True:
        try:
            return parse()
        except PointsmanError as error:
            if not drop(error):
                return None
