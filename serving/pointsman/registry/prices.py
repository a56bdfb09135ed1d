"""Prices are integers: nano-USD per million tokens, so that no cost is ever a sum of rounded floats.

Per million, because $0.0375 per million tokens isn't a whole number of nano-USD per token.
"""

from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Final

import msgspec

from pointsman.errors import RegistryError
from pointsman.money import MAX_USD, NANO

MTOK: Final = 1_000_000
_MAX_DIGITS: Final = 40

Usd = Decimal | str | float


def nanousd_per_mtok(usd: object, field: str = "price") -> int:
    """Return dollars per million tokens as nano-USD per million tokens, exactly; floats count as they are printed.

    Raises:
        RegistryError: not a finite amount from 0 to `MAX_USD`, or finer than one nano-USD per million tokens.

    """
    if isinstance(usd, bool) or not isinstance(usd, Decimal | str | int | float):
        raise _bad_amount(repr(usd)[:60], field)
    try:
        amount = Decimal(usd if isinstance(usd, int | Decimal) else str(usd))
    except ArithmeticError:
        raise _bad_amount(repr(usd)[:60], field) from None
    if not amount.is_finite() or not 0 <= amount <= MAX_USD or len(amount.as_tuple().digits) > _MAX_DIGITS:
        raise _bad_amount(f"{amount:.6g}", field)
    with localcontext(prec=2 * _MAX_DIGITS):
        scaled = amount * NANO
        if scaled % 1 or (amount and not scaled):  # the product of a tiny amount underflows to 0
            raise RegistryError(
                f"{field} is {amount} USD per million tokens; expected at most nine decimals.", field=field
            )
        return int(scaled)


def _bad_amount(shown: str, field: str) -> RegistryError:
    return RegistryError(
        f"{field} is {shown}; expected USD per million tokens from 0 to {MAX_USD:,}, such as 2.5.", field=field
    )


class Rates(msgspec.Struct, frozen=True):
    """What tokens cost, in nano-USD per million.

    Where a rate is None, cached tokens pay the input rate, tokens cached for an hour the rate of other cached writes,
    and reasoning tokens the output rate.
    """

    input_nanousd_per_mtok: int
    output_nanousd_per_mtok: int
    cached_read_nanousd_per_mtok: int | None = None
    cached_write_nanousd_per_mtok: int | None = None
    cached_write_hour_nanousd_per_mtok: int | None = None
    reasoning_nanousd_per_mtok: int | None = None

    def __post_init__(self) -> None:
        """Refuse rates that aren't whole numbers from 0."""
        for name in RATE_NAMES:
            value = getattr(self, f"{name}_nanousd_per_mtok")
            if not (value is None and name in OPTIONAL_RATE_NAMES) and (type(value) is not int or value < 0):
                raise RegistryError(
                    f"price.{name} is {value!r}; expected whole nano-USD per million tokens.", field=f"price.{name}"
                )

    @property
    def cached_read(self) -> int:
        """The rate of tokens read from the cache, in nano-USD per million."""
        stated = self.cached_read_nanousd_per_mtok
        return self.input_nanousd_per_mtok if stated is None else stated

    @property
    def cached_write(self) -> int:
        """The rate of tokens written to the cache, in nano-USD per million."""
        stated = self.cached_write_nanousd_per_mtok
        return self.input_nanousd_per_mtok if stated is None else stated

    @property
    def cached_write_hour(self) -> int:
        """The rate of tokens cached for an hour, in nano-USD per million."""
        stated = self.cached_write_hour_nanousd_per_mtok
        return self.cached_write if stated is None else stated

    @property
    def reasoning(self) -> int:
        """The rate of reasoning tokens, in nano-USD per million."""
        stated = self.reasoning_nanousd_per_mtok
        return self.output_nanousd_per_mtok if stated is None else stated


RATE_NAMES: Final = ("input", "output", "cached_read", "cached_write", "cached_write_hour", "reasoning")
OPTIONAL_RATE_NAMES: Final = RATE_NAMES[2:]


class Tier(Rates, frozen=True, kw_only=True):
    """The rates of every token of a request whose prompt has `from_tokens` tokens or more."""

    from_tokens: int

    def __post_init__(self) -> None:
        """Refuse a tier that starts nowhere."""
        super().__post_init__()
        if type(self.from_tokens) is not int or self.from_tokens < 1:
            raise RegistryError(
                f"price.tiers has from_tokens {self.from_tokens!r}; expected a prompt size of at least 1 token.",
                field="price.tiers",
            )

    @classmethod
    def usd_per_mtok(
        cls,
        from_tokens: int,
        input: Usd,
        output: Usd,
        *,
        cached_read: Usd | None = None,
        cached_write: Usd | None = None,
    ) -> "Tier":
        """Return the tier of these dollars per million tokens."""
        rates = _rates(input, output, cached_read, cached_write)
        return cls(**rates, from_tokens=from_tokens)


class Price(Rates, frozen=True):
    """What a model costs. `batch_percent` is what a batched request pays of the whole (100: no discount)."""

    batch_percent: int = 100
    tiers: tuple[Tier, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a discount out of range, and tiers that don't ascend."""
        super().__post_init__()
        if type(self.batch_percent) is not int or not 1 <= self.batch_percent <= 100:
            raise RegistryError(
                f"price.batch_percent is {self.batch_percent!r}; expected a whole number from 1 to 100 (no discount).",
                field="price.batch_percent",
            )
        starts = [tier.from_tokens for tier in self.tiers]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise RegistryError(
                f"price.tiers start from {starts} tokens; expected ascending sizes.", field="price.tiers"
            )

    @classmethod
    def usd_per_mtok(
        cls, input: Usd, output: Usd, *, cached_read: Usd | None = None, cached_write: Usd | None = None
    ) -> "Price":
        """Return the price of these dollars per million tokens, without discount or tiers."""
        rates = _rates(input, output, cached_read, cached_write)
        return msgspec.convert(rates, cls)

    @property
    def is_free(self) -> bool:
        """Whether nothing is ever charged."""
        return self == FREE

    @property
    def has_hour_rates(self) -> bool:
        """Whether it says what tokens cost that are cached for an hour, whatever the size of the prompt."""
        return self.is_free or all(one.cached_write_hour_nanousd_per_mtok is not None for one in (self, *self.tiers))

    def rates(self, input_tokens: int) -> Rates:
        """Return the rates of a prompt of this size: those of the highest tier it reaches, else the price's own."""
        return next((tier for tier in reversed(self.tiers) if input_tokens >= tier.from_tokens), self)

    def cost_nanousd(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        cached_read_tokens: int = 0,
        cached_write_tokens: int = 0,
        is_batch: bool = False,
    ) -> int:
        """Return what a request costs in nano-USD, rounded up once at the end.

        `input_tokens` is the whole prompt; cached tokens are part of it and are charged at their own rate instead.

        Raises:
            RegistryError: a count isn't a whole number from 0, or more tokens are cached than the prompt has.

        """
        usage = TokenUsage(input_tokens, output_tokens, cached_read_tokens, cached_write_tokens)
        return self.bill_nanousd(usage, is_batch=is_batch)

    def bill_nanousd(self, usage: "TokenUsage", *, is_batch: bool = False) -> int:
        """Return what a usage report costs in nano-USD, rounded up once at the end."""
        rates = self.rates(usage.input_tokens)
        total = (
            usage.fresh_tokens * rates.input_nanousd_per_mtok
            + usage.cached_read_tokens * rates.cached_read
            + usage.cached_write_tokens * rates.cached_write
            + usage.cached_write_hour_tokens * rates.cached_write_hour
            + (usage.output_tokens - usage.reasoning_tokens) * rates.output_nanousd_per_mtok
            + usage.reasoning_tokens * rates.reasoning
        )
        percent = self.batch_percent if is_batch else 100
        return -(-total * percent // (100 * MTOK))


FREE: Final = Price(0, 0)


def _rates(input: Usd, output: Usd, cached_read: Usd | None, cached_write: Usd | None) -> dict[str, int]:
    given = zip(RATE_NAMES[:4], (input, output, cached_read, cached_write), strict=True)
    return {
        f"{name}_nanousd_per_mtok": nanousd_per_mtok(usd, f"price.{name}") for name, usd in given if usd is not None
    }


class TokenUsage(msgspec.Struct, frozen=True):
    """The tokens of one request.

    `input_tokens` is the whole prompt: tokens read from a cache or written to one (for minutes, or for an hour) are
    part of it. `output_tokens` is all that was written: reasoning tokens are part of it. A provider that reports parts
    beside the whole (Anthropic's cached tokens, Gemini's thoughts) is added up first.
    """

    input_tokens: int
    output_tokens: int
    cached_read_tokens: int = 0
    cached_write_tokens: int = 0
    cached_write_hour_tokens: int = 0
    reasoning_tokens: int = 0

    def __post_init__(self) -> None:
        """Refuse counts that no request can have.

        Raises:
            RegistryError: a count isn't a whole number from 0, or a part exceeds its whole.

        """
        for name in self.__struct_fields__:
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise RegistryError(f"{name} is {count!r}; expected a whole number from 0.", field=name)
        if self.fresh_tokens < 0:
            written = self.cached_write_tokens + self.cached_write_hour_tokens
            raise RegistryError(
                f"{self.cached_read_tokens:,} read and {written:,} written cached tokens are more than the "
                f"{self.input_tokens:,} input tokens they are part of; input_tokens must count the whole prompt.",
                field="input_tokens",
            )
        if self.reasoning_tokens > self.output_tokens:
            raise RegistryError(
                f"{self.reasoning_tokens:,} reasoning tokens are more than the {self.output_tokens:,} output tokens "
                "they are part of; output_tokens must count all that was written.",
                field="output_tokens",
            )

    @property
    def fresh_tokens(self) -> int:
        """Input tokens that pay the input rate."""
        return self.input_tokens - self.cached_read_tokens - self.cached_write_tokens - self.cached_write_hour_tokens
