"""`pointsman train`: outcomes and labelled tasks in, a verified bundle out."""

import argparse
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from pointsman.errors import InvalidInput


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("train", help="train a bundle from outcomes")
    parser.add_argument("--outcomes", nargs="+", required=True, metavar="FILE_OR_DIR", help="parquet files of outcomes")
    parser.add_argument("--tasks", nargs="+", default=[], metavar="FILE_OR_DIR", help="JSONL files of labelled tasks")
    parser.add_argument(
        "--held-out-tasks", nargs="+", default=[], metavar="FILE_OR_DIR", help="measured on, never learned"
    )
    parser.add_argument("--prices", required=True, metavar="CSV", help="model, input_usd_per_mtok, output_usd_per_mtok")
    parser.add_argument("--output", required=True, metavar="DIR", help="where the bundle is written")
    parser.add_argument(
        "--encoder", default="default", metavar="MODEL", help="a sentence-transformers model, or default"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--folds", type=int, default=4, metavar="N", help="cross-validation folds (default: 4)")
    parser.add_argument(
        "--networks", type=int, default=1, metavar="N", help="networks averaged at depth deep (default: 1)"
    )
    parser.add_argument("--use-dev", action="store_true", help="learn from the dev split too, after measuring on it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes (default: all cores)")
    parser.add_argument("--cache", metavar="DIR", help="keep embeddings of texts here")
    parser.add_argument("--track", metavar="URI", help="log the run to this MLflow tracking URI")


def run(args: argparse.Namespace) -> int:
    """Train, print progress and the card, and return 0."""
    from pointsman_training.heads import Recipe
    from pointsman_training.pipeline import Inputs, Run, train

    if args.seed < 0:
        raise InvalidInput(f"--seed is {args.seed}; expected a number not below 0.")
    for name, least in (("folds", 2), ("networks", 1), ("jobs", 1)):
        if getattr(args, name) < least:
            raise InvalidInput(f"--{name} is {getattr(args, name)}; expected at least {least}.")
    console = Console()
    inputs = Inputs(args.outcomes, args.prices, args.tasks, args.held_out_tasks, args.encoder)
    how = Run(
        seed=args.seed,
        folds=args.folds,
        jobs=args.jobs,
        recipe=Recipe(deep_networks=args.networks),
        cache=Path(args.cache) if args.cache else None,
        uses_dev=args.use_dev,
    )
    path = train(inputs, args.output, how, lambda line: console.print(line, highlight=False, markup=False))
    console.print(Markdown((path / "card.md").read_text()))
    if args.track:
        _track(args.track, path, vars(args))
    return 0


def _track(uri: str, path: Path, parameters: dict[str, Any]) -> None:
    from pointsman_training.tracking import log_bundle

    log_bundle(uri, path, parameters)
