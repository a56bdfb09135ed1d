"""Rate limits: requests and tokens of a key in any minute, counted in seconds.

A request at second s counts until second s + 60 has passed. So no stretch of 60 seconds, wherever it begins, holds more
than the limit; a caller who stays just below it gets 60/61 of it. A whole minute's worth may come at once.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from pointsman.access.words import Principal
from pointsman.errors import RateLimited

_SECONDS: Final = 60
_NOBODY: Final = ""


class Admission(msgspec.Struct, frozen=True):
    """A request that was let in: whose, in which second, and how many tokens were counted for it."""

    key: str
    second: int
    tokens: int


class Allowance(msgspec.Struct, frozen=True):
    """One limit: what may be asked in a minute, what is left, and in how many seconds all of it is again."""

    limit: int
    remaining: int
    reset_s: float


class Standing(msgspec.Struct, frozen=True):
    """How a key stands to its limits; None is no limit."""

    requests: Allowance | None
    tokens: Allowance | None


class RateLimiter:
    """Counts what each key asks, in this process; `clock` gives seconds that never go back.

    Of `processes` that share the work each lets in its share of a limit, and at least 1. What is remembered is at most
    61 seconds for each key that asked lately. Not for several threads at once: an event loop calls it.
    """

    def __init__(self, clock: Callable[[], float], *, processes: int = 1) -> None:
        self._clock = clock
        self._processes = processes
        self._windows: dict[str, _Window] = {}
        self._swept = -math.inf

    def admit(self, principal: Principal, tokens: int = 0) -> Admission:
        """Count one request that is expected to use so many tokens.

        Raises:
            RateLimited: a limit has no room, and nothing was counted; the same request fits after `retry_after_s`.
        """
        now, key = self._clock(), principal.key or _NOBODY
        second = math.floor(now)
        window = self._window(key, second)
        self._check(principal, window, (1, tokens), now)
        window.add(second, 1, tokens)
        return Admission(key, second, tokens)

    def expect(self, principal: Principal, admission: Admission, tokens: int) -> Admission:
        """Count other tokens for a request that was let in, once what it asks for is known.

        Raises:
            RateLimited: as `admit`; what was counted for it stays.
        """
        now = self._clock()
        second = math.floor(now)
        window = self._window(admission.key, second)
        self._check(principal, window, (0, tokens - admission.tokens), now)
        window.add(admission.second, 0, -admission.tokens)
        window.add(second, 0, tokens)
        return Admission(admission.key, second, tokens)

    def true_up(self, admission: Admission, tokens: int) -> None:
        """Count the tokens that a request used instead of those expected of it.

        Those above count from now on; those that weren't used are given back where they still count.
        """
        second = math.floor(self._clock())
        window = self._window(admission.key, second)
        more = tokens - admission.tokens
        window.add(second if more > 0 else admission.second, 0, more)

    def standing(self, principal: Principal) -> Standing:
        """Return what is left of the key's limits."""
        now = self._clock()
        window = self._window(principal.key or _NOBODY, math.floor(now))
        found = []
        for unit, used in (("requests", window.requests), ("tokens", window.tokens)):
            limit = self._limit(principal, unit)
            reset_s = window.wait_s(unit, used, now) if limit is not None else 0.0
            found.append(None if limit is None else Allowance(limit, max(0, limit - used), reset_s))
        return Standing(*found)

    def _check(self, principal: Principal, window: "_Window", asked: tuple[int, int], now: float) -> None:
        """Refuse what has no room; of two limits without room, the one that is longer in getting it is told."""
        refusals = []
        used = (window.requests, window.tokens)
        for unit, more, counted in zip(("requests", "tokens"), asked, used, strict=True):
            limit = self._limit(principal, unit)
            if limit is not None and more > 0 and counted + more > limit:
                wait_s = window.wait_s(unit, counted + more - limit, now)
                refusals.append(_refusal(unit, more, counted, limit, wait_s))
        if refusals:
            raise max(refusals, key=lambda refusal: refusal.retry_after_s)

    def _limit(self, principal: Principal, unit: str) -> int | None:
        rates = principal.rates
        limit = rates.requests_per_minute if unit == "requests" else rates.tokens_per_minute
        return None if limit is None else max(1, limit // self._processes)

    def _window(self, key: str, second: int) -> "_Window":
        if second - self._swept > _SECONDS:
            self._sweep(second)
        window = self._windows.setdefault(key, _Window())
        window.forget_before(second - _SECONDS)
        return window

    def _sweep(self, second: int) -> None:
        for window in self._windows.values():
            window.forget_before(second - _SECONDS)
        self._windows = {key: window for key, window in self._windows.items() if window.seconds}
        self._swept = second


class _Window:
    """The last seconds in which something was asked, the oldest first, and their sums."""

    __slots__ = ("requests", "seconds", "tokens")

    def __init__(self) -> None:
        self.seconds: deque[list[int]] = deque()
        self.requests = 0
        self.tokens = 0

    def forget_before(self, second: int) -> None:
        while self.seconds and self.seconds[0][0] < second:
            _, requests, tokens = self.seconds.popleft()
            self.requests -= requests
            self.tokens -= tokens

    def add(self, second: int, requests: int, tokens: int) -> None:
        """Count in a second; in one that is forgotten, nothing."""
        entry = next((entry for entry in reversed(self.seconds) if entry[0] <= second), None)
        if entry is None or entry[0] != second:
            if self.seconds and second < self.seconds[-1][0]:
                return
            entry = [second, 0, 0]
            self.seconds.append(entry)
        entry[1] += requests
        entry[2] += tokens
        self.requests += requests
        self.tokens += tokens

    def wait_s(self, unit: str, excess: int, now: float) -> float:
        """Return in how many seconds so many have been forgotten; a whole window where there aren't as many."""
        at = 1 if unit == "requests" else 2
        for entry in self.seconds if excess > 0 else ():
            excess -= entry[at]
            if excess <= 0:
                return entry[0] + _SECONDS + 1 - now
        return 0.0 if excess <= 0 else _SECONDS + 1.0


def _refusal(unit: str, asked: int, used: int, limit: int, wait_s: float) -> RateLimited:
    wait = max(1, math.ceil(wait_s))
    if asked > limit:
        advice = "That is more than a whole minute allows: send less, or ask for a higher limit"
    else:
        advice = f"Try again in {wait} s"
    return RateLimited(
        f"the key may use {limit:,} {unit} a minute; {used:,} are used, and this asks for {asked:,}. {advice}.",
        field=f"{unit}_per_minute",
        retry_after_s=wait,
    )


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Return a standing as response headers, by the names and in the form of OpenAI's API ("1m0.5s")."""
    found: list[tuple[bytes, bytes]] = []
    for unit, allowance in ((b"requests", standing.requests), (b"tokens", standing.tokens)):
        if allowance is not None:
            found += [
                (b"x-ratelimit-limit-" + unit, b"%d" % allowance.limit),
                (b"x-ratelimit-remaining-" + unit, b"%d" % allowance.remaining),
                (b"x-ratelimit-reset-" + unit, _duration(allowance.reset_s).encode()),
            ]
    return found


def _duration(seconds: float) -> str:
    ms = max(0, math.ceil(seconds * 1000))
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{shown}s" if minutes else f"{shown}s"
