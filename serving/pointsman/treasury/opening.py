"""Opens a treasury on a database; what needs SQLAlchemy is imported here, and not before."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pointsman.budget.parsing import load_rules
from pointsman.budget.rules import Rules
from pointsman.treasury.treasury import HOLD_FOR, Treasury

DEFAULT_URL = "sqlite:///pointsman.db"


def utc_now() -> datetime:
    """Return the moment of the machine's clock, in UTC."""
    return datetime.now(UTC)


def open_treasury(
    rules: Rules | str | os.PathLike[str] | None = None,
    url: str = DEFAULT_URL,
    *,
    tenant: str = "default",
    hold_for: timedelta = HOLD_FOR,
    clock: Callable[[], datetime] = utc_now,
) -> Treasury:
    """Return the treasury of rules (an object, a file, None: $10 a day) and of the ledger at the URL.

    Raises:
        InvalidFile, InvalidBudget: the rules can't be used.
        InvalidInput, LedgerUnavailable: as `store.open_ledger`.
        MissingExtra: SQLAlchemy or a driver isn't installed.
    """
    given = rules if rules is None or isinstance(rules, Rules) else load_rules(rules)
    from pointsman.store import open_ledger

    ledger = open_ledger(url, clock=clock)
    try:
        return Treasury(ledger, given, clock=clock, tenant=tenant, hold_for=hold_for)
    except BaseException:
        ledger.close()
        raise
