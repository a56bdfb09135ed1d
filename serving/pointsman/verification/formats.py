"""Whether an answer has the form that was asked for: JSON, a JSON schema, code that parses."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pointsman.errors import MissingExtra

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MAX_PARSED_CHARACTERS: Final = 20_000
"""Longer blocks of code aren't parsed: a check must stay cheap."""

_PARSED: Final = frozenset(("python", "py", "python3", "json"))
_FENCE: Final = re.compile(r"^[ \t]*```", re.MULTILINE)
_INDENTED: Final = re.compile(
    r"^(?:def |class |import |from \w+ import |#include|function |const |SELECT )", re.MULTILINE
)


def is_cut_block(text: str) -> bool:
    """Return whether a code block is opened and not closed."""
    return len(_FENCE.findall(text)) % 2 == 1


def json_brokenness(text: str) -> tuple[float, Any]:
    """Return 0 for JSON, 0.5 for JSON in a code block, 1 for none; and the value."""
    inner = text.strip().removeprefix("```").removesuffix("```")
    for brokenness, candidate in ((0.0, text), (0.5, inner.partition("\n")[2])):
        try:
            return brokenness, msgspec.json.decode(candidate)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            continue
    return 1.0, None


def asked_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that a request asks for, in OpenAI's places or Anthropic's; None where there is none."""
    output = body.get("output_config")
    nested = output.get("format") if isinstance(output, Mapping) else None
    for asked in (body.get("response_format"), body.get("output_format"), nested):
        if not isinstance(asked, Mapping) or asked.get("type") != "json_schema":
            continue
        wrapped = asked.get("json_schema")
        schema = wrapped.get("schema") if isinstance(wrapped, Mapping) else asked.get("schema")
        if isinstance(schema, Mapping):
            return schema
    return None


def is_valid(value: Any, schema: Mapping[str, Any]) -> bool | None:
    """Return whether the value fits the schema; None where the schema itself can't be used.

    Nothing is fetched for a `$ref` to elsewhere, and patterns run in linear time.

    Raises:
        MissingExtra: jsonschema-rs isn't installed.
    """
    try:
        validator = _validator(msgspec.json.encode(schema))
    except (TypeError, RecursionError):
        return None
    try:
        return None if validator is None else validator.is_valid(value)
    except ValueError:  # nested deeper than the validator goes
        return None


@lru_cache(maxsize=256)
def _validator(schema_json: bytes) -> "Validator | None":
    try:
        import jsonschema_rs
    except ImportError:
        raise MissingExtra("Checking an answer against a JSON schema", "serve") from None
    try:
        return jsonschema_rs.validator_for(
            msgspec.json.decode(schema_json), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, jsonschema_rs.ReferencingError):  # ValidationError of the schema is a ValueError
        return None


def _refuse(uri: str) -> Any:
    raise ValueError("references to elsewhere are not followed")


def has_code(text: str) -> bool:
    """Return whether there is a code block, or a text that is code as it stands."""
    return _FENCE.search(text) is not None or _INDENTED.search(text) is not None


def code_brokenness(text: str) -> float | None:
    """Return the share of Python and JSON blocks that don't parse; None where there is none to parse."""
    parses = [
        _parses(language, block)
        for language, block in _blocks(text)
        if language in _PARSED and len(block) <= MAX_PARSED_CHARACTERS
    ]
    return 1 - sum(parses) / len(parses) if parses else None


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and text of each code block that is closed."""
    lines: list[str] | None = None
    language = ""
    for line in text.split("\n") if "```" in text else ():
        mark = line.strip()
        if lines is None and mark.startswith("```"):
            lines, language = [], (mark[3:].split() or [""])[0].lower()
        elif lines is not None and mark == "```":
            yield language, "\n".join(lines)
            lines = None
        elif lines is not None:
            lines.append(line)


def _parses(language: str, block: str) -> bool:
    if language == "json":
        return json_brokenness(block)[0] == 0
    if ">>>" in block:
        return True
    try:
        with warnings.catch_warnings():  # a warning would print what an answer says
            warnings.simplefilter("ignore")
            ast.parse(block)
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):  # too deep for the parser says nothing of the code
        return True
    return True
