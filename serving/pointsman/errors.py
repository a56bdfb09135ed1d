"""Everything that can go wrong, said so that the reader knows what to do.

PointsmanError
├── InvalidInput            what the caller sent can't be used
│   ├── InvalidTask         a task, its budget or its constraints
│   ├── InvalidFile         a file, with the line that is wrong
│   ├── InvalidOutcomes     an outcome table: column, row, value
│   ├── InvalidBudget       a scope, a window, a limit or the money to hold
│   ├── InvalidConfig       pointsman.yaml or a setting of the environment
│   ├── InvalidChat         a chat request, in OpenAI's shape or Anthropic's
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
├── AccessError             who asks may not
│   ├── Unauthenticated     no key, or one that nobody holds
│   ├── Forbidden           a key whose role doesn't reach that far
│   ├── UnknownKey          no key of this tenant has the id
│   └── RateLimited         too many requests or tokens a minute: wait
├── Overloaded              the queue is full: try again
├── NotCached               only-if-cached, and the cache has no answer
├── UpstreamError           the provider refused, failed or answered nonsense
│   └── UpstreamTimeout     the provider didn't answer in time
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


class InvalidConfig(InvalidInput):
    """The configuration can't be used; the message names the file and its line, or the variable."""

    code = "invalid_config"


class InvalidChat(InvalidInput):
    """A chat request can't be used; `field` is the path of what is wrong ("messages[2].content")."""

    code = "invalid_request"


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


class AccessError(PointsmanError):
    """Who asks may not."""

    code = "access"


class Unauthenticated(AccessError):
    """There is no key, or one that nobody holds; the message never repeats it."""

    code = "unauthenticated"


class Forbidden(AccessError):
    """The key is known, and its role doesn't reach that far."""

    code = "forbidden"


class UnknownKey(AccessError):
    """No key of this tenant has the id; a key of another tenant is as unknown as none."""

    code = "unknown_key"


class RateLimited(AccessError):
    """Too many requests or tokens a minute; try again in `retry_after_s` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class Overloaded(PointsmanError):
    """As many requests wait as may; try again in `retry_after_s` seconds."""

    code = "overloaded"

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class NotCached(PointsmanError):
    """The caller takes an answer from the cache only, and there is none."""

    code = "not_cached"


class UpstreamError(PointsmanError):
    """The provider refused, failed or answered what can't be used.

    `status` is the provider's HTTP status, None where it gave none. `is_retryable` says whether the same call may
    succeed later; `is_unbilled` whether the provider certainly billed nothing for it (it was never sent, or refused
    before any work). `retry_after_s` is what the provider asked for, `upstream_code` its own name for what is wrong
    ("context_length_exceeded").
    """

    code = "upstream"
    upstream_code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        status: int | None = None,
        is_retryable: bool = False,
        is_unbilled: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.status = status
        self.is_retryable = is_retryable
        self.is_unbilled = is_unbilled
        self.retry_after_s = retry_after_s


class UpstreamTimeout(UpstreamError):
    """The provider didn't answer in time; what it billed isn't known."""

    code = "upstream_timeout"


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
    InvalidChat: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    UnknownKey: 404,
    RateLimited: 429,
    Overloaded: 503,
    NotCached: 504,
    UpstreamError: 502,
    UpstreamTimeout: 504,
}


def http_status(error: PointsmanError) -> int:
    """Return the HTTP status of an error: that of its nearest ancestor in `HTTP_STATUS`, else 500."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
