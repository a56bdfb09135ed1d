"""Which model is asked next where one gives no answer: the same for whole answers and for streams."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pointsman.errors import InvalidChat, LedgerError, PointsmanError, UpstreamError
from pointsman.gateway.health import is_callers_fault
from pointsman.types import Decision

T = TypeVar("T")


async def first_of(decision: Decision, ask: Callable[[str], Awaitable[T]]) -> T:
    """Return what the chosen model gives, or the first fallback that gives anything.

    Raises:
        PointsmanError: the last provider's error where none gave one; a request that none would take isn't sent on.
    """
    failure: PointsmanError | None = None
    for model in (decision.model, *decision.fallbacks):
        try:
            return await ask(model)
        except UpstreamError as error:
            failure = error
            if not _may_go_on(error):
                break
        except (InvalidChat, LedgerError) as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _may_go_on(error: UpstreamError) -> bool:
    """Return whether another model may take what this one refused: not where the request itself is wrong."""
    return not is_callers_fault(error) or error.upstream_code == "context_length_exceeded"
