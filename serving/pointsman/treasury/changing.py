"""Limits that are set while running, as people write them."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.budget import Limit, Scope, Window, limit_in_usd, parse_scope
from pointsman.errors import InvalidBudget, InvalidTask
from pointsman.treasury.treasury import Treasury
from pointsman.types import COMPLEXITIES, task_type

WINDOW_OF: Final[dict[str, Window]] = {"daily_usd": "day", "monthly_usd": "month", "total_usd": "total"}
DEFAULT: Final = "default"
"""Written instead of an amount: take back what was set while running, so that the file's rule counts again."""


def limit_scope(text: str) -> Scope:
    """Return a scope that limits may be set for.

    Raises:
        InvalidBudget: no such scope, tier or task type, or one that no task is counted for.
    """
    scope = parse_scope(text)
    if scope.kind == "tier" and scope.name not in COMPLEXITIES:
        raise InvalidBudget(f"tier is {scope.name!r:.80}; expected one of {', '.join(COMPLEXITIES)}.", field="scope")
    if scope.kind == "task_type":
        try:
            return Scope("task_type", task_type(scope.name))
        except InvalidTask as error:
            raise InvalidBudget(error.message, field="scope") from None
    if scope.kind in ("request", "plan"):
        raise InvalidBudget(f"a limit of {scope.kind} is set in the rules' file only.", field="scope")
    return scope


def change(
    treasury: Treasury, scope: Scope, amounts: Mapping[str, Any], *, changed_by: str, reason: str = ""
) -> list[str]:
    """Set or take back limits of a scope; return the fields that changed something. All are checked before any is set.

    Raises:
        InvalidBudget: no amount, or one that is missing, negative, not finite, absurd or in another currency.
        LedgerUnavailable: it can't be written.
    """
    currency = amounts.get("currency", "USD")
    given = {name: amounts[name] for name in WINDOW_OF if name in amounts}
    if not given:
        raise InvalidBudget(f"no limit is given; expected any of {', '.join(WINDOW_OF)}.", field="daily_usd")
    limits = {name: _limit(scope, name, value, currency, reason) for name, value in given.items()}
    changed = []
    for name, limit in limits.items():
        if limit is None:
            has_changed = treasury.take_back(scope, WINDOW_OF[name], changed_by=changed_by)
        else:
            has_changed = treasury.put(limit, changed_by=changed_by)
        changed += [name] if has_changed else []
    return changed


def _limit(scope: Scope, name: str, value: Any, currency: Any, reason: str) -> Limit | None:
    if value == DEFAULT:
        return None
    try:
        return limit_in_usd(scope, WINDOW_OF[name], value, currency=currency, reason=reason)
    except InvalidBudget as error:
        raise InvalidBudget(error.message, field=name) from None
