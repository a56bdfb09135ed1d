"""Whether an answer has the form that was asked for: JSON, a JSON schema, code that parses."""

import ast
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pointsman.errors import MissingExtra

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MAX_PARSED_CHARACTERS: Final = 20_000
"""Longer blocks of code aren't parsed: a check must stay cheap."""

_BLOCK: Final = re.compile(r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_FENCE: Final = re.compile(r"^[ \t]*```", re.MULTILINE)
_WHOLE_BLOCK: Final = re.compile(r"\s*```[ \t]*\w*[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL)
_INDENTED: Final = re.compile(
    r"^(?:def |class |import |from \w+ import |#include|function |const |SELECT )", re.MULTILINE
)


def is_cut_block(text: str) -> bool:
    """Return whether a code block is opened and not closed."""
    return len(_FENCE.findall(text)) % 2 == 1


def json_brokenness(text: str) -> tuple[float, Any]:
    """Return 0 for JSON, 0.5 for JSON in a code block, 1 for none; and the value."""
    try:
        return 0.0, msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        inner = _WHOLE_BLOCK.fullmatch(text)
    if inner is not None:
        try:
            return 0.5, msgspec.json.decode(inner.group(1))
        except (msgspec.DecodeError, RecursionError):
            pass
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
    return None if validator is None else validator.is_valid(value)


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
        _parses(language.lower(), block)
        for language, block in _BLOCK.findall(text)
        if language.lower() in ("python", "py", "python3", "json") and len(block) <= MAX_PARSED_CHARACTERS
    ]
    return 1 - sum(parses) / len(parses) if parses else None


def _parses(language: str, block: str) -> bool:
    if language == "json":
        return json_brokenness(block)[0] == 0
    if ">>>" in block:
        return True
    try:
        with warnings.catch_warnings():  # a warning would print what an answer says
            warnings.simplefilter("ignore")
            ast.parse(block)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
