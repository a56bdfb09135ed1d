"""`pointsman predict`: complexity, type, quality and output tokens for every text of a file, without choosing."""

import argparse
import sys
from typing import Final

import msgspec

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import add_bundle_options, bundle_path, names
from pointsman.cli.progress import chunks
from pointsman.json_lines import STANDARD, Line, read_lines, refuse_equal_ids
from pointsman.prediction import Predictor, read_bundle
from pointsman.predictions import PredictItem, item_from_dict, prediction_records

_FIELDS: Final = ("id", "text", "type")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "predict",
        help="predict complexity, type, quality and length for every text of a file",
        description='Reads lines {"id", "text", "type"?}; other fields are ignored. Writes predictions in their order.',
    )
    parser.add_argument("--input", required=True, metavar="FILE", help="JSON Lines; - is standard input")
    parser.add_argument("--output", required=True, metavar="FILE", help="JSON Lines; - is standard output")
    parser.add_argument("--models", type=names, metavar="A,B", help="of the models the bundle knows (default: all)")
    add_bundle_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write one prediction per line, in order."""
    check_output(args.output)
    lines = list(read_lines(args.input))
    items = [_item(line) for line in lines]
    refuse_equal_ids((line.place, item.id) for line, item in zip(lines, items, strict=True))
    bundle = read_bundle(bundle_path(args.bundle))
    predictor = Predictor(bundle)
    records = (
        record
        for chunk in chunks(items, "predicting")
        for record in prediction_records(bundle, predictor, chunk, models=args.models, profile=args.profile)
    )
    write_whole(args.output, map(msgspec.json.encode, records))
    if args.output != STANDARD:
        sys.stdout.write(f"{args.output}: {len(items):,} predictions.\n")
    return 0


def _item(line: Line) -> PredictItem:
    data = line.data
    known = {name: data[name] for name in _FIELDS if name in data} if isinstance(data, dict) else data
    return item_from_dict(known, line.place)
