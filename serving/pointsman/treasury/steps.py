"""Work that waits for the ledger, written once for callers that wait in a thread and for those that don't."""

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from pointsman.budget import Hold
from pointsman.budget.operations import Operation
from pointsman.errors import LedgerError

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

T = TypeVar("T")
Steps = Generator[list[Operation], list[Hold | LedgerError], T]
"""Yields operations that go to the ledger together, is sent the hold or the refusal of each, and returns a result."""


def done(steps: Steps[T], ledger: "StoreLedger | None") -> T:
    """Return the result of the steps; without a ledger there must be none."""
    answers: list[Hold | LedgerError] | None = None
    try:
        while True:
            operations = next(steps) if answers is None else steps.send(answers)
            assert ledger is not None
            answers = ledger.perform(operations)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def awaited(steps: Steps[T], ledger: "StoreLedger | None", *, may_wait: bool = False) -> T:
    """Return the result of the steps without blocking the event loop. Don't cancel it between holding and giving.

    What `may_wait` shares the commits of others, and takes some milliseconds longer.
    """
    answers: list[Hold | LedgerError] | None = None
    try:
        while True:
            operations = next(steps) if answers is None else steps.send(answers)
            assert ledger is not None
            answers = await ledger.performed(operations, may_wait=may_wait)
    except StopIteration as stop:
        result: T = stop.value
        return result
