"""The tables of docs/configuration.md, made from the settings themselves, so that the page says what is so."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from pointsman.configuration.meanings import MEANINGS
from pointsman.configuration.remarks import Path, dotted
from pointsman.configuration.sections import key_of
from pointsman.configuration.variables import (
    ALIASES,
    BUDGET_FIELDS,
    REPLACED,
    ROLLOVER,
    SWITCHES,
    is_scalar,
    variable_of,
)
from pointsman.configuration.words import SECTIONS, Deployment
from pointsman.settings import Provider

_BEGIN, _END = "<!-- {name}: made by pointsman.configuration.reference -->", "<!-- end of {name} -->"
_PLACEHOLDER: Final = "NAME"


def with_tables(page: str) -> str:
    """Return the text of a page with its generated tables as they must be.

    Raises:
        ValueError: the page lacks the marks of a table.
    """
    for name, lines in (("settings", _settings()), ("variables", _variables())):
        before, begin, rest = page.partition(_BEGIN.format(name=name))
        _, end, after = rest.partition(_END.format(name=name))
        if not begin or not end:
            raise ValueError(f"the page lacks the marks of the table {name}")
        page = "\n".join((before + begin, *lines, end + after))
    return page


def _settings() -> Iterator[str]:
    yield "| key | variable | default | meaning |"
    yield "|---|---|---|---|"
    yield from _rows(Deployment, ())
    yield from _rows(Provider, ("providers", _PLACEHOLDER))
    for section, kind in SECTIONS.items():
        yield from _rows(kind, (section,))


def _rows(kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        here = (*path, field.name)
        if here == ("providers", _PLACEHOLDER, "name"):
            continue
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _rows(field.type, here)
            continue
        has_variable = path[:1] != ("providers",) and is_scalar(field.type)
        variable = f"`{variable_of(here)}`" if has_variable else ""
        yield f"| `{dotted(here)}` | {variable} | {_default(field)} | {_meaning(here, field.type)} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    if value is None or value is msgspec.UNSET or value is msgspec.NODEFAULT or isinstance(value, Mapping):
        return ""
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(path: Path, kind: Any) -> str:
    meaning = MEANINGS[key_of(path)]
    found = inspect.type_info(kind)
    parts = found.types if isinstance(found, inspect.UnionType) else (found,)
    choices = [f"`{value}`" for part in parts if isinstance(part, inspect.LiteralType) for value in part.values]
    notes = [", ".join(choices), meaning.range_words]
    return "; ".join(filter(None, (meaning.text, *notes)))


def _variables() -> Iterator[str]:
    yield "| variable | what it does |"
    yield "|---|---|"
    for name in BUDGET_FIELDS:
        yield f"| `{variable_of(('budgets', name))}` | sets `budgets.{name}` |"
    for name, path in ALIASES.items():
        yield f"| `{name}` | sets `{dotted(path)}` |"
    for name, switch in SWITCHES.items():
        effects = [f"`{str(is_on).lower()}` {_effect(switch[is_on])}" for is_on in (True, False)]
        yield f"| `{name}` | {'; '.join(effects)} |"
    yield f"| `{ROLLOVER}` | sets `rollover` of every plan, 0 to 100 |"
    for name, instead in REPLACED.items():
        yield f"| `{name}` | no effect: {instead} |"


def _effect(settings: Mapping[Path, str]) -> str:
    return (
        "sets " + ", ".join(f"`{dotted(path)}: {text}`" for path, text in settings.items()) if settings else "nothing"
    )
