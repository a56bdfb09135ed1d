"""`pointsman registry`: list, show, validate and import model cards."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.options import bundle_path
from pointsman.errors import UnknownModel
from pointsman.money import format_usd
from pointsman.registry import (
    CatalogueEntry,
    Fleet,
    ModelCard,
    Price,
    card_to_dict,
    catalogue_prices,
    find_entry,
    import_seed_registry,
    load_fleet,
    parse_cards,
    write_fleet,
)
from pointsman.registry.documents import read_document
from pointsman.registry.parsing import price_to_dict

_PRICE_COLUMNS = ("input $/M", "output $/M")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its four sub-verbs."""
    parser = subparsers.add_parser("registry", help="list, show, validate and import model cards")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="registry_verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="the models of a fleet")
    listing.add_argument("--fleet", default="default", help="a built-in fleet or a file (default: %(default)s)")
    listing.add_argument("--all", action="store_true", help="the whole price catalogue instead of a fleet")
    listing.add_argument("--json", action="store_true", help="print JSON")
    show = verbs.add_parser("show", help="everything about one model")
    show.add_argument("model", metavar="MODEL")
    show.add_argument("--fleet", help="look only in this fleet (default: the default fleet, then the catalogue)")
    show.add_argument("--bundle", metavar="DIR", help="show its quality by this bundle too (default: none)")
    validate = verbs.add_parser("validate", help="check a fleet file")
    validate.add_argument("file", metavar="FILE")
    importing = verbs.add_parser(
        "import", help="turn a registry with costPer1kTokens, or LiteLLM's, into a file of ours"
    )
    source = importing.add_mutually_exclusive_group(required=True)
    source.add_argument("file", metavar="FILE", nargs="?", help="a registry with costPer1kTokens, for a fleet file")
    source.add_argument("--litellm", metavar="CONFIG.yaml", help="LiteLLM's proxy configuration, for a pointsman.yaml")
    importing.add_argument("--output", required=True, metavar="FILE.yaml")


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb; problems are raised as `PointsmanError`."""
    verb = {"list": _list, "show": _show, "validate": _validate, "import": _import}[args.registry_verb]
    verb(args)
    return 0


def _list(args: argparse.Namespace) -> None:
    if args.all:
        entries = catalogue_prices()
        _print_json([_entry_to_dict(entry) for entry in entries]) if args.json else _print_catalogue(entries)
        return
    fleet = load_fleet(args.fleet)
    _print_json([_card_to_dict(card) for card in fleet.cards]) if args.json else _print_fleet(fleet)


def _show(args: argparse.Namespace) -> None:
    fleet = load_fleet(args.fleet or "default")
    if args.fleet or args.model in fleet.ids:
        facts = _card_to_dict(fleet.card(args.model))
    else:
        try:
            facts = _entry_to_dict(find_entry(args.model))
        except UnknownModel as error:
            raise UnknownModel(f"{error.message} (nor is it in the default fleet)", field="model") from None
    if args.bundle is not None:
        facts |= _ability(args.bundle, args.model)
    table = Table("field", "value", title=Text(args.model))
    for name, value in facts.items():
        table.add_row(name, Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    Console().print(table)


def _ability(bundle: str, model: str) -> dict[str, str]:
    """Return what a bundle knows of a model, in words."""
    from pointsman.prediction import read_bundle
    from pointsman.prediction.newcomers import level_of

    manifest = read_bundle(bundle_path(bundle)).manifest
    if (ability := manifest.abilities.get(model)) is None:
        return {"quality": "the bundle has no outcomes of it; a prior from price and kin is used"}
    return {"quality": f"{level_of(manifest, ability).words} on a typical task, from {ability.outcomes:,} outcomes"}


def _validate(args: argparse.Namespace) -> None:
    fleet = load_fleet(Path(args.file))
    priors = sum(card.is_prior for card in fleet.cards)
    baseline = f"baseline {fleet.baseline}" if fleet.baseline else "no baseline"
    sys.stdout.write(
        f'{args.file}: fleet "{fleet.name}" is valid: {len(fleet.cards)} models, {priors} on priors, {baseline}.\n'
    )


def _import(args: argparse.Namespace) -> None:
    if args.litellm is not None:
        _import_litellm(args.litellm, args.output)
        return
    cards = parse_cards(import_seed_registry(read_document(args.file).data))
    fleet = Fleet(Path(args.output).stem, cards, note=f"imported from {Path(args.file).name}")
    write_fleet(args.output, fleet)
    sys.stdout.write(f"{args.output}: {len(cards)} models imported. Check the assumed token limits.\n")


def _import_litellm(source: str, output: str) -> None:
    from pointsman.configuration.litellm import import_litellm
    from pointsman.configuration.starting import write_new

    made = import_litellm(read_document(source))
    write_new(Path(output), made.text, advice="Choose another --output.")
    for remark in made.remarks:
        sys.stderr.write(f"warning: {remark}\n")
    needs = f" It needs: {', '.join(made.variables)}." if made.variables else ""
    sys.stdout.write(
        f"{output}: {len(made.models)} models imported.{needs} Check it with: pointsman config check {output}\n"
    )


def _print_fleet(fleet: Fleet) -> None:
    table = Table(
        Column("model", overflow="fold"),
        *_PRICE_COLUMNS,
        "context",
        "latency",
        "ability",
        title=Text(f"fleet {fleet.name}"),
    )
    for card in fleet.cards:
        name = f"{card.id} (baseline)" if card.id == fleet.baseline else card.id
        ability = "prior" if card.is_prior else "-"
        table.add_row(
            Text(name), *_price_cells(card.price), f"{card.context_tokens:,}", f"{card.latency_ms:,.0f} ms", ability
        )
    console = Console()
    console.print(table)
    for note in dict.fromkeys(card.is_prior_note for card in fleet.cards if card.is_prior_note):
        console.print(Text(f"prior: {note}"))


def _print_catalogue(entries: tuple[CatalogueEntry, ...]) -> None:
    table = Table(
        "provider", Column("model", overflow="fold"), *_PRICE_COLUMNS, "context", title=f"{len(entries):,} models"
    )
    for entry in entries:
        context = f"{entry.context_tokens:,}" if entry.context_tokens else "-"
        table.add_row(entry.provider, Text(entry.id), *_price_cells(entry.price), context)
    Console().print(table)


def _price_cells(price: Price | None) -> tuple[str, str]:
    if price is None:
        return "unpriced", "unpriced"
    return format_usd(price.input_nanousd_per_mtok), format_usd(price.output_nanousd_per_mtok)


def _card_to_dict(card: ModelCard) -> dict[str, Any]:
    return {**card_to_dict(card), "is_prior": card.is_prior}


def _entry_to_dict(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "provider": entry.provider,
        "context_tokens": entry.context_tokens,
        "price": None if entry.price is None else price_to_dict(entry.price),
    }


def _print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
