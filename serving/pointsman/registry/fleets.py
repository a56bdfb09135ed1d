"""A fleet is the models that may be chosen; three come built in, others are YAML or JSON files."""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from pointsman.errors import RegistryError
from pointsman.registry.cards import ModelCard, wrong
from pointsman.registry.catalogue import known_price
from pointsman.registry.documents import Document, read_document
from pointsman.registry.parsing import parse_cards, refuse_equal_ids
from pointsman.registry.unknown import unknown_model

BUILT_IN_FLEETS: Final = ("default", "seeds", "current")
_FOLDER: Final = Path(__file__).parent / "fleets"
_FIELDS: Final = ("name", "baseline", "note", "models")


class Fleet(msgspec.Struct, frozen=True, dict=True):
    """The models that may be chosen; savings are counted against `baseline`, where there is one."""

    name: str
    cards: tuple[ModelCard, ...]
    baseline: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse a fleet without models or name, with an id twice, or with a baseline that isn't among its models."""
        for field in ("name", "note"):
            value = getattr(self, field)
            text = " ".join(value.split()) if isinstance(value, str) else value
            if not (text is None and field == "note") and not (isinstance(text, str) and text and text.isprintable()):
                raise wrong(field, value, "a printable text")
            force_setattr(self, field, text)
        if not self.cards:
            raise RegistryError(f'The fleet "{self.name}" has no models; expected at least one card.', field="models")
        force_setattr(self, "cards", refuse_equal_ids(self.cards))
        if self.baseline is not None and self.baseline not in self.ids:
            raise wrong("baseline", self.baseline, f"one of the fleet's models: {', '.join(self.ids)}")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The models' ids, in the order of the cards."""
        return tuple(card.id for card in self.cards)

    @cached_property
    def _card_by_id(self) -> dict[str, ModelCard]:
        return {card.id: card for card in self.cards}

    def card(self, model_id: str) -> ModelCard:
        """Return the card of a model.

        Raises:
            UnknownModel: the fleet has no such model; the message names the closest.

        """
        card = self._card_by_id.get(model_id)
        if card is None:
            raise unknown_model(model_id, self.ids, f'the fleet "{self.name}"')
        return card

    def subset(self, ids: Iterable[str]) -> "Fleet":
        """Return the fleet of these models, in the fleet's order; its baseline stays where it is among them.

        Raises:
            UnknownModel: the fleet has no such model.
            RegistryError: no ids.

        """
        wanted = {self.card(model_id).id for model_id in ids}
        baseline = self.baseline if self.baseline in wanted else None
        return Fleet(self.name, tuple(card for card in self.cards if card.id in wanted), baseline, self.note)


def load_fleet(name_or_path: str | os.PathLike[str]) -> Fleet:
    """Return a built-in fleet by name, or the fleet of a YAML or JSON file.

    Files are compared with the catalogue's prices; the built-in fleets were, by the tests.

    Raises:
        InvalidFile: no such file, or it can't be read as plain data.
        RegistryError: a card or the fleet is wrong; the message names file, line, entry and field.

    """
    if isinstance(name_or_path, str) and name_or_path in BUILT_IN_FLEETS:
        return _fleet(read_document(_FOLDER / f"{name_or_path}.yaml"), is_built_in=True)
    if isinstance(name_or_path, str) and not Path(name_or_path).suffix and not Path(name_or_path).exists():
        raise RegistryError(
            f'No fleet "{name_or_path}"; expected {", ".join(BUILT_IN_FLEETS)}, or the path of a YAML or JSON file.',
            field="fleet",
        )
    return _fleet(read_document(name_or_path), is_built_in=False)


def _fleet(document: Document, *, is_built_in: bool) -> Fleet:
    try:
        data = document.data
        if not isinstance(data, Mapping):
            raise RegistryError(f"The file holds {type(data).__name__}; expected a mapping with models.")
        for key in data:
            if key not in _FIELDS:
                raise RegistryError(f"{key} is no known field; expected any of {', '.join(_FIELDS)}.", field=str(key))
        cards = parse_cards(data.get("models"), None if is_built_in else known_price)
        return Fleet(data.get("name", Path(document.path).stem), cards, data.get("baseline"), data.get("note"))
    except RegistryError as error:
        line = document.line_of(error.field)
        raise RegistryError(f"{document.path}, line {line}: {error.message}", field=error.field) from None
