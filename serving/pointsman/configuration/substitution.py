"""`${NAME}` in the texts of a file stands for a variable of the environment, and is never silently empty."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from pointsman.configuration.remarks import Path, Remarks, dotted

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")
_LITELLM: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_MAX_DEPTH: Final = 50


class FromEnvironment(str):
    """A text that came from the environment: its repr names the variable instead, since it may be a secret."""

    source: str

    def __new__(cls, text: str, source: str) -> "FromEnvironment":
        """Return the text with the name of where it came from ("${OPENAI_API_KEY}")."""
        made = super().__new__(cls, text)
        made.source = source
        return made

    def __repr__(self) -> str:
        return f"<the value of {self.source}>"


def substituted(data: Any, environ: Mapping[str, str], remarks: Remarks, path: Path = ()) -> Any:
    """Return plain data with `${NAME}`, `${NAME:-default}` and `os.environ/NAME` replaced; `$${` is a plain `${`.

    A variable that isn't set and has no default is kept as a mistake, and its value is None.
    """
    if len(path) > _MAX_DEPTH:
        remarks.mistake(path, "the file is nested too deeply here.")
        return None
    if isinstance(data, Mapping):
        return {key: substituted(value, environ, remarks, (*path, str(key))) for key, value in data.items()}
    if isinstance(data, list):
        return [substituted(value, environ, remarks, (*path, str(index))) for index, value in enumerate(data)]
    return _text(data, environ, remarks, path) if isinstance(data, str) else data


def _text(text: str, environ: Mapping[str, str], remarks: Remarks, path: Path) -> str | None:
    if whole := _LITELLM.fullmatch(text):
        text = f"${{{whole[1]}}}"
    if "${" not in text:
        return text
    missing: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            remarks.mistake(
                path, f"{dotted(path)} has ${{ without a variable's name and }}; write $${{ for a plain ${{."
            )
            return ""
        found = environ.get(name) or default
        if not found and default is None:
            missing.append(name)
        remarks.hide(found or "", f"${{{name}}}")
        return found or ""

    replaced = _REFERENCE.sub(value_of, text)
    remarks.hide(replaced, text)
    if missing:
        name = missing[0]
        remarks.blank(
            path,
            f"{dotted(path)} needs the variable {name}, which {'is empty' if name in environ else 'is not set'}; "
            f"export {name}=..., or write ${{{name}:-default}}.",
        )
    return None if missing else FromEnvironment(replaced, text)


def scalars(data: Any) -> Any:
    """Return plain data in which texts from the environment that are numbers, true, false or null are these."""
    if isinstance(data, Mapping):
        return {key: scalars(value) for key, value in data.items()}
    if isinstance(data, list):
        return [scalars(value) for value in data]
    if not isinstance(data, FromEnvironment):
        return data
    if re.fullmatch(r"[-+]?[0-9][0-9_]*(\.[0-9]*)?|true|false|null", data):
        return yaml.safe_load(str(data))
    return data


def is_given(text: object) -> bool:
    """Whether a text is written out in the file, and not taken from the environment."""
    return isinstance(text, str) and not isinstance(text, FromEnvironment)
