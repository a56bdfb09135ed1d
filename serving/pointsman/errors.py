"""Everything that can go wrong, said so that the reader knows what to do.

PointsmanError
├── InvalidInput            what the caller sent can't be used
│   ├── InvalidTask         a task, its budget or its constraints
│   ├── InvalidFile         a file, with the line that is wrong
│   └── InvalidOutcomes     an outcome table: column, row, value
├── RegistryError           a model card, a price or a fleet
│   └── UnknownModel        a model that no card describes
├── BundleError             a bundle that doesn't verify
├── NoEligibleModel         no model of the fleet can do this task
│   └── BudgetTooSmall      models could, but none within the budget
├── ParityError             the exported graph disagrees with training
└── MissingExtra            a feature whose `pip install` is missing
"""

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
}


def http_status(error: PointsmanError) -> int:
    """Return the HTTP status of an error: that of its nearest ancestor in `HTTP_STATUS`, else 500."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
