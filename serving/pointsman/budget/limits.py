"""What may be spent: an amount, and a limit on it for one scope and window."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, get_args

import msgspec

from pointsman.budget.scopes import Scope
from pointsman.budget.windows import WINDOWS, Window, window_end
from pointsman.errors import BudgetExceeded, InvalidBudget, InvalidTask
from pointsman.money import MAX_USD, NANO, format_usd, nanousd

Unit = Literal["nanousd", "input_tokens", "output_tokens", "tokens"]
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
MAX_LIMIT: Final = MAX_USD * NANO
MAX_COUNT: Final = 2**63 - 1


class Amount(msgspec.Struct, frozen=True):
    """Money, and tokens in and out: of one attempt or of many. Never negative, never a fraction.

    Raises:
        InvalidBudget: a part isn't an integer from 0 to `MAX_COUNT`.
    """

    nanousd: int
    input_tokens: int = 0
    output_tokens: int = 0

    def __post_init__(self) -> None:
        """Refuse what can't be counted."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= MAX_COUNT:
                raise InvalidBudget(
                    f"{name} is {value!r:.80}; expected an integer from 0 to {MAX_COUNT:,}.", field=name
                )

    def of(self, unit: Unit) -> int:
        """Return this amount in the unit; `tokens` are those in and out together."""
        return self.input_tokens + self.output_tokens if unit == "tokens" else int(getattr(self, unit))


class Limit(msgspec.Struct, frozen=True, order=True):
    """At most `amount` of `unit` for the scope in each window. Zero lets nothing through.

    Raises:
        InvalidBudget: not an integer from 0 to `MAX_LIMIT`, or a window that doesn't suit the scope.
    """

    scope: Scope
    window: Window
    amount: int
    unit: Unit = "nanousd"
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a limit that can't be kept."""
        place = f"the limit of {self.scope}"
        if self.window not in WINDOWS:
            raise InvalidBudget(f"{place}: window is {self.window!r:.80}; expected one of {', '.join(WINDOWS)}.")
        if self.unit not in UNITS:
            raise InvalidBudget(f"{place}: unit is {self.unit!r:.80}; expected one of {', '.join(UNITS)}.")
        if type(self.amount) is not int or not 0 <= self.amount <= MAX_LIMIT:
            raise InvalidBudget(
                f"{place} is {self.amount!r:.80}; expected an integer of {self.unit} from 0 to {MAX_LIMIT:,}."
            )
        if (self.window == "request") != (self.scope.kind == "request"):
            raise InvalidBudget(f'{place}: the window "request" and the scope "request:<id>" go together only.')

    def __str__(self) -> str:
        return f"{format_quantity(self.amount, self.unit)} per {self.window} for {self.scope}"


def format_quantity(count: int, unit: Unit) -> str:
    """Return a count of the unit as people read it: "$12.50", "40,000 tokens"."""
    return format_usd(count) if unit == "nanousd" else f"{count:,} {unit.replace('_', ' ')}"


def exceeded(limit: Limit, posted: int, held: int, asked: int, now: datetime) -> BudgetExceeded:
    """Return the refusal of a hold of `asked` by this limit, with everything that a caller needs to decide."""
    quantity = partial(format_quantity, unit=limit.unit)
    end = window_end(limit.window, now) if asked <= limit.amount else None
    message = (
        f"{limit.scope} may use {quantity(limit.amount)} per {limit.window}: {quantity(posted)} is posted and "
        f"{quantity(held)} held, so that {quantity(asked)} more doesn't fit. "
    )
    if asked > limit.amount:
        message += "It is more than the whole limit: ask for fewer tokens or a cheaper model, or raise the limit."
    elif end is not None:
        message += f"The {limit.window} turns at {end:%Y-%m-%d %H:%M} UTC; wait for it, or raise the limit."
    else:
        message += "Raise the limit to go on."
    error = BudgetExceeded(message, field=str(limit.scope))
    error.scope, error.window, error.unit = str(limit.scope), limit.window, limit.unit
    error.limit, error.posted, error.held, error.asked, error.window_end = limit.amount, posted, held, asked, end
    return error


def limit_in_usd(scope: Scope, window: Window, dollars: Any, *, currency: str = "USD", reason: str = "") -> Limit:
    """Return a limit written in dollars.

    Raises:
        InvalidBudget: missing, not a number, NaN, infinite, negative, above `MAX_USD`, or in another currency.
    """
    place = f"the limit of {scope} per {window}"
    if currency != "USD":
        raise InvalidBudget(f"{place} is in {currency!r:.20}; expected USD: convert it, since prices are in dollars.")
    if dollars is None:
        raise InvalidBudget(f"{place} is missing; write a number of dollars, such as 10.")
    try:
        return Limit(scope, window, nanousd(dollars, place), reason=reason)
    except InvalidTask as error:
        raise InvalidBudget(error.message, field=str(scope)) from None


def checked_limits(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """Return the limits in the order in which they are read.

    Raises:
        InvalidBudget: two limits for one scope, window and unit.
    """
    kept: dict[tuple[Scope, Window, Unit], Limit] = {}
    for limit in limits:
        place = (limit.scope, limit.window, limit.unit)
        if place in kept and kept[place].amount != limit.amount:
            raise InvalidBudget(f"two limits for one scope and window: {kept[place]}, and {limit}. Keep one.")
        if place in kept:
            raise InvalidBudget(f"the limit {limit} is given twice. Keep one.")
        kept[place] = limit
    return tuple(kept.values())
