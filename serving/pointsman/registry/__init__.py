"""Model cards, prices and fleets; the built-in catalogue; importers."""

from pointsman.registry.cards import CardTier, ModelCard
from pointsman.registry.catalogue import CatalogueEntry, catalogue_prices, find_entry, find_price
from pointsman.registry.fleets import BUILT_IN_FLEETS, Fleet, load_fleet
from pointsman.registry.importers import import_seed_registry, write_fleet
from pointsman.registry.parsing import card_to_dict, parse_cards
from pointsman.registry.prices import FREE, Price, Tier, TokenUsage, nanousd_per_mtok

__all__ = [
    "BUILT_IN_FLEETS",
    "FREE",
    "CardTier",
    "CatalogueEntry",
    "Fleet",
    "ModelCard",
    "Price",
    "Tier",
    "TokenUsage",
    "card_to_dict",
    "catalogue_prices",
    "find_entry",
    "find_price",
    "import_seed_registry",
    "load_fleet",
    "nanousd_per_mtok",
    "parse_cards",
    "write_fleet",
]
