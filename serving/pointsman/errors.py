"""Everything that can go wrong, said so that the reader knows what to do.

PointsmanError
├── InvalidInput            what the caller sent can't be used
│   ├── InvalidTask         a task, its budget or its constraints
│   ├── InvalidFile         a file, with the line that is wrong
│   ├── InvalidOutcomes     an outcome table: column, row, value
│   ├── InvalidBudget       a scope, a window, a limit or the money to hold
│   └── InvalidBill         a reported cost that can't be true, or a void without proof
├── RegistryError           a model card, a price or a fleet
│   └── UnknownModel        a model that no card describes
├── BundleError             a bundle that doesn't verify
├── NoEligibleModel         no model of the fleet can do this task
│   └── BudgetTooSmall      models could, but none within the budget
├── LedgerError             the ledger refuses, and is unchanged
│   ├── BudgetExceeded      a limit has no room for the hold: limit, posted, held, window end
│   ├── FrozenScope         a scope was stopped after a bill above its hold
│   ├── HoldConflict        the same key with another body, or a hold that ended otherwise
│   ├── UnknownHold         no hold of this tenant has the id
│   └── LedgerUnavailable   the database is gone, full or slow: nothing may be sent
├── ParityError             the exported graph disagrees with training
└── MissingExtra            a feature whose `pip install` is missing
"""

from datetime import datetime
from typing import Final


class PointsmanError(Exception):
    """Root of all errors a user can cause; `code` is stable, `field` names the place where there is one."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(PointsmanError):
    """What the caller sent can't be used."""

    code = "invalid_input"


class InvalidTask(InvalidInput):
    """A task, its budget or its constraints can't be used."""

    code = "invalid_task"


class InvalidFile(InvalidInput):
    """A file can't be used; the message names the line."""

    code = "invalid_file"


class InvalidOutcomes(InvalidInput):
    """An outcome table can't be used; the message names column, row and value."""

    code = "invalid_outcomes"


class InvalidBudget(InvalidInput):
    """A scope, a window, a limit or the money to hold can't be used."""

    code = "invalid_budget"


class InvalidBill(InvalidInput):
    """A reported cost can't be true, or a void lacks proof; the hold stays as it was."""

    code = "invalid_bill"


class RegistryError(PointsmanError):
    """A model card, a price or a fleet can't be used; the message names entry and field."""

    code = "invalid_registry"


class UnknownModel(RegistryError):
    """No card describes this model."""

    code = "unknown_model"


class BundleError(PointsmanError):
    """A bundle doesn't verify; nothing of it was loaded."""

    code = "invalid_bundle"


class NoEligibleModel(PointsmanError):
    """No model of the fleet can do this task; the message says what excluded each."""

    code = "no_eligible_model"


class BudgetTooSmall(NoEligibleModel):
    """Models could do the task, but none within the budget."""

    code = "budget_too_small"


class LedgerError(PointsmanError):
    """The ledger refuses an operation; nothing of it was written."""

    code = "ledger"


class BudgetExceeded(LedgerError):
    """A limit has no room for the hold.

    `scope` and `window` are in their text forms ("user:ann", "day"); `limit`, `posted`, `held` and `asked` count the
    `unit`. `window_end` (UTC) is when the window turns; None where it never does, or where the hold is larger than the
    whole limit, so that waiting can't help.
    """

    code = "budget_exceeded"

    scope: str
    window: str
    unit: str
    limit: int
    posted: int
    held: int
    asked: int
    window_end: datetime | None


class FrozenScope(LedgerError):
    """A scope was stopped, and takes no holds until someone unfreezes it; the message says why it was."""

    code = "frozen_scope"


class HoldConflict(LedgerError):
    """The same idempotency key came with another body, or the hold ended in another way before."""

    code = "hold_conflict"


class UnknownHold(LedgerError):
    """No hold of this tenant has the id; a hold of another tenant is as unknown as none."""

    code = "unknown_hold"


class LedgerUnavailable(LedgerError):
    """The database is gone, full or slow; nothing may be sent upstream. Try again in `retry_after_s` seconds."""

    code = "ledger_unavailable"

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class ParityError(PointsmanError):
    """The exported graph doesn't compute what training computed."""

    code = "parity"


class MissingExtra(PointsmanError):
    """A feature needs an extra that isn't installed."""

    code = "missing_extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs the extra "{extra}". Install it with: pip install "pointsman[{extra}]"')


HTTP_STATUS: Final[dict[type[PointsmanError], int]] = {
    InvalidInput: 422,
    UnknownModel: 404,
    RegistryError: 422,
    NoEligibleModel: 422,
    BudgetTooSmall: 402,
    BundleError: 503,
    BudgetExceeded: 402,
    FrozenScope: 402,
    HoldConflict: 409,
    UnknownHold: 404,
    LedgerUnavailable: 503,
}


def http_status(error: PointsmanError) -> int:
    """Return the HTTP status of an error: that of its nearest ancestor in `HTTP_STATUS`, else 500."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
