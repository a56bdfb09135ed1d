"""The built-in catalogue: every model of `genai-prices`, a maintained price map, with its provider and price."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.errors import RegistryError
from pointsman.money import NANO
from pointsman.registry.prices import Price, Tier
from pointsman.registry.unknown import unknown_model

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

    Amounts = dict[str, Decimal | TieredPrices | None]

# Where several providers sell one id, its maker's price counts. Google and Mistral also resell, so they come later.
MAKERS: Final = (
    "openai", "anthropic", "x-ai", "deepseek", "cohere", "meta", "moonshotai", "minimax", "zai", "zhipuai", "arcee",
    "perplexity", "google", "mistral",
)  # fmt: skip
_BASE: Final = -1  # a prompt so small that no tier applies
_SOURCE_KEYS: Final = MappingProxyType(
    {
        "input": "input_mtok",
        "output": "output_mtok",
        "cached_read": "cache_read_mtok",
        "cached_write": "cache_write_mtok",
    }
)


class CatalogueEntry(msgspec.Struct, frozen=True):
    """One model of one provider; `price` is None where the source doesn't price both input and output by the token."""

    provider: str
    id: str
    name: str
    context_tokens: int | None
    price: Price | None


def catalogue_prices(as_of: date | None = None) -> tuple[CatalogueEntry, ...]:
    """Return every model of the installed `genai-prices` with the price valid on a day (None: today, UTC).

    Of several prices the one started last counts; those for hours of the day are left out.
    """
    return _entries(as_of or _today())


def find_entry(model_id: str, provider: str | None = None, as_of: date | None = None) -> CatalogueEntry:
    """Return the entry of a model: priced before unpriced, its maker's before a reseller's.

    Raises:
        UnknownModel: no provider, or not this one, has it; the message names the closest.

    """
    day = as_of or _today()
    sold = _by_id(day).get(model_id.lower(), ())
    found = [entry for entry in sold if provider is None or entry.provider == provider]
    if found:
        return found[0]
    known = (entry.id for entry in _entries(day) if provider is None or entry.provider == provider)
    sellers = f" (sold by {', '.join(sorted({entry.provider for entry in sold}))})" if sold else ""
    of_provider = f" of {provider}" if provider is not None else ""
    raise unknown_model(model_id, known, f"the catalogue{of_provider}{sellers}")


def find_price(model_id: str, provider: str | None = None, as_of: date | None = None) -> Price:
    """Return the price of a model, by the rules of `find_entry`.

    Raises:
        UnknownModel: no such model.
        RegistryError: the catalogue knows the model but no price per token of input and output.

    """
    entry = find_entry(model_id, provider, as_of)
    if entry.price is None:
        raise RegistryError(
            f"{entry.provider} lists {entry.id} without a price per token; state the price.", field="price"
        )
    return entry.price


def known_entry(model_id: str) -> CatalogueEntry | None:
    """Return the entry of a model by the rules of `find_entry`, None where the catalogue lacks it."""
    return next(iter(_by_id(_today()).get(model_id.lower(), ())), None)


def known_price(model_id: str) -> Price | None:
    """Return the catalogue's price of an id, None where it knows none."""
    entry = known_entry(model_id)
    return None if entry is None else entry.price


def _today() -> date:
    return datetime.now(UTC).date()


@lru_cache(maxsize=4)
def _entries(as_of: date) -> tuple[CatalogueEntry, ...]:
    from genai_prices.data_snapshot import get_snapshot

    return tuple(
        CatalogueEntry(provider.id, model.id, model.name or model.id, model.context_window, _price(model, as_of))
        for provider in get_snapshot().providers
        for model in provider.models
    )


@lru_cache(maxsize=4)
def _by_id(as_of: date) -> dict[str, tuple[CatalogueEntry, ...]]:
    groups: dict[str, list[CatalogueEntry]] = {}
    for entry in _entries(as_of):
        groups.setdefault(entry.id.lower(), []).append(entry)
    return {name: tuple(sorted(group, key=_precedence)) for name, group in groups.items()}


def _precedence(entry: CatalogueEntry) -> tuple[bool, int, str]:
    rank = MAKERS.index(entry.provider) if entry.provider in MAKERS else len(MAKERS)
    return entry.price is None, rank, entry.provider


def _price(model: "ModelInfo", as_of: date) -> Price | None:
    source = _prices_on(model.prices, as_of)
    if source is None:
        return None
    given = {name: source.__dict__.get(key) for name, key in _SOURCE_KEYS.items()}
    if given["input"] is None or given["output"] is None:
        return None
    starts = sorted({tier.start for value in given.values() for tier in getattr(value, "tiers", ())})
    tiers = tuple(Tier(**_rates_at(given, start), from_tokens=start + 1) for start in starts)
    return Price(**_rates_at(given, _BASE), batch_percent=_batch_percent(model, given, as_of), tiers=tiers)


def _prices_on(prices: "ModelPrice | list[ConditionalPrice]", as_of: date) -> "ModelPrice | None":
    if not isinstance(prices, list):
        return prices
    return next((choice.prices for choice in reversed(prices) if _is_active(choice.constraint, as_of)), None)


def _is_active(constraint: "StartDateConstraint | None", as_of: date) -> bool:
    if constraint is None:
        return True
    start = getattr(constraint, "start_date", None)
    return start is not None and start <= as_of


def _rates_at(given: "Amounts", start: int) -> dict[str, int]:
    """Return each rate of a prompt of more than `start` tokens; the source's float noise is rounded away."""
    amounts = {name: _amount_at(value, start) for name, value in given.items() if value is not None}
    return {f"{name}_nanousd_per_mtok": round(amount * NANO) for name, amount in amounts.items()}


def _amount_at(value: "Decimal | TieredPrices", start: int) -> Decimal:
    amount: Decimal = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= start:
            amount = tier.price
    return amount


def _batch_percent(model: "ModelInfo", given: "Amounts", as_of: date) -> int:
    """Return what a batch pays in percent: of several discounts the smallest, so that no cost is understated."""
    for variant in model.price_variants or ():
        if variant.when == {"processing": "batch"} and _is_active(variant.constraint, as_of):
            shares = [
                _amount_at(variant.prices.__dict__.get(_SOURCE_KEYS[name]) or given[name], _BASE)
                / _amount_at(given[name], _BASE)
                for name in _SOURCE_KEYS
                if given[name] is not None and _amount_at(given[name], _BASE)
            ]
            return min(100, max(1, math.ceil(100 * max(shares, default=Decimal(1)))))
    return 100
