"""Sections of the file become structs, field by field, so that one mistake doesn't hide the next."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from pointsman.configuration.meanings import MEANINGS, Meaning
from pointsman.configuration.remarks import Path, Remarks, dotted, mapping_at, shape
from pointsman.configuration.substitution import FromEnvironment

S = TypeVar("S", bound=msgspec.Struct)
_PLAIN: Final = Meaning("")
_NONE_WORDS: Final = ("null", "none", "off")


def read_section(kind: type[S], data: object, path: Path, remarks: Remarks) -> dict[str, Any]:
    """Return the fields of a struct that are given and right; each that isn't is kept as a mistake."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in mapping_at(data, path, remarks, "settings").items():
        here = (*path, name)
        if name not in fields:
            remarks.unknown(here, fields)
        elif isinstance(fields[name].type, type) and issubclass(fields[name].type, msgspec.Struct):
            values[name] = fields[name].type(**read_section(fields[name].type, value, here, remarks))
        else:
            _read_value(fields[name].type, value, here, remarks, values)
    return values


def _read_value(kind: Any, value: object, path: Path, remarks: Remarks, values: dict[str, Any]) -> None:
    meaning = MEANINGS.get(key_of(path), _PLAIN)
    try:
        read = _converted(kind, value)
    except msgspec.ValidationError:
        read = msgspec.UNSET
    if read is not msgspec.UNSET and _in_range(read, meaning):
        values[path[-1]] = read
    else:
        remarks.mistake(path, f"{dotted(path)} is {shown(value, meaning)}; expected {expected(kind, meaning)}.")


def key_of(path: Path) -> str:
    """Return the key under which a setting's meaning stands: a provider's own name is NAME there."""
    return dotted(("providers", "NAME", *path[2:]) if path[0] == "providers" else path)


def _converted(kind: Any, value: object) -> Any:
    if not isinstance(value, FromEnvironment):
        return msgspec.convert(_plain(value), kind, strict=True)
    text = str(value)
    if _takes(kind, inspect.NoneType) and text.strip().lower() in _NONE_WORDS:
        return None
    return msgspec.convert(text, kind, strict=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def _in_range(value: Any, meaning: Meaning) -> bool:
    if isinstance(value, Mapping):
        return all(_in_range(part, meaning) for part in value.values())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number or meaning.accepts(value)


def shown(value: object, meaning: Meaning = _PLAIN) -> str:
    """Return a value for a message; one that may be a secret is only described."""
    if isinstance(value, FromEnvironment):
        return repr(value)
    if meaning.is_secret or isinstance(value, Mapping | list):
        return shape(value)
    return "empty" if value is None else f"{value!r:.80}"


def expected(kind: Any, meaning: Meaning) -> str:
    """Return what a setting takes, in words: "a whole number from 1 to 20, or null"."""
    types = _types(kind)
    words = [_words(one, meaning) for one in types if not isinstance(one, inspect.NoneType)]
    return " or ".join(filter(None, words)) + (", or null" if _takes(kind, inspect.NoneType) else "")


def _takes(kind: Any, wanted: type) -> bool:
    return any(isinstance(one, wanted) for one in _types(kind))


def _types(kind: Any) -> tuple[Any, ...]:
    found = inspect.type_info(kind)
    return found.types if isinstance(found, inspect.UnionType) else (found,)


def _words(one: Any, meaning: Meaning) -> str:
    span = f" {meaning.range_words}".rstrip()
    if isinstance(one, inspect.LiteralType):
        return f"one of {', '.join(map(str, one.values))}"
    if isinstance(one, inspect.ListType):
        return "a list of mappings"
    if isinstance(one, inspect.DictType):
        return f"a mapping of names, each to {_words(one.value_type, meaning)}"
    names: list[tuple[type, str]] = [
        (inspect.BoolType, "true or false"), (inspect.IntType, f"a whole number{span}"),
        (inspect.FloatType, f"a number{span}"), (inspect.StrType, "a text"),
    ]  # fmt: skip
    return next((words for type_, words in names if isinstance(one, type_)), "")
