"""Tasks as JSON, read strictly: a misspelt field or a budget in quotes is refused, never guessed."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from pointsman.errors import InvalidTask
from pointsman.types import Constraints, Task

_MAX_NAME_CHARACTERS: Final = 1_000
_MAX_SHOWN_CHARACTERS: Final = 80


class Kind(msgspec.Struct, frozen=True):
    """What a field may hold: a test, and the words for it."""

    expected: str
    accepts: Callable[[object], bool]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_NAME_CHARACTERS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _is_tags(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_name(key) and _is_name(text) for key, text in value.items())


TEXT: Final = Kind("a text", lambda value: isinstance(value, str))
NAME: Final = Kind(f"a text of at most {_MAX_NAME_CHARACTERS:,} characters", _is_name)
ID: Final = Kind("a text or a whole number", lambda value: type(value) is int or _is_name(value))
NAMES: Final = Kind("a list of names", lambda value: isinstance(value, list) and all(map(_is_name, value)))
LIST: Final = Kind("a list", lambda value: isinstance(value, list))
NUMBER: Final = Kind("a finite number, not in quotes", _is_number)
_COUNT: Final = Kind("a whole number, not in quotes", lambda value: type(value) is int)
_TAGS: Final = Kind('an object of texts, such as {"team": "search"}', _is_tags)
_OBJECT: Final = Kind("an object", lambda value: isinstance(value, Mapping))

ALIASES: Final[Mapping[str, str]] = {"text": "description", "budget": "budget_usd"}
"""Other names that a task's fields may go by."""

_TASK_KINDS: Final[Mapping[str, Kind]] = {
    "description": TEXT,
    "type": NAME,
    "budget_usd": NUMBER,
    "constraints": _OBJECT,
    "tags": _TAGS,
    "id": NAME,
}
_CONSTRAINT_KINDS: Final[Mapping[str, Kind]] = {
    "capabilities": NAMES,
    "models": NAMES,
    "exclude": NAMES,
    "max_latency_ms": NUMBER,
    "min_quality": NUMBER,
    "input_tokens": _COUNT,
    "max_output_tokens": _COUNT,
}
_NO_ALIASES: Final[Mapping[str, str]] = {}


def task_from_dict(data: object, place: str = "") -> Task:
    """Return the task of decoded JSON: {"description" | "text", "type"?, "budget_usd" | "budget"?, ...}.

    A field that is null counts as left out. `place` says where the data stands ("tasks[3]", "tasks.jsonl, line 17").

    Raises:
        InvalidTask: what can't be used, by the caller's name of the field; place and field are joined in `field`.
    """
    with located(place):
        fields = read_object(data, _TASK_KINDS, aliases=ALIASES)
        if "description" not in fields:
            raise InvalidTask("description is missing; expected the text of the task.", field="description")
        if "constraints" in fields:
            fields["constraints"] = Constraints(**read_object(fields["constraints"], _CONSTRAINT_KINDS, "constraints"))
        try:
            return Task(**fields)
        except InvalidTask as error:
            raise _in_the_callers_words(error, data) from None


def read_object(
    data: object, kinds: Mapping[str, Kind], name: str = "", aliases: Mapping[str, str] = _NO_ALIASES
) -> dict[str, Any]:
    """Return the fields of a JSON object by their canonical names, nulls left out; `name` is the object's own.

    Raises:
        InvalidTask: no object, an unknown field, a field under two names, or a value of another kind.
    """
    if not isinstance(data, Mapping):
        expected = f"an object with any of {', '.join(kinds)}"
        raise InvalidTask(f"{name or 'The JSON'} is {_shown(data)}; expected {expected}.", field=name or None)
    fields: dict[str, Any] = {}
    for key, value in data.items():
        field = aliases.get(key, key)
        path = f"{name}.{key}" if name else key
        if field not in kinds:
            shown = path if len(path) <= _MAX_SHOWN_CHARACTERS else path[:_MAX_SHOWN_CHARACTERS] + "..."
            raise InvalidTask(f"{shown} is no known field; expected any of {', '.join(kinds)}.", field=shown)
        if value is None:
            continue
        if field in fields:
            other = field if key != field else next(alias for alias in data if aliases.get(alias) == field)
            raise InvalidTask(f"{key} and {other} are two names of one thing; keep one of them.", field=path)
        if not kinds[field].accepts(value):
            raise InvalidTask(f"{path} is {_shown(value)}; expected {kinds[field].expected}.", field=path)
        fields[field] = value
    return fields


def refuse_equal_ids(ids: Iterable[str | int | None], name: str = "tasks") -> None:
    """Refuse the first id that stands twice; `name` is the list's.

    Raises:
        InvalidTask: the message names both places.
    """
    first_of: dict[str | int, int] = {}
    for index, task_id in enumerate(ids):
        if task_id is not None and (first := first_of.setdefault(task_id, index)) != index:
            field = f"{name}[{index}].id"
            raise InvalidTask(f"{field} is {_shown(task_id)}, as is {name}[{first}].id; ids must differ.", field=field)


@contextmanager
def located(place: str) -> Iterator[None]:
    """Say in every InvalidTask raised inside where the data stands."""
    try:
        yield
    except InvalidTask as error:
        if not place:
            raise
        field = f"{place}.{error.field}" if error.field else place
        raise InvalidTask(f"{place}: {error.message}", field=field) from None


def _in_the_callers_words(error: InvalidTask, data: object) -> InvalidTask:
    names = {ALIASES[key]: key for key in data if key in ALIASES} if isinstance(data, Mapping) else {}
    if error.field not in names:
        return error
    return InvalidTask(error.message.replace(error.field, names[error.field], 1), field=names[error.field])


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[: _MAX_SHOWN_CHARACTERS - 3] + "..."
