"""`pointsman rows`: outcomes with texts in, feature rows without texts out."""

import argparse
from pathlib import Path

from rich.console import Console


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("rows", help="turn outcomes with texts into feature rows without them")
    parser.add_argument("--outcomes", nargs="+", required=True, metavar="FILE_OR_DIR", help="parquet files with texts")
    parser.add_argument("--output", required=True, metavar="DIR", help="one parquet file a source is written here")
    parser.add_argument("--bundle", metavar="DIR", help="whose encoder to use (default: the one that comes along)")
    parser.add_argument("--cache", metavar="DIR", help="keep embeddings of texts here")


def run(args: argparse.Namespace) -> int:
    """Write the rows, print what was written, and return 0."""
    from pointsman.prediction import read_bundle
    from pointsman_training.encode import encoder_of_bundle
    from pointsman_training.outcomes import read_outcomes
    from pointsman_training.rows import write_rows

    cache = Path(args.cache) if args.cache else None
    encoder = encoder_of_bundle(read_bundle(args.bundle))
    console = Console()
    for path in write_rows(read_outcomes(args.outcomes), encoder, args.output, cache=cache):
        console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False)
    return 0
