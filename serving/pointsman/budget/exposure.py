"""The most that an attempt can cost, which is what is reserved, and what it did cost, which is what is posted."""

from typing import Final

import msgspec

from pointsman.errors import InvalidTask, RegistryError
from pointsman.registry import ModelCard, Price, TokenUsage
from pointsman.registry.prices import Rates

DEFAULT_OUTPUT_TOKENS: Final = 4_096
"""What an attempt may write where neither caller nor plan says: a model's own maximum would hold whole budgets."""

TOKENS_PER_MESSAGE: Final = 16
"""What chat formats add to a message at most (role, separators)."""


class Attempt(msgspec.Struct, frozen=True):
    """One call of one model before it is made.

    `input_tokens` is the whole prompt, counted so that the provider can't count more (see `prompt_bound`).
    `max_output_tokens` is what the caller asks for, None where it doesn't say. `answers` is how many are asked for at
    once, each as long. `caches_for_an_hour` tells that the prompt may be written to the dearer cache.
    """

    input_tokens: int
    max_output_tokens: int | None = None
    answers: int = 1
    caches_for_an_hour: bool = False
    is_batch: bool = False

    def __post_init__(self) -> None:
        """Refuse counts that no call can have.

        Raises:
            InvalidTask: a count isn't a whole number in its range; `field` names it.

        """
        _check_count("input_tokens", self.input_tokens, 0)
        _check_count("answers", self.answers, 1)
        if self.max_output_tokens is not None:
            _check_count("max_output_tokens", self.max_output_tokens, 1)


class Exposure(msgspec.Struct, frozen=True):
    """The most that an attempt can cost.

    `max_output_tokens` is the limit per answer that has to be sent with the call: the bound holds only with it.
    `output_tokens` is that of all answers.
    """

    amount_nanousd: int
    input_tokens: int
    output_tokens: int
    max_output_tokens: int


def prompt_bound(texts: list[str]) -> int:
    """Return a number of tokens that no provider's tokenizer exceeds on these messages.

    A token of a byte-level or byte-fallback vocabulary stands for at least one byte. Count with the provider's own
    tokenizer where it is at hand: this is about four times as many.
    """
    return sum(len(text.encode("utf-8", "surrogatepass")) + TOKENS_PER_MESSAGE for text in texts)


def exposure(card: ModelCard, attempt: Attempt, plan_output_tokens: int | None = None) -> Exposure:
    """Return the most that an attempt on this model can cost, and the output limit that makes it so.

    Output is clamped to the least of what the caller asks for, the plan allows and the model can write; a prompt of
    which only a bound is known counts as the whole context at most.

    Raises:
        RegistryError: the model has no price, or none for the hour's cache that the attempt uses.

    """
    price = _stated_price(card, attempt)
    prompt = min(attempt.input_tokens, card.context_tokens)
    asked = attempt.max_output_tokens or plan_output_tokens or DEFAULT_OUTPUT_TOKENS
    limit = min(asked, plan_output_tokens or asked, card.max_output_tokens)
    written = limit * attempt.answers
    amount = most_nanousd(price, msgspec.structs.replace(attempt, input_tokens=prompt), written)
    return Exposure(amount, prompt, written, limit)


def most_nanousd(price: Price, attempt: Attempt, output_tokens: int) -> int:
    """Return the dearest bill of any usage with at most these tokens: every tier in reach, every kind of token."""
    dearest = 0
    for first, last, rates in _reachable(price, attempt.input_tokens):
        if first <= attempt.input_tokens:
            dearest = max(dearest, _flat_bill(rates, min(last, attempt.input_tokens), output_tokens, attempt))
    percent = price.batch_percent if attempt.is_batch else 100
    return -(-dearest * percent // (100 * 1_000_000))


def invoice_nanousd(
    price: Price, usage: TokenUsage, *, is_batch: bool = False, stated_nanousd: int | None = None
) -> int:
    """Return what to post for a usage report: our own sum, or the provider's where that is greater.

    A provider that states less, or zero as some do while streaming, isn't believed.

    Raises:
        InvalidTask: the stated cost isn't a whole number of nano-USD from 0.

    """
    own = price.bill_nanousd(usage, is_batch=is_batch)
    if stated_nanousd is None:
        return own
    if type(stated_nanousd) is not int or stated_nanousd < 0:
        raise InvalidTask(
            f"The stated cost is {stated_nanousd!r:.80}; expected whole nano-USD from 0.", field="cost_usd"
        )
    return max(own, stated_nanousd)


def _stated_price(card: ModelCard, attempt: Attempt) -> Price:
    price: Price | None = card.price
    if price is None:
        raise RegistryError(
            f"{card.id} has no price, so nothing can be reserved for it. State price.input and price.output on its "
            "card, or free: true.",
            field="price",
        )
    if attempt.caches_for_an_hour and not price.has_hour_rates:
        raise RegistryError(
            f"{card.id} has no price for tokens cached for an hour, and the prompt asks for that. State "
            "price.cached_write_hour on its card (each tier too), or cache for minutes.",
            field="price.cached_write_hour",
        )
    return price


def _reachable(price: Price, input_tokens: int) -> list[tuple[int, int, Rates]]:
    """Return (first, last prompt size, rates) of each tier."""
    starts = [0, *(tier.from_tokens for tier in price.tiers)]
    lasts = [*(start - 1 for start in starts[1:]), input_tokens]
    return list(zip(starts, lasts, (price, *price.tiers), strict=True))


def _flat_bill(rates: Rates, input_tokens: int, output_tokens: int, attempt: Attempt) -> int:
    kinds = [rates.input_nanousd_per_mtok, rates.cached_read, rates.cached_write]
    if attempt.caches_for_an_hour:
        kinds.append(rates.cached_write_hour)
    return input_tokens * max(kinds) + output_tokens * max(rates.output_nanousd_per_mtok, rates.reasoning)


def _check_count(name: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= 1_000_000_000:
        raise InvalidTask(f"{name} is {value!r:.80}; expected a whole number from {least} to 1e9.", field=name)
