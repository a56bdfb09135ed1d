"""A model card says what a model costs, can do and is expected to be good at; a wrong one is refused with its field."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal, get_args

import msgspec
from msgspec.structs import force_setattr

from pointsman.errors import InvalidTask, RegistryError
from pointsman.money import NANO
from pointsman.registry.prices import MTOK, OPTIONAL_RATE_NAMES, RATE_NAMES, Price
from pointsman.types import CAPABILITIES, task_type

CardTier = Literal["mini", "standard", "premium"]

MAX_NANOUSD_PER_MTOK: Final = 1000 * NANO
_TIERS: Final = get_args(CardTier)
_MAX_TEXT_CHARACTERS: Final = 1000
_RANGES: Final[dict[str, tuple[Callable[[float], bool], str]]] = {
    "latency_ms": (lambda value: 0 < value <= 1e9, "milliseconds above 0"),
    "availability": (lambda value: 0 < value <= 1, "a share above 0 and at most 1"),
    "kin_shift": (lambda value: -3 <= value <= 3, "logits from -3 to 3"),
    "quality": (lambda value: 0 <= value <= 1, "a probability from 0 to 1"),
}


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One model that may be chosen.

    `quality` in [0, 1] is the card's own prior. `kin` is the id of a measured model whose abilities serve as prior, and
    `kin_shift` the logits added to its quality. `task_types` None means any. `is_prior_note` is a sentence shown
    wherever the model is listed, because its ability isn't measured.
    """

    id: str
    name: str
    price: Price
    context_tokens: int
    max_output_tokens: int
    latency_ms: float
    availability: float
    provider: str | None = None
    capabilities: tuple[str, ...] = ()
    task_types: tuple[str, ...] | None = None
    quality: float | None = None
    kin: str | None = None
    kin_shift: float = 0.0
    is_prior_note: str | None = None
    tier: CardTier | None = None

    def __post_init__(self) -> None:
        """Refuse a card that can't be routed to, and bring its texts and task types into canonical form.

        Raises:
            RegistryError: a field of the wrong type or range, or a price that is zero though not `FREE`.

        """
        for field in ("id", "name", "provider", "kin", "is_prior_note"):
            _canonical_text(self, field)
        for field in ("id", "provider", "kin"):
            if " " in (getattr(self, field) or ""):
                raise wrong(field, getattr(self, field), "a text without spaces")
        _canonical_names(self)
        _check_count("context_tokens", self.context_tokens)
        _check_count("max_output_tokens", self.max_output_tokens)
        if self.max_output_tokens > self.context_tokens:
            raise wrong("max_output_tokens", self.max_output_tokens, f"at most context_tokens, {self.context_tokens}")
        _canonical_numbers(self)
        if self.tier is not None and self.tier not in _TIERS:
            raise wrong("tier", self.tier, f"one of {', '.join(_TIERS)}")
        _check_price(self.price)

    @property
    def is_prior(self) -> bool:
        """Whether the card says that the model's ability isn't its own outcomes': by a note, or by another's kin."""
        return self.is_prior_note is not None or self.kin not in (None, self.id)


def _canonical_text(card: ModelCard, field: str) -> None:
    value = getattr(card, field)
    if value is None and field not in ("id", "name"):
        return
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > _MAX_TEXT_CHARACTERS:
        raise wrong(field, value, f"a printable text of 1 to {_MAX_TEXT_CHARACTERS:,} characters")
    force_setattr(card, field, text)


def _canonical_names(card: ModelCard) -> None:
    for name in _name_list("capabilities", card.capabilities):
        if name not in CAPABILITIES:
            raise wrong("capabilities", name, f"any of {', '.join(CAPABILITIES)}")
    force_setattr(card, "capabilities", tuple(dict.fromkeys(card.capabilities)))
    if card.task_types is None:
        return
    try:
        types = tuple(dict.fromkeys(map(task_type, _name_list("task_types", card.task_types))))
    except InvalidTask as error:
        raise RegistryError(f"task_types: {error.message}", field="task_types") from None
    if not types:
        raise wrong("task_types", [], "at least one type, or to be left out where the model does any")
    force_setattr(card, "task_types", types)


def _name_list(field: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise wrong(field, value, "a list of names")
    return list(value)


def _check_count(field: str, value: object) -> None:
    if type(value) is not int or not 1 <= value <= 1_000_000_000:
        raise wrong(field, value, "a whole number of tokens of at least 1")


def _canonical_numbers(card: ModelCard) -> None:
    for field, (is_in_range, expected) in _RANGES.items():
        value = getattr(card, field)
        if value is None and field == "quality":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not is_in_range(value):
            raise wrong(field, value, expected)
        force_setattr(card, field, float(value))


def _check_price(price: Price) -> None:
    if not isinstance(price, Price):
        raise wrong("price", price, "a Price")
    if price.is_free:
        return
    for path, rates in (("price", price), *((f"price.tiers[{n}]", tier) for n, tier in enumerate(price.tiers))):
        for name in RATE_NAMES:
            nanousd, field = getattr(rates, f"{name}_nanousd_per_mtok"), f"{path}.{name}"
            if nanousd == 0 and name not in OPTIONAL_RATE_NAMES:
                raise RegistryError(f"{field} is 0; state free: true where nothing is charged.", field=field)
            if nanousd is not None and nanousd > MAX_NANOUSD_PER_MTOK:
                raise implausible(field, nanousd, f"above {MAX_NANOUSD_PER_MTOK // NANO:,} USD per million tokens")


def implausible(field: str, nanousd: int, reason: str) -> RegistryError:
    """Return the error for a price that was probably stated in another unit."""
    per_token = show_usd(Decimal(nanousd) / MTOK)
    return RegistryError(
        f"{field} is {per_token} USD per token ({show_usd(nanousd)} per million), {reason}; "
        "did you mean per million tokens?",
        field=field,
    )


def show_usd(nanousd: int | Decimal) -> str:
    """Return nano-USD as plain dollars with all their digits."""
    return f"{(Decimal(nanousd) / NANO).normalize():f}"


def wrong(field: str, value: object, expected: str) -> RegistryError:
    """Return the error that says which value a field has and what was expected."""
    try:
        shown = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        shown = "a huge number"
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return RegistryError(f"{field} is {shown}; expected {expected}.", field=field)
