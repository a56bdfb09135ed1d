"""Read labelled tasks: JSONL lines {"id", "text", "type", "complexity"}."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidFile, InvalidTask
from pointsman.types import COMPLEXITIES, TASK_TYPES, task_type

Integers = npt.NDArray[np.int64]


class _Line(msgspec.Struct):
    id: str
    text: str
    type: str
    complexity: str


@dataclass(frozen=True)
class LabelledTasks:
    """n tasks with `complexity` and `type` as indices into `COMPLEXITIES` and `TASK_TYPES`."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    complexity: Integers
    type: Integers
    digests: dict[str, str]

    def __len__(self) -> int:
        return len(self.ids)


def read_tasks(paths: Iterable[str | os.PathLike[str]]) -> LabelledTasks:
    """Return the tasks of all JSONL files named or lying in the directories named.

    Raises:
        InvalidFile: a line that isn't JSON, lacks a field, or has an unknown type, label or a repeated id; the message
            names file and line.
    """
    lines: list[_Line] = []
    digests = {}
    seen: dict[str, str] = {}
    for path in _jsonl_files(paths):
        data = path.read_bytes()
        digests[path.name] = hashlib.sha256(data).hexdigest()
        for number, raw in enumerate(data.splitlines(), start=1):
            if raw.strip():
                line = _parse(raw, f"{path}, line {number}")
                if line.id in seen:
                    raise InvalidFile(f"{path}, line {number}: id {line.id!r} was used in {seen[line.id]} already.")
                seen[line.id] = f"{path.name}, line {number}"
                lines.append(line)
    return LabelledTasks(
        ids=tuple(line.id for line in lines),
        texts=tuple(line.text for line in lines),
        complexity=np.array([COMPLEXITIES.index(line.complexity) for line in lines], dtype=np.int64),
        type=np.array([TASK_TYPES.index(line.type) for line in lines], dtype=np.int64),
        digests=digests,
    )


def _jsonl_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for given in map(Path, paths):
        found = sorted(given.glob("*.jsonl")) if given.is_dir() else [given]
        if not found or not found[0].is_file():
            raise InvalidFile(f"{given} is no file of labelled tasks and holds none; expected JSONL.")
        files += found
    return files


def _parse(raw: bytes, place: str) -> _Line:
    try:
        line = msgspec.json.decode(raw, type=_Line)
        line.type = task_type(line.type)
    except msgspec.ValidationError as error:
        raise InvalidFile(f"{place}: {error}; expected id, text, type and complexity.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{place} isn't JSON: {error}.") from None
    except InvalidTask as error:
        raise InvalidFile(f"{place}: {error}") from None
    if line.complexity not in COMPLEXITIES:
        raise InvalidFile(f"{place}: complexity is {line.complexity!r}; expected one of {', '.join(COMPLEXITIES)}.")
    return line
