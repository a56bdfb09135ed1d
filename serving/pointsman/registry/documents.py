"""Reading YAML and JSON files that people edit: plain data, and the line on which each part of it stands."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import yaml

from pointsman.errors import InvalidFile

MAX_FILE_BYTES: Final = 2_000_000


class Document(msgspec.Struct, frozen=True):
    """The plain data of a file, and the nodes that know its lines."""

    path: str
    data: Any
    root: Any

    def line_of(self, field: str | None) -> int:
        """Return the line of a path such as `models[2].price.output`, or of the deepest part of it that exists."""
        return self.line_at(re.findall(r"[^.\[\]]+", field or ""))

    def line_at(self, parts: Sequence[str]) -> int:
        """Return the line of a path whose keys may have dots in them, as `line_of` does."""
        node, line = self.root, self.root.start_mark.line if self.root else 0
        for part in parts:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line + 1


def _child(node: yaml.Node, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line, child
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == part), None)
    return None


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without aliases, which a few lines could blow up into gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = cast(Any, self).peek_event()
            raise yaml.MarkedYAMLError(
                problem=f"the alias *{event.anchor}; write the value out", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Return the data of a YAML file, or of a JSON file where the name ends in .json.

    Raises:
        InvalidFile: unreadable, too large, malformed, with an alias or a key given twice; the message names the line.

    """
    text = _read_text(Path(path))
    try:
        loader = _PlainLoader(text.replace("\t", " ") if _is_json(path) else text)
        root = loader.get_single_node()
        data = json.loads(text) if _is_json(path) else loader.construct_document(root) if root else None
    except json.JSONDecodeError as error:
        raise InvalidFile(f"{path}, line {error.lineno}: {error.msg}; expected JSON.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise InvalidFile(f"{path}{where}: {error.problem or error.context}; expected plain YAML.") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise InvalidFile(f"{path}: {error}; expected plain YAML or JSON.") from None
    except RecursionError:
        raise InvalidFile(f"{path} is nested too deeply; a fleet needs five levels.") from None
    _refuse_equal_keys(path, root)
    return Document(str(path), data, root)


def _is_json(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix.lower() == ".json"


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise InvalidFile(
                f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB; expected a list of model cards."
            )
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InvalidFile(f"{path} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidFile(f"{path}, line {line}: the text isn't UTF-8; save it as UTF-8.") from None


def _refuse_equal_keys(path: str | os.PathLike[str], root: yaml.Node | None) -> None:
    for node in _mappings(root):
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value in first:
                raise InvalidFile(
                    f"{path}, line {line}: the key {key.value!r} stands already on line {first[key.value]}; keep one."
                )
            first[key.value] = line


def _mappings(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
