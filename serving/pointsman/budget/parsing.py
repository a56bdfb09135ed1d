"""Budget rules as people write them in YAML: strict, and every mistake named with its line."""

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pointsman.budget.alerts import checked_thresholds
from pointsman.budget.rules import PAYERS, Caps, Plan, Rules, Tiers
from pointsman.budget.scopes import Scope, parse_scope
from pointsman.errors import InvalidBudget, InvalidTask
from pointsman.money import format_usd, nanousd
from pointsman.registry.documents import Document, read_document
from pointsman.types import COMPLEXITIES, MAX_TOKENS, task_type

UNLIMITED: Final = "unlimited"
_CAPS: Final = ("daily_usd", "monthly_usd", "total_usd")
_FIELDS: Final = (
    "currency", *_CAPS, "request_usd", "task_types", "tiers", "borrowing", "each", "named", "plans", "default_plan",
    "alerts",
)  # fmt: skip
_PLAN_COUNTS: Final = ("monthly_input_tokens", "monthly_output_tokens", "max_input_tokens", "max_output_tokens")
_DEFAULTS: Final = Rules()


def load_rules(path: str | os.PathLike[str]) -> Rules:
    """Return the rules of a file: a YAML or JSON mapping, or the `budgets` section of one.

    Raises:
        InvalidFile: unreadable, or not plain YAML.
        InvalidBudget: a rule can't be kept; the message names file, line and field.
    """
    return rules_of(read_document(path))


def rules_of(document: Document) -> Rules:
    """Return the rules of a document that is read already; one without a `budgets` section is rules as a whole.

    Raises:
        InvalidBudget: a rule can't be kept; the message names file, line and field.
    """
    has_section = isinstance(document.data, Mapping) and "budgets" in document.data
    prefix = "budgets." if has_section else ""
    try:
        return parse_rules(document.data["budgets"] if has_section else document.data)
    except InvalidBudget as error:
        field = prefix + (error.field or "")
        line = document.line_of(field)
        raise InvalidBudget(f"{document.path}, line {line}: {error.message}", field=field) from None


def parse_rules(data: object) -> Rules:
    """Return the rules of plain data; what is left out is at its default.

    Raises:
        InvalidBudget: an unknown field, an amount, share, count or name that can't be used; `field` is its path.
    """
    fields = _mapping({} if data is None else data, "", _FIELDS)
    if fields.get("currency", "USD") != "USD":
        raise wrong("currency", fields["currency"], "USD; convert the amounts, since prices are in dollars")
    daily = _amount(fields, "daily_usd", "", _DEFAULTS.everyone.daily)
    plans = _plans(fields.get("plans"))
    return Rules(
        everyone=Caps(daily, _amount(fields, "monthly_usd", "", None), _amount(fields, "total_usd", "", None)),
        request_nanousd=_amount(fields, "request_usd", "", None),
        task_types=_task_types(fields.get("task_types"), daily),
        tiers=_tiers(fields, daily),
        each=_each(fields.get("each"), plans),
        named=_named(fields.get("named"), plans),
        plans=plans,
        default_plan=_plan_name(fields.get("default_plan"), "default_plan", plans),
        alert_percents=_alerts(fields.get("alerts")),
    )


def wrong(field: str, value: object, expected: str) -> InvalidBudget:
    """Return the error that says which value a field has and what was expected."""
    return InvalidBudget(f"{field} is {value!r:.80}; expected {expected}.", field=field)


def _mapping(value: object, path: str, allowed: Sequence[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong(path or "the budget", value, "a mapping of fields")
    for key in value:
        if not isinstance(key, str) or (allowed is not None and key not in allowed):
            dotted = f"{path}.{key}" if path else str(key)
            expected = ", ".join(allowed) if allowed else "names as text"
            raise InvalidBudget(f"{dotted} is no known field; expected any of {expected}.", field=dotted)
    return dict(value)


def _amount(fields: Mapping[str, Any], name: str, path: str, default: int | None) -> int | None:
    field = f"{path}.{name}" if path else name
    if name not in fields:
        return default
    value = fields[name]
    if value == UNLIMITED:
        return None
    if value is None:
        raise wrong(field, value, f'a number of dollars, such as 10, or "{UNLIMITED}"')
    return _dollars(value, field)


def _dollars(value: object, field: str) -> int:
    try:
        return nanousd(value, field)  # type: ignore[arg-type]
    except InvalidTask as error:
        raise InvalidBudget(error.message, field=field) from None


def _share(value: object, field: str, of_nanousd: int | None) -> int:
    """Return dollars, or a percent of the day's budget ("20%") rounded down, in nano-USD."""
    if not isinstance(value, str):
        return _dollars(value, field)
    percent = _percent(value, field)
    if of_nanousd is None:
        raise wrong(field, value, f'dollars: daily_usd is "{UNLIMITED}", so a share of it is nothing to keep to')
    return of_nanousd * percent // 100


def _percent(value: object, field: str) -> int:
    match = re.fullmatch(r"(\d{1,3})\s?%", value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 100:
        raise wrong(field, value, 'a whole percent from "0%" to "100%"')
    return int(match[1])


def _task_types(value: object, daily: int | None) -> Mapping[str, int]:
    amounts: dict[str, int] = {}
    for name, share in _mapping({} if value is None else value, "task_types").items():
        field = f"task_types.{name}"
        try:
            kind = task_type(name)
        except InvalidTask as error:
            raise InvalidBudget(f"{field}: {error.message}", field=field) from None
        if kind in amounts:
            raise InvalidBudget(f"{field} is the type {kind}, which has a limit already; keep one.", field=field)
        amounts[kind] = _share(share, field, daily)
    return MappingProxyType(amounts)


def _tiers(fields: Mapping[str, Any], daily: int | None) -> Tiers | None:
    value = fields.get("tiers", "default")
    if value is False or (value == "default" and daily is None):
        return None
    given = {"simple": "20%", "medium": "50%", "complex": "30%"} if value == "default" else value
    shares = _mapping(given, "tiers", COMPLEXITIES)
    missing = [name for name in COMPLEXITIES if name not in shares]
    if missing:
        raise InvalidBudget(
            f"tiers lacks {', '.join(missing)}; state all of {', '.join(COMPLEXITIES)}, or tiers: false.", field="tiers"
        )
    amounts = {name: _share(share, f"tiers.{name}", daily) for name, share in shares.items()}
    total = sum(amounts.values())
    if daily is not None and total > daily:
        raise InvalidBudget(
            f"tiers add up to {format_usd(total)}, more than daily_usd, {format_usd(daily)}; lower one of them.",
            field="tiers",
        )
    borrow_after = _borrowing(fields.get("borrowing", {}))
    return Tiers(MappingProxyType(amounts), None if daily is None else borrow_after)


def _borrowing(value: object) -> int | None:
    if value is False:
        return None
    fields = _mapping(value, "borrowing", ("after",))
    return _percent(fields.get("after", "50%"), "borrowing.after")


def _each(value: object, plans: Mapping[str, Plan]) -> Mapping[str, Caps]:
    fields = _mapping({} if value is None else value, "each", ("tenant", *PAYERS))
    return MappingProxyType({kind: _caps(caps, f"each.{kind}", kind, plans) for kind, caps in fields.items()})


def _named(value: object, plans: Mapping[str, Plan]) -> Mapping[Scope, Caps]:
    caps = {}
    for text, given in _mapping({} if value is None else value, "named").items():
        field = f"named.{text}"
        try:
            scope = parse_scope(text)
        except InvalidBudget as error:
            raise InvalidBudget(f"{field}: {error.message}", field=field) from None
        if scope.kind not in PAYERS:
            raise wrong(field, text, f'"<kind>:<name>" with a kind of {", ".join(PAYERS)}')
        caps[scope] = _caps(given, field, scope.kind, plans)
    return MappingProxyType(caps)


def _caps(value: object, path: str, kind: str, plans: Mapping[str, Plan]) -> Caps:
    fields = _mapping(value, path, (*_CAPS, "plan") if kind == "user" else _CAPS)
    daily, monthly, total = (_amount(fields, name, path, None) for name in _CAPS)
    return Caps(daily, monthly, total, _plan_name(fields.get("plan"), f"{path}.plan", plans))


def _plans(value: object) -> Mapping[str, Plan]:
    plans = dict(_DEFAULTS.plans)
    for name, given in _mapping({} if value is None else value, "plans").items():
        path = f"plans.{name}"
        fields = _mapping(given, path, (*_PLAN_COUNTS, "rollover"))
        counts = {count: _tokens(fields[count], f"{path}.{count}") for count in _PLAN_COUNTS if count in fields}
        rollover = _percent(fields.get("rollover", "20%"), f"{path}.rollover")
        plans[name] = Plan(name, **counts, rollover_percent=rollover)
    return MappingProxyType(plans)


def _tokens(value: object, field: str) -> int | None:
    if value == UNLIMITED:
        return None
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        raise wrong(field, value, f'a whole number of tokens from 0 to {MAX_TOKENS:,}, or "{UNLIMITED}"')
    return value


def _plan_name(value: object, field: str, plans: Mapping[str, Plan]) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in plans):
        raise wrong(field, value, f"one of {', '.join(plans)}")
    return value


def _alerts(value: object) -> tuple[int, ...]:
    if value is None:
        return _DEFAULTS.alert_percents
    if not isinstance(value, list):
        raise wrong("alerts", value, 'a list of percents, such as ["50%", "80%"]')
    try:
        return checked_thresholds([_percent(percent, "alerts") for percent in value])
    except InvalidBudget as error:
        raise InvalidBudget(error.message, field="alerts") from None
