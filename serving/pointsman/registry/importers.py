"""Other registries' shapes become model cards, and fleets become files."""

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml

from pointsman.errors import InvalidFile, InvalidTask, RegistryError
from pointsman.registry.catalogue import known_entry
from pointsman.registry.fleets import Fleet
from pointsman.registry.parsing import card_to_dict
from pointsman.types import CAPABILITIES, TASK_TYPES, task_type

ASSUMED_CONTEXT_TOKENS: Final = 32_000
ASSUMED_OUTPUT_TOKENS: Final = 4_096
IMPORT_NOTE: Final = (
    "quality is the imported registry's claim and the token limits are assumed; no outcomes measured yet"
)
_FIELDS: Final = ("id", "name", "capabilities", "costPer1kTokens", "performance", "availability")


def import_seed_registry(data: object) -> list[dict[str, Any]]:
    """Return the plain cards of a registry with one price per thousand tokens, for `parse_cards`.

    The shape is a list, or {"models": [...]}, of entries with id, name, capabilities, costPer1kTokens,
    performance {latency, quality} and availability. Capabilities that name task types become `task_types`.

    Raises:
        RegistryError: another shape, or an unknown capability; the message names entry number, id and field.

    """
    entries = data.get("models") if isinstance(data, Mapping) else data
    if not isinstance(entries, list):
        raise RegistryError(
            f"The registry is {type(data).__name__}; expected a list, or an object with models: a list."
        )
    cards = []
    for number, entry in enumerate(entries, start=1):
        try:
            cards.append(_card(entry))
        except RegistryError as error:
            label = f' ("{entry["id"]}")' if isinstance(entry, Mapping) and isinstance(entry.get("id"), str) else ""
            path = f"models[{number - 1}]" + (f".{error.field}" if error.field else "")
            raise RegistryError(f"Registry entry {number}{label}: {error.message}", field=path) from None
    return cards


def _card(entry: object) -> dict[str, Any]:
    fields = _fields(entry, _FIELDS, "")
    performance = _fields(fields["performance"], ("latency", "quality"), "performance.")
    price = _usd_per_mtok(fields["costPer1kTokens"])
    context = _context_tokens(fields["id"])
    capabilities, task_types = _split(fields["capabilities"])
    return {
        "id": fields["id"],
        "name": fields["name"],
        "price": {"input": price, "output": price},
        "context_tokens": context,
        "max_output_tokens": min(ASSUMED_OUTPUT_TOKENS, context),
        "latency_ms": performance["latency"],
        "availability": fields["availability"],
        "quality": performance["quality"],
        "capabilities": capabilities,
        "task_types": task_types or None,
        "is_prior_note": IMPORT_NOTE,
    }


def _fields(value: object, fields: tuple[str, ...], prefix: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        where = prefix.rstrip(".")
        raise RegistryError(
            f"{where or 'the entry'} is {type(value).__name__}; expected an object.", field=where or None
        )
    for name in fields:
        if name not in value:
            raise RegistryError(f"{prefix}{name} is missing; expected {', '.join(fields)}.", field=f"{prefix}{name}")
    for name in value:
        if name not in fields:
            raise RegistryError(
                f"{prefix}{name} is no known field; expected {', '.join(fields)}.", field=f"{prefix}{name}"
            )
    return value


def _usd_per_mtok(per_thousand: object) -> float:
    if isinstance(per_thousand, bool) or not isinstance(per_thousand, int | float):
        raise RegistryError(
            f"costPer1kTokens is {per_thousand!r}; expected a number of USD per thousand tokens.",
            field="costPer1kTokens",
        )
    return float(Decimal(str(per_thousand)) * 1000)


def _context_tokens(model_id: object) -> int:
    entry = known_entry(str(model_id))
    return (entry and entry.context_tokens) or ASSUMED_CONTEXT_TOKENS


def _split(names: object) -> tuple[list[str], list[str]]:
    if not isinstance(names, list):
        raise RegistryError(f"capabilities is {type(names).__name__}; expected a list of names.", field="capabilities")
    capabilities, task_types = [], []
    for name in names:
        try:
            if name in CAPABILITIES:
                capabilities.append(name)
            else:
                task_types.append(task_type(name))
        except InvalidTask:
            known = ", ".join((*CAPABILITIES, *TASK_TYPES))
            raise RegistryError(f"capabilities has {name!r}; expected any of {known}.", field="capabilities") from None
    return capabilities, task_types


def write_fleet(path: str | Path, fleet: Fleet) -> None:
    """Write a fleet as YAML (JSON where the name ends in .json) that `load_fleet` reads back equal; all or nothing.

    Raises:
        InvalidFile: the file can't be written; what was there before is untouched.

    """
    head = {"name": fleet.name, "baseline": fleet.baseline, "note": fleet.note}
    plain: dict[str, Any] = {key: value for key, value in head.items() if value is not None}
    plain["models"] = [card_to_dict(card) for card in fleet.cards]
    if Path(path).suffix.lower() == ".json":
        text = json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    _replace(Path(path).resolve(), text)


def _replace(target: Path, text: str) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise InvalidFile(f"{target} can't be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)
