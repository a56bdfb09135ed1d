"""Cards as plain data, the way people write them in YAML and JSON: strict on the way in, equal on the way back."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from pointsman.errors import RegistryError
from pointsman.money import NANO
from pointsman.registry.cards import ModelCard, implausible, show_usd, wrong
from pointsman.registry.catalogue import known_price
from pointsman.registry.prices import FREE, OPTIONAL_RATE_NAMES, RATE_NAMES, Price, Rates, Tier, nanousd_per_mtok

KnownPrice = Callable[[str], Price | None]

MAX_RATIO: Final = 1000
_FIELDS: Final = (*ModelCard.__struct_fields__, "free")
_REQUIRED: Final = ("id", "name", "context_tokens", "max_output_tokens", "latency_ms", "availability")
_PRICE_FIELDS: Final = (*RATE_NAMES, "batch_percent", "tiers")


def parse_cards(entries: object, known_price: KnownPrice | None = known_price) -> tuple[ModelCard, ...]:
    """Return the cards of plain data: a list of dicts, prices in USD per million tokens.

    `known_price` gives the price to compare with, None where there is none; without it nothing is compared.

    Raises:
        RegistryError: the message names entry number, id and field; `field` is the path, `models[2].price.output`.

    """
    if not isinstance(entries, list | tuple):
        raise RegistryError(f"models is {type(entries).__name__}; expected a list of model cards.", field="models")
    return refuse_equal_ids([_parse_entry(index, entry, known_price) for index, entry in enumerate(entries)])


def refuse_equal_ids(cards: Sequence[ModelCard]) -> tuple[ModelCard, ...]:
    """Return the cards, or refuse the first two of one id.

    Raises:
        RegistryError: the message names both entries.

    """
    first_of: dict[str, int] = {}
    for index, card in enumerate(cards):
        first = first_of.setdefault(card.id, index)
        if first != index:
            raise RegistryError(
                f'Registry entries {first + 1} and {index + 1} have the same id "{card.id}"; ids must differ.',
                field=f"models[{index}].id",
            )
    return tuple(cards)


def card_to_dict(card: ModelCard) -> dict[str, Any]:
    """Return the plain data that `parse_cards` reads back as this card; fields at their default are left out."""
    data: dict[str, Any] = {}
    for field, default in zip(ModelCard.__struct_fields__, _defaults(), strict=True):
        value = getattr(card, field)
        if field == "price":
            data |= {"free": True} if value.is_free else {"price": price_to_dict(value)}
        elif value != default:
            data[field] = list(value) if isinstance(value, tuple) else value
    return data


def _defaults() -> list[Any]:
    return [field.default for field in msgspec.structs.fields(ModelCard)]


def price_to_dict(price: Price) -> dict[str, Any]:
    """Return the plain data of a price, in USD per million tokens."""
    data = _rates_to_dict(price)
    if price.batch_percent != 100:
        data["batch_percent"] = price.batch_percent
    if price.tiers:
        data["tiers"] = [{"from_tokens": tier.from_tokens, **_rates_to_dict(tier)} for tier in price.tiers]
    return data


def _rates_to_dict(rates: Rates) -> dict[str, Any]:
    amounts = {name: getattr(rates, f"{name}_nanousd_per_mtok") for name in RATE_NAMES}
    return {name: _usd_number(amount) for name, amount in amounts.items() if amount is not None}


def _usd_number(nanousd: int) -> int | float:
    return nanousd // NANO if nanousd % NANO == 0 else float(Decimal(nanousd) / NANO)


def _parse_entry(index: int, entry: object, known_price: KnownPrice | None) -> ModelCard:
    model_id = entry.get("id") if isinstance(entry, Mapping) else None
    label = f'Registry entry {index + 1} ("{model_id}")' if isinstance(model_id, str) else f"Registry entry {index + 1}"
    try:
        card = _parse_card(entry)
        known = known_price(card.id) if known_price is not None else None
        if known is not None:
            _check_against(card.price, known)
        return card
    except RegistryError as error:
        path = f"models[{index}]" + (f".{error.field}" if error.field else "")
        raise RegistryError(f"{label}: {error.message}", field=path) from None


def _parse_card(entry: object) -> ModelCard:
    fields = _mapping(entry, "", _FIELDS)
    for name in _REQUIRED:
        if fields.get(name) is None:
            raise RegistryError(f"{name} is missing; every model card states it.", field=name)
    price = _parse_price(fields)
    values = {name: value for name, value in fields.items() if name not in ("price", "free")}
    return ModelCard(**values, price=price)


def _mapping(value: object, path: str, allowed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        what = path or "the entry"
        raise RegistryError(f"{what} is {type(value).__name__}; expected a mapping of fields.", field=path or None)
    for key in value:
        if key not in allowed:
            hint = "; import this shape with: pointsman registry import" if key == "costPer1kTokens" else ""
            dotted = f"{path}.{key}" if path else str(key)
            raise RegistryError(
                f"{dotted} is no known field; expected any of {', '.join(allowed)}{hint}.", field=dotted
            )
    return dict(value)


def _parse_price(fields: Mapping[str, Any]) -> Price:
    is_free, given = fields.get("free", False), fields.get("price")
    if not isinstance(is_free, bool):
        raise wrong("free", is_free, "true or false")
    if is_free and given is not None:
        raise RegistryError("free is true, yet there is a price; keep one of the two.", field="free")
    if is_free:
        return FREE
    if given is None:
        raise RegistryError(
            "price is missing; an unpriced model is never taken as free. State price.input and price.output in USD per "
            "million tokens, or free: true where nothing is charged.",
            field="price",
        )
    price = _price(given)
    if price.is_free:
        raise RegistryError("price.input is 0; state free: true where nothing is charged.", field="price.input")
    return price


def _price(given: object) -> Price:
    fields = _mapping(given, "price", _PRICE_FIELDS)
    tiers = fields.get("tiers") or ()
    if not isinstance(tiers, list | tuple):
        raise wrong("price.tiers", tiers, "a list of tiers")
    parsed = tuple(_parse_tier(tier, f"price.tiers[{number}]") for number, tier in enumerate(tiers))
    return Price(**_parse_rates(fields, "price"), batch_percent=fields.get("batch_percent", 100), tiers=parsed)


def _parse_tier(value: object, path: str) -> Tier:
    tier = _mapping(value, path, ("from_tokens", *RATE_NAMES))
    return Tier(**_parse_rates(tier, path), from_tokens=tier.get("from_tokens", 0))


def _parse_rates(price: Mapping[str, Any], path: str) -> dict[str, int]:
    rates = {}
    for name in RATE_NAMES:
        usd, field = price.get(name), f"{path}.{name}"
        if isinstance(usd, str):
            raise wrong(field, usd, "a number of USD per million tokens")
        if usd is not None:
            rates[f"{name}_nanousd_per_mtok"] = nanousd_per_mtok(usd, field)
        elif name not in OPTIONAL_RATE_NAMES:
            raise RegistryError(f"{field} is missing; expected USD per million tokens.", field=field)
    return rates


def _check_against(price: Price, known: Price) -> None:
    for name in ("input", "output"):
        stated: int = getattr(price, f"{name}_nanousd_per_mtok")
        listed: int = getattr(known, f"{name}_nanousd_per_mtok")
        is_off = stated >= MAX_RATIO * listed or listed >= MAX_RATIO * stated
        if stated and listed and is_off:
            times = max(stated, listed) // min(stated, listed)
            relation = "above" if stated > listed else "below"
            reason = f"{times:,}x {relation} the catalogue's {show_usd(listed)} USD per million tokens"
            raise implausible(f"price.{name}", stated, reason)
