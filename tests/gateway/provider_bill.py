"""What the provider that stands in charges: its own tariff and its own arithmetic, so that it can prove ours wrong."""

import math
from fractions import Fraction
from typing import Any, Literal

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """The tokens of a call; `input` is the whole prompt and `output` all that was written, their parts included."""

    input: int
    output: int
    cached_read: int = 0
    cached_write: int = 0
    cached_write_hour: int = 0
    reasoning: int = 0


class Tariff(msgspec.Struct, frozen=True):
    """What a million tokens of each kind cost in nano-USD; None is the rate of the kind it belongs to.

    `above` has other tariffs for whole prompts of so many tokens or more; `flex_percent` is what a request with
    `service_tier: flex` pays.
    """

    input: int
    output: int
    cached_read: int | None = None
    cached_write: int | None = None
    cached_write_hour: int | None = None
    reasoning: int | None = None
    flex_percent: int = 100
    above: dict[int, "Tariff"] = {}

    def bill(self, usage: Usage, *, is_flex: bool = False) -> int:
        """Return the bill in nano-USD: the exact sum, rounded up once."""
        reached = [start for start in self.above if usage.input >= start]
        rates = self.above[max(reached)] if reached else self
        write = rates.input if rates.cached_write is None else rates.cached_write
        write_hour = write if rates.cached_write_hour is None else rates.cached_write_hour
        read = rates.input if rates.cached_read is None else rates.cached_read
        thought = rates.output if rates.reasoning is None else rates.reasoning
        fresh = usage.input - usage.cached_read - usage.cached_write - usage.cached_write_hour
        micro = fresh * rates.input + usage.cached_read * read
        micro += usage.cached_write * write + usage.cached_write_hour * write_hour
        micro += (usage.output - usage.reasoning) * rates.output + usage.reasoning * thought
        share = Fraction(self.flex_percent if is_flex else 100, 100)
        return math.ceil(Fraction(micro, 1_000_000) * share)


def tariff(input: float, output: float, **rest: float) -> Tariff:
    """Return the tariff of dollars per million tokens."""
    rates: dict[str, Any] = {name: round(usd * 1e9) for name, usd in rest.items()}
    return Tariff(round(input * 1e9), round(output * 1e9), **rates)


TARIFFS = {
    "gpt-4o-mini": tariff(0.15, 0.6, cached_read=0.075),
    "gpt-4o": tariff(2.5, 10, cached_read=1.25),
    "gpt-4o-2024-08-06": tariff(2.5, 10, cached_read=1.25),
    "claude-haiku": tariff(0.8, 4, cached_read=0.08, cached_write=1, cached_write_hour=1.6),
    "claude-sonnet": tariff(3, 15, cached_read=0.3, cached_write=3.75, cached_write_hour=6),
}

End = Literal["whole", "cut", "hung_up", "rejected", "unread"]


class Line(msgspec.Struct, frozen=True):
    """One call on the invoice: `call_id` is the id in the answer. Calls that cost nothing are `is_billed` False."""

    call_id: str
    model: str
    usage: Usage
    is_billed: bool
    end: End
    cost_nanousd: int
