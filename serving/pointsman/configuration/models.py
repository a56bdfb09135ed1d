"""The models of a configuration: known cards, what the file says over them, and where each is called."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from pointsman.configuration.remarks import Path, Remarks, closest, dotted, each_mistake, mapping_at
from pointsman.configuration.sections import shown
from pointsman.configuration.substitution import scalars
from pointsman.errors import PointsmanError, RegistryError
from pointsman.registry import Fleet, ModelCard, Price, card_to_dict, load_fleet, parse_cards
from pointsman.registry.catalogue import CatalogueEntry, find_entry, known_entry, known_price
from pointsman.registry.importers import ASSUMED_CONTEXT_TOKENS, ASSUMED_OUTPUT_TOKENS
from pointsman.registry.parsing import price_to_dict
from pointsman.settings import Provider, Upstream

AUTO: Final = "auto"
CALLED: Final = ("provider", "upstream_name", "card")
CARD_FIELDS: Final = (*(name for name in ModelCard.__struct_fields__ if name not in ("id", "provider")), "free")
ASSUMED_LATENCY_MS: Final = 1_500
ASSUMED_AVAILABILITY: Final = 0.99
CATALOGUE_NOTE: Final = "from the price catalogue; no outcomes measured yet"
STATED_NOTE: Final = "described by its operator; no outcomes measured yet"
_KNOWN_FLEETS: Final = ("current", "default")
_CATALOGUE_NAMES: Final = {"gemini": "google", "vertex_ai": "google", "xai": "x-ai", "bedrock": "aws"}


class Known(msgspec.Struct, frozen=True):
    """What is known of a name before the file says anything: the fields of a card, and which of them are assumed."""

    name: str
    fields: dict[str, Any]
    assumed: tuple[str, ...] = ()


def read_models(
    data: object, providers: Mapping[str, Provider], remarks: Remarks
) -> tuple[tuple[ModelCard, ...], dict[str, Upstream]]:
    """Return the cards of the models, and where each is called; what is wrong with them is kept as mistakes."""
    given = mapping_at(data, ("models",), remarks, "models")
    if not given:
        remarks.mistake(("models",), "models names none; expected some, such as gpt-4o-mini: {provider: openai}.")
    cards: list[ModelCard] = []
    upstreams: dict[str, Upstream] = {}
    for model_id, value in given.items():
        path: Path = ("models", model_id)
        if model_id == AUTO or not model_id or len(model_id.split()) != 1 or model_id != model_id.strip():
            remarks.mistake(
                path,
                f"the model's name is {model_id!r:.80}; expected a text without spaces other than {AUTO}, which is "
                "what callers write to have a model chosen.",
            )
            continue
        fields = dict(mapping_at(value, path, remarks, "fields"))
        upstream = _upstream(model_id, fields, providers, remarks)
        card = _card(model_id, fields, upstream, remarks)
        if card is not None:
            cards.append(card)
        upstreams[model_id] = upstream
    return tuple(cards), upstreams


def _upstream(model_id: str, fields: dict[str, Any], providers: Mapping[str, Provider], remarks: Remarks) -> Upstream:
    path: Path = ("models", model_id)
    names = {}
    for name in ("provider", "upstream_name"):
        value = fields.get(name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            remarks.mistake((*path, name), f"{dotted((*path, name))} is {shown(value)}; expected a text.")
            value = None
        names[name] = None if value is None else str(value)
    provider = names["provider"]
    if "provider" not in fields:
        remarks.mistake(path, f"{dotted(path)} has no provider; expected one of {', '.join(providers) or 'providers'}.")
    elif provider is not None and provider not in providers:
        where = (*path, "provider")
        said = f"{dotted(where)} is {shown(fields['provider'])}, which providers doesn't have"
        remarks.mistake(where, f"{said}; {closest(provider, providers)}")
    return Upstream(provider or "", names["upstream_name"] or model_id)


def _card(model_id: str, fields: dict[str, Any], upstream: Upstream, remarks: Remarks) -> ModelCard | None:
    path: Path = ("models", model_id)
    for name in [name for name in fields if name not in (*CALLED, *CARD_FIELDS)]:
        remarks.unknown((*path, name), (*CALLED, *CARD_FIELDS))
        del fields[name]
    stated = {name: scalars(value) for name, value in fields.items() if name not in CALLED}
    known = _known(model_id, fields, upstream)
    if known is None and "card" in fields:
        remarks.mistake(
            (*path, "card"), f"{dotted(path)}.card is {shown(fields['card'])}, which no fleet or catalogue has."
        )
        return None
    base = {"name": model_id, "is_prior_note": STATED_NOTE} if known is None else dict(known.fields)
    card = _parsed(model_id, base, stated, remarks, known)
    assumed = [name for name in (known.assumed if known else ()) if name not in stated]
    if card is not None and assumed:
        words = ", ".join(f"{name} {base[name]:,}" for name in assumed)
        remarks.warn(
            path, f"{dotted(path)}: {words} {'is' if len(assumed) == 1 else 'are'} assumed; state what you know."
        )
    return card


def _parsed(
    model_id: str, base: dict[str, Any], stated: dict[str, Any], remarks: Remarks, known: Known | None
) -> ModelCard | None:
    path: Path = ("models", model_id)
    price_of = known.name if known else model_id

    def parse() -> ModelCard:
        fields = {name: value for name, value in base.items() if not (name in ("price", "free") and _prices(stated))}
        # A price that is looked up is the catalogue's, or of a built-in fleet, and those were compared by the tests.
        compared = (lambda _: known_price(price_of)) if _prices(stated) else None
        (card,) = parse_cards([{"id": model_id, **fields, **stated}], compared)
        return card

    def drop(error: PointsmanError) -> bool:
        field = (error.field or "").removeprefix("models[0]").lstrip(".")
        name = field.partition(".")[0].partition("[")[0]
        message = error.message.removeprefix(f'Registry entry 1 ("{model_id}"): ')
        if known is None and name not in stated:
            message = _missing_words(stated)
        parts = tuple(part for part in field.replace("[", ".").replace("]", "").split(".") if part)
        remarks.mistake((*path, *parts), f"{dotted(path)}: {message}")
        return known is not None and stated.pop(name, None) is not None

    return each_mistake(parse, drop)


def _prices(stated: Mapping[str, Any]) -> bool:
    return "price" in stated or "free" in stated


def _missing_words(stated: Mapping[str, Any]) -> str:
    needed = ["context_tokens", "max_output_tokens", "latency_ms", "availability"]
    missing = [name for name in needed if name not in stated]
    if not _prices(stated):
        missing.insert(0, "price: {input: USD, output: USD} per million tokens (or free: true)")
    return (
        f"no built-in fleet and no catalogue entry describes it; state {', '.join(missing)}, or card: the name of a "
        "model that is known."
    )


def _known(model_id: str, fields: Mapping[str, Any], upstream: Upstream) -> Known | None:
    """Return what is known of the first name that a built-in fleet, or else the catalogue, describes."""
    names: tuple[str, ...] = (model_id, upstream.upstream_name, upstream.upstream_name.partition("/")[2])
    if isinstance(fields.get("card"), str):
        names = (str(fields["card"]),)
    for fleet in _fleets():
        for name in names:
            if name in fleet.ids:
                return _of_fleet(fleet, name, model_id)
    entries = (_entry(name, upstream.provider) for name in names if name)
    return next((_of_catalogue(entry, entry.price) for entry in entries if entry and entry.price), None)


@lru_cache(maxsize=1)
def _fleets() -> tuple[Fleet, ...]:
    return tuple(map(load_fleet, _KNOWN_FLEETS))


def _of_fleet(fleet: Fleet, name: str, model_id: str) -> Known:
    fields = card_to_dict(fleet.card(name))
    if name != model_id:
        fields.setdefault("kin", name)
    return Known(name, {key: value for key, value in fields.items() if key != "id"})


def _entry(name: str, provider: str) -> CatalogueEntry | None:
    seller = _CATALOGUE_NAMES.get(provider, provider)
    try:
        return find_entry(name, seller) if seller else known_entry(name)
    except RegistryError:
        return known_entry(name)


def _of_catalogue(entry: CatalogueEntry, price: Price) -> Known:
    context = entry.context_tokens or ASSUMED_CONTEXT_TOKENS
    fields = {
        "name": entry.name,
        "price": price_to_dict(price),
        "context_tokens": context,
        "max_output_tokens": min(ASSUMED_OUTPUT_TOKENS, context),
        "latency_ms": ASSUMED_LATENCY_MS,
        "availability": ASSUMED_AVAILABILITY,
        "is_prior_note": CATALOGUE_NOTE,
    }
    assumed = ("max_output_tokens", "latency_ms", "availability")
    return Known(entry.id, fields, assumed if entry.context_tokens else ("context_tokens", *assumed))
