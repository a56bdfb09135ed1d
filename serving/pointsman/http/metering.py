"""Tokens a minute: what a chat is expected to use, and what it did, told to the limiter that let its request in."""

import contextlib
from collections.abc import Callable, Iterator

from starlette.requests import Request

from pointsman.access import RateLimiter
from pointsman.access.words import NO_LIMITS
from pointsman.http.guard import ADMISSION
from pointsman.http.principals import principal_of


def meter(request: Request, limiter: RateLimiter, expected_tokens: int) -> Callable[[int], None] | None:
    """Return what is to be told the tokens that the request used; None where nobody counts them.

    Raises:
        RateLimited: the key has no room for the tokens expected.
    """
    who, admission = principal_of(request), request.scope.get("state", {}).get(ADMISSION)
    if admission is None or who.rates == NO_LIMITS:
        return None
    counted = limiter.expect(who, admission, expected_tokens)
    return lambda tokens: limiter.true_up(counted, tokens)


@contextlib.contextmanager
def metered(request: Request, limiter: RateLimiter, expected_tokens: int) -> Iterator[Callable[[int], None]]:
    """Give what is told the tokens of each of a request's calls while the block runs; they count together.

    Raises:
        RateLimited: the key has no room for the tokens expected.
    """
    tell, used = meter(request, limiter, expected_tokens), 0

    def add(tokens: int) -> None:
        nonlocal used
        used += tokens

    try:
        yield add
    finally:
        if tell is not None:
            tell(used)
