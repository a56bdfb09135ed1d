"""Over which time money is counted. A window is a function of the clock: nothing is ever reset.

Days and months are those of the UTC calendar, so that a daylight-saving change, a server's zone or a clock that steps
back can't lengthen, shorten or empty one.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from pointsman.errors import InvalidBudget

Window = Literal["day", "month", "total", "request"]
WINDOWS: Final[tuple[Window, ...]] = get_args(Window)


def parse_window(text: str) -> Window:
    """Return the window of its name.

    Raises:
        InvalidBudget: no such window.
    """
    for window in WINDOWS:
        if text == window:
            return window
    raise InvalidBudget(f"window is {text!r:.80}; expected one of {', '.join(WINDOWS)}.")


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC.

    Raises:
        InvalidBudget: a time without a zone, which names no moment.
    """
    if moment.tzinfo is None:
        raise InvalidBudget(f"the time {moment.isoformat()} has no zone; pass one, such as datetime.now(UTC).")
    return moment.astimezone(UTC)


def window_id(window: Window, now: datetime) -> str:
    """Return what names this window at this moment: "day:2026-11-21", "month:2026-11", "total", "request"."""
    if window == "day":
        return f"day:{utc(now):%Y-%m-%d}"
    if window == "month":
        return f"month:{utc(now):%Y-%m}"
    return window


def window_start(window: Window, now: datetime) -> datetime | None:
    """Return when the window began (UTC, inclusive); None for one that began with the ledger."""
    midnight = utc(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return midnight
    return midnight.replace(day=1) if window == "month" else None


def window_end(window: Window, now: datetime) -> datetime | None:
    """Return when the window turns (UTC, exclusive); None for one that never does."""
    start = window_start(window, now)
    if start is None:
        return None
    if window == "day":
        return start + timedelta(days=1)
    return (start + timedelta(days=31)).replace(day=1)
