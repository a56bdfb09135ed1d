"""POINTSMAN_* variables: each scalar setting has one, which overrides the file; so have the names of former tools."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import inspect

from pointsman.configuration.remarks import Path, Remarks, dotted
from pointsman.configuration.substitution import FromEnvironment
from pointsman.configuration.words import SECTIONS, Deployment

PREFIX: Final = "POINTSMAN_"
BUDGET_FIELDS: Final = ("daily_usd", "monthly_usd", "total_usd", "request_usd", "default_plan")
ROLLOVER: Final = "POINTSMAN_TOKEN_BUDGET_ROLLOVER_PERCENT"

ALIASES: Final[Mapping[str, Path]] = MappingProxyType(
    {
        "POINTSMAN_BUNDLE": ("routing", "bundle"),
        "POINTSMAN_PROFILE": ("routing", "profile"),
        "POINTSMAN_STRATEGY": ("routing", "strategy"),
        "POINTSMAN_TRADE_USD": ("routing", "trade_usd"),
        "POINTSMAN_CONFIDENCE": ("routing", "confidence"),
        "POINTSMAN_TARGET_QUALITY": ("routing", "target_quality"),
        "POINTSMAN_POLICY": ("routing", "policy"),
        "POINTSMAN_HOLD_FOR": ("hold_for_s",),
        "POINTSMAN_KEY_SECRET": ("keys", "secret"),
        "POINTSMAN_ROUTER_ESCALATION_THRESHOLD": ("routing", "confidence"),
        "POINTSMAN_CACHE_MAX_SIZE": ("cache", "max_entries"),
    }
)
"""Other names of settings: those of the options of `pointsman serve`, and of former tools."""

SWITCHES: Final[Mapping[str, Mapping[bool, Mapping[Path, str]]]] = MappingProxyType(
    {
        "POINTSMAN_ENABLE_SMART_ROUTING": {True: {}, False: {("routing", "rollout"): "0"}},
        "POINTSMAN_ROUTER_ENABLE_ESCALATION": {True: {}, False: {("routing", "confidence"): "off"}},
        "POINTSMAN_ROUTER_COST_OPTIMIZATION": {
            True: {("routing", "strategy"): "cost-optimised"},
            False: {("routing", "strategy"): "quality-first"},
        },
        "POINTSMAN_ENABLE_OPTIMIZATIONS": {
            True: {("cache", "enabled"): "true", ("trimming", "enabled"): "true"},
            False: {
                ("cache", "enabled"): "false",
                ("trimming", "enabled"): "false",
                ("output", "predicted"): "false",
                ("output", "concise"): "false",
            },
        },
    }
)
"""Variables of former tools that set several settings, or set them to something else than they say."""

REPLACED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "POINTSMAN_ROUTING_ANALYTICS_PATH": "events are in the database; pointsman export writes them to a file",
        "POINTSMAN_ROUTING_AB_TEST_ENABLED": "strategies aren't split over users; each decision is logged with its "
        "propensity, and output.concise_share splits the one experiment that there is",
        "POINTSMAN_FLEET": "it is read by pointsman serve without a configuration; here, models is the fleet",
        "POINTSMAN_BUDGETS": "it is read by pointsman serve without a configuration; here, budgets has the rules",
    }
)
"""Variables without an effect on a configuration, and what there is instead."""

_ELSEWHERE: Final = ("POINTSMAN_CONFIG", "POINTSMAN_WEBHOOK_SECRET", "POINTSMAN_NOTEBOOK_QUICK")
_OVERRULING: Final = "POINTSMAN_ROUTER_ENABLE_ESCALATION"
_YES_NO: Final = {"true": True, "1": True, "false": False, "0": False}


def variable_of(path: Path) -> str:
    """Return the variable that sets the setting at a path: POINTSMAN_CACHE_TTL_DAYS."""
    return PREFIX + "_".join(path).upper()


def scalar_settings() -> dict[str, Path]:
    """Return every setting that a variable can set, by the variable's name."""
    paths = [*_scalars(Deployment, ()), *(("budgets", name) for name in BUDGET_FIELDS)]
    for section, kind in SECTIONS.items():
        paths += _scalars(kind, (section,))
    return {variable_of(path): path for path in paths}


def _scalars(kind: type[msgspec.Struct], path: Path) -> Iterator[Path]:
    for field in msgspec.structs.fields(kind):
        here = (*path, field.name)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _scalars(field.type, here)
        elif is_scalar(field.type):
            yield here


def is_scalar(kind: Any) -> bool:
    """Whether values of a type can be written as one word."""
    found = inspect.type_info(kind)
    kinds = found.types if isinstance(found, inspect.UnionType) else (found,)
    return not any(isinstance(one, inspect.DictType | inspect.ListType | inspect.StructType) for one in kinds)


def overridden(data: dict[str, Any], environ: Mapping[str, str], remarks: Remarks) -> dict[str, Any]:
    """Return plain data with what POINTSMAN_* variables say over it; an empty variable says nothing."""
    given = {name: text.strip() for name, text in environ.items() if name.startswith(PREFIX) and text.strip()}
    known = scalar_settings()
    wanted = _direct(given, known, remarks)
    for name in SWITCHES:
        if name in given and (is_on := _switch(name, given[name], remarks)) is not None:
            for path, text in SWITCHES[name][is_on].items():
                if name == _OVERRULING or path not in wanted:
                    wanted[path] = (name, text)
    for path, (name, text) in wanted.items():
        _put(data, path, FromEnvironment(text, f"${name}"))
        remarks.variables[path] = name
        remarks.hide(text, f"${name}")
    _remark_on_others(given, known, remarks)
    return data


def _direct(given: Mapping[str, str], known: Mapping[str, Path], remarks: Remarks) -> dict[Path, tuple[str, str]]:
    """Return what variables that stand for one setting say: its path, with variable and text."""
    wanted: dict[Path, tuple[str, str]] = {}
    for name, text in given.items():
        if path := known.get(name) or ALIASES.get(name):
            former = wanted.setdefault(path, (name, text))
            if former[1] != text:
                remarks.mistake_of(name, f"{former[0]} sets {dotted(path)} too, to something else; keep one of them.")
    return wanted


def _switch(name: str, text: str, remarks: Remarks) -> bool | None:
    is_on = _YES_NO.get(text.strip().lower())
    if is_on is None:
        remarks.mistake_of(name, f"it is {text!r:.80}; expected true or false.")
    return is_on


def _put(data: dict[str, Any], path: Path, value: object) -> None:
    place = data
    for part in path[:-1]:
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
        if not isinstance(place, dict):
            return  # the section is no mapping, which is said where it is read
    place[path[-1]] = value


def _remark_on_others(given: Mapping[str, str], known: Mapping[str, Path], remarks: Remarks) -> None:
    settled = {*known, *ALIASES, *SWITCHES, *_ELSEWHERE, ROLLOVER}
    for name, text in given.items():
        if name in REPLACED:
            if text.strip().lower() not in ("false", "0"):
                remarks.warn_of(name, f"it has no effect: {REPLACED[name]}.")
        elif name not in settled:
            rests = sorted(known_name.removeprefix(PREFIX) for known_name in settled | set(REPLACED))
            close = get_close_matches(name.removeprefix(PREFIX), rests, n=1, cutoff=0.6)
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "docs/configuration.md lists those that are."
            remarks.warn_of(name, f"no setting has this variable; {hint}")


def rollover_percent(environ: Mapping[str, str], remarks: Remarks) -> int | None:
    """Return the percent of a month's tokens that the environment lets roll over; None where it says nothing."""
    text = environ.get(ROLLOVER, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > 100:
        remarks.mistake_of(ROLLOVER, f"it is {text!r:.80}; expected a whole percent from 0 to 100.")
        return None
    return int(text)
