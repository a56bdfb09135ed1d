"""The providers of a configuration: where they are, and with which key."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import fields

from pointsman.configuration.remarks import Path, Remarks, dotted, mapping_at
from pointsman.configuration.sections import read_section, shown
from pointsman.configuration.substitution import is_given
from pointsman.settings import Provider

KNOWN_BASE_URLS: Final[Mapping[str, str]] = MappingProxyType(
    {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
)
"""Providers whose base URL needn't be said, as their own clients take it."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def read_providers(data: object, remarks: Remarks) -> dict[str, Provider]:
    """Return the providers that are right, by name; at least one is needed."""
    given = mapping_at(data, ("providers",), remarks, "providers")
    if not given:
        example = 'openai: {api_key: "${OPENAI_API_KEY}"}'
        remarks.mistake(("providers",), f"providers names none; expected at least one, such as {example}.")
    return {name: _provider(name, value, remarks) for name, value in given.items()}


def _provider(name: str, data: object, remarks: Remarks) -> Provider:
    path: Path = ("providers", name)
    if not _NAME.fullmatch(name):
        remarks.mistake(path, f"the provider's name is {name!r:.80}; expected letters, digits, '.', '_' and '-'.")
    if isinstance(data, Mapping) and "name" in data:
        remarks.mistake((*path, "name"), f"{dotted(path)}.name is no known setting; the key above is the name.")
        data = {key: value for key, value in data.items() if key != "name"}
    values = read_section(Provider, data, path, remarks)
    values.setdefault("protocol", "anthropic" if name == "anthropic" else "openai")
    base_url = values.setdefault("base_url", KNOWN_BASE_URLS.get(name) if values["protocol"] != "litellm" else None)
    raw = data if isinstance(data, Mapping) else {}
    if base_url is not None:
        values["base_url"] = _base_url(base_url, raw, path, remarks)
    elif values["protocol"] != "litellm" and "base_url" not in raw:
        remarks.mistake(
            path,
            f'{dotted(path)} has no base_url; expected one such as "https://api.example.com/v1" (known for '
            f"{' and '.join(KNOWN_BASE_URLS)}), or protocol: litellm.",
        )
    _check_secrets(values, raw, path, remarks)
    return Provider(**{field.name: values[field.name] for field in fields(Provider) if field.name in values}, name=name)


def _base_url(url: str, raw: Mapping[str, object], path: Path, remarks: Remarks) -> str:
    here = (*path, "base_url")
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment) and not re.search(r"\s", url)
    except ValueError:
        is_right = is_plain = False
    if not is_right or not is_plain:
        said = "a text" if "@" in url or "?" in url else shown(raw.get("base_url", url))
        remarks.mistake(
            here,
            f"{dotted(here)} is {said}; expected http:// or https:// with a host and a path, without user, "
            "password, query or fragment.",
        )
    return url.rstrip("/")


def _check_secrets(values: dict[str, Any], raw: Mapping[str, object], path: Path, remarks: Remarks) -> None:
    key = values.get("api_key")
    if key is not None and (not key.isascii() or not key.isprintable() or not key or " " in key):
        remarks.mistake(
            (*path, "api_key"),
            f"{dotted(path)}.api_key is empty, or has spaces, line breaks or other than ASCII in it.",
        )
    if is_given(raw.get("api_key")):
        remarks.warn((*path, "api_key"), f'{dotted(path)}.api_key stands in the file; write "${{NAME}}" instead.')
    if "api_key" not in raw and values["base_url"] in KNOWN_BASE_URLS.values() and not values.get("headers"):
        remarks.warn(path, f"{dotted(path)} has no api_key; {values['base_url']} will refuse the calls.")
    for header, value in values.get("headers", {}).items():
        if not _HEADER.fullmatch(header) or not value.isprintable():
            remarks.mistake(
                (*path, "headers", header), f"{dotted(path)}.headers has {header!r:.80}, which no header can be."
            )
