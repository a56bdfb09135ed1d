"""`pointsman evaluate`: what a bundle is worth on outcomes, beside baselines on the same rows."""

import argparse

from rich.console import Console

from pointsman.cli.files import STANDARD, check_output, write_whole
from pointsman.cli.options import bundle_path, names
from pointsman.errors import InvalidInput


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("evaluate", help="measure a bundle on outcomes, beside baselines")
    parser.add_argument("--bundle", metavar="DIR", help="the bundle (default: the one that comes along)")
    parser.add_argument("--outcomes", nargs="+", required=True, metavar="FILE_OR_DIR", help="parquet files of outcomes")
    parser.add_argument("--prices", required=True, metavar="CSV", help="model, input_usd_per_mtok, output_usd_per_mtok")
    parser.add_argument(
        "--held-out-tasks",
        nargs="+",
        default=[],
        metavar="FILE_OR_DIR",
        help="labelled tasks: measure complexity on them",
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="FILE_OR_DIR", help="labelled tasks: map peers' tiers to complexities"
    )
    parser.add_argument("--models", type=names, metavar="A,B", help="the fleet (default: the default fleet's models)")
    parser.add_argument(
        "--baseline", metavar="MODEL", help="what costs are relative to (default: the best single model)"
    )
    parser.add_argument("--pair", type=names, metavar="STRONG,WEAK", help="default: the baseline against the cheapest")
    parser.add_argument("--split", choices=("dev", "train", "all"), default="dev", help="default: %(default)s")
    parser.add_argument("--source", metavar="SOURCE", help="default: the bundle's main source")
    parser.add_argument("--profile", choices=("fast", "deep"), default="deep", help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=2000, metavar="N", help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help='write the report as JSON; "-" is standard output')
    parser.add_argument("--html", metavar="FILE", help="write the report as one page with figures")


def run(args: argparse.Namespace) -> int:
    """Print the report, write the files that were asked for, and return 0."""
    from pointsman_training.evaluation.evaluate import FEWEST_DRAWS, Choice, Inputs, evaluate
    from pointsman_training.evaluation.render import page_of, print_report

    if args.draws < FEWEST_DRAWS:
        raise InvalidInput(
            f"--draws is {args.draws}; expected at least {FEWEST_DRAWS:,}, fewer make intervals unsteady."
        )
    if args.seed < 0:
        raise InvalidInput(f"--seed is {args.seed}; expected a number not below 0.")
    if args.pair and len(args.pair) != 2:
        raise InvalidInput(f"--pair names {len(args.pair)} models; expected two, the strong and the weak: STRONG,WEAK.")
    outputs = [path for path in (args.json, args.html) if path]
    if outputs.count(STANDARD) > 1:
        raise InvalidInput("--json and --html can't both go to standard output; name a file for one of them.")
    for path in outputs:
        check_output(path)
    report = evaluate(
        Inputs(bundle_path(args.bundle), args.outcomes, args.prices, args.held_out_tasks, args.tasks),
        Choice(args.models, args.baseline, args.pair, args.source, args.split, args.profile),
        args.draws,
        args.seed,
    )
    if args.json:
        write_whole(args.json, [report.to_json()])
    if args.html:
        write_whole(args.html, [page_of(report)])
    print_report(report, Console(stderr=STANDARD in outputs))
    return 0
