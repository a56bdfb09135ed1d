"""When someone should hear about a budget: at 50, 80 and 95 %, when it will run out, when a scope was stopped."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from pointsman.budget.forecast import Forecast
from pointsman.budget.limits import Limit, format_quantity
from pointsman.budget.windows import utc, window_end, window_id
from pointsman.errors import InvalidBudget

THRESHOLDS_PERCENT: Final = (50, 80, 95)

AlertKind = Literal["threshold", "forecast", "frozen"]


class Alert(msgspec.Struct, frozen=True):
    """One thing to tell, once: its `id` is the same for the same kind, scope, window and threshold.

    `used`, `limit` are counted in `unit`; `percent` is the threshold, None for a forecast or a freeze; `window_end` is
    when the window turns (UTC), None where it never does.
    """

    id: str
    kind: AlertKind
    tenant: str
    scope: str
    window: str
    unit: str
    used: int
    limit: int
    percent: int | None
    at: datetime
    window_end: datetime | None
    words: str


def threshold_alerts(
    limit: Limit, used_before: int, used_after: int, now: datetime, *, tenant: str = "default",
    thresholds: Sequence[int] = THRESHOLDS_PERCENT,
) -> list[Alert]:  # fmt: skip
    """Return the alerts that usage (posted and held) rising from `before` to `after` sets off, lowest first.

    A threshold is passed when usage reaches it, counted in integers. A limit of zero is always full and says nothing.

    Raises:
        InvalidBudget: a threshold that isn't a whole number of percent from 1 to 100.
    """
    return [
        _alert("threshold", limit, used_after, now, tenant, percent)
        for percent in checked_thresholds(thresholds)
        if limit.amount and used_before * 100 < percent * limit.amount <= used_after * 100
    ]


def forecast_alert(limit: Limit, told: Forecast, now: datetime, *, tenant: str = "default") -> Alert | None:
    """Return the alert of a limit that will run out before its window ends; None where it will hold, or has run out."""
    if not told.will_run_out or told.spent_nanousd >= told.limit_nanousd:
        return None
    alert = _alert("forecast", limit, told.spent_nanousd, now, tenant, None)
    return msgspec.structs.replace(alert, words=f"{limit.scope}: {told.words()}")


def freeze_alert(limit: Limit, used: int, reason: str, now: datetime, *, tenant: str = "default") -> Alert:
    """Return the alert of a scope that was stopped, with the reason."""
    alert = _alert("frozen", limit, used, now, tenant, None)
    words = f"{limit.scope} was stopped and takes no holds until someone unfreezes it: {reason}"
    return msgspec.structs.replace(alert, words=words, id=f"{alert.id}|{utc(now).isoformat()}")


def unsent(alerts: Iterable[Alert], sent_ids: Iterable[str]) -> list[Alert]:
    """Return the alerts that weren't sent yet, each once, in order."""
    known = set(sent_ids)
    fresh = []
    for alert in alerts:
        if alert.id not in known:
            known.add(alert.id)
            fresh.append(alert)
    return fresh


def checked_thresholds(thresholds: Sequence[int]) -> tuple[int, ...]:
    """Return thresholds in ascending order, each once.

    Raises:
        InvalidBudget: one isn't a whole number from 1 to 100.
    """
    for percent in thresholds:
        if type(percent) is not int or not 1 <= percent <= 100:
            raise InvalidBudget(f"an alert is set at {percent!r:.80} %; expected a whole number from 1 to 100.")
    return tuple(sorted(set(thresholds)))


def _alert(kind: AlertKind, limit: Limit, used: int, now: datetime, tenant: str, percent: int | None) -> Alert:
    window = window_id(limit.window, now)
    share = f"{100 * used // limit.amount} %" if limit.amount else "all"
    words = (
        f"{limit.scope} has used {share} of {format_quantity(limit.amount, limit.unit)} per {limit.window} "
        f"({format_quantity(used, limit.unit)})"
    )
    return Alert(
        id="|".join((kind, tenant, str(limit.scope), window, limit.unit, str(percent or ""))),
        kind=kind,
        tenant=tenant,
        scope=str(limit.scope),
        window=limit.window,
        unit=limit.unit,
        used=used,
        limit=limit.amount,
        percent=percent,
        at=utc(now),
        window_end=window_end(limit.window, now),
        words=f"{words}.",
    )
