"""`pointsman gate`: may a candidate take the champion's place? Exit 0 if it may, 3 if not."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import bundle_path, names
from pointsman.errors import InvalidInput
from pointsman.json_lines import STANDARD

if TYPE_CHECKING:
    from pointsman_training.gate.field import Terms

NOT_PROMOTED = 3


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("gate", help="promote a bundle, or say why not (exit 3)")
    parser.add_argument("candidate", metavar="CANDIDATE", help="the bundle that would be promoted")
    parser.add_argument("--against", required=True, metavar="DIR", help='the champion; "default" comes along')
    parser.add_argument("--outcomes", nargs="+", required=True, metavar="FILE_OR_DIR", help="parquet files of outcomes")
    parser.add_argument("--prices", required=True, metavar="CSV", help="model, input_usd_per_mtok, output_usd_per_mtok")
    parser.add_argument("--promote-to", metavar="DIR", help="on success the candidate is copied here, whole")
    _add_choices(parser)
    _add_bounds(parser)
    parser.add_argument("--json", metavar="FILE", help='write the report as JSON; "-" is standard output')


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=names, metavar="A,B", help="the fleet (default: the default fleet's models)")
    parser.add_argument("--split", choices=("dev", "train", "all"), default="dev", help="default: %(default)s")
    parser.add_argument("--source", metavar="SOURCE", help='"all" pools them (default: the candidate\'s main source)')
    parser.add_argument("--profile", choices=("fast", "deep"), default="deep", help="default: %(default)s")
    parser.add_argument(
        "--contributor-column", metavar="NAME", help='who brought a prompt (default: "contributor"; else "source")'
    )
    parser.add_argument("--draws", type=int, default=2000, metavar="N", help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin", type=float, default=0.01, metavar="Q", help="quality lost that still is as good (default: .01)"
    )
    parser.add_argument("--max-ece", type=float, default=0.05, metavar="E", help="calibration error (default: .05)")
    parser.add_argument(
        "--max-slice-drop", type=float, default=0.03, metavar="Q", help="quality a slice may lose (default: .03)"
    )
    parser.add_argument("--allow-seen", action="store_true", help="promote though a bundle learned from these rows")


def run(args: argparse.Namespace) -> int:
    """Print the report, write what was asked for, promote if the gate says so, and return 0 or 3."""
    from pointsman.prediction import check_target
    from pointsman_training.gate.gate import Inputs, gate
    from pointsman_training.gate.promote import promote
    from pointsman_training.gate.render import print_gate

    terms = _terms(args)
    if args.json:
        check_output(args.json)
    if args.promote_to:
        check_target(args.promote_to)
    inputs = Inputs(args.candidate, bundle_path(args.against), args.outcomes, args.prices)
    report = gate(inputs, terms, args.draws, args.seed)
    console = Console(stderr=args.json == STANDARD)
    if args.json:
        write_whole(args.json, [report.to_json()])
    print_gate(report, console)
    if not report.promotes or report.setup is None:
        return NOT_PROMOTED
    if args.promote_to:
        promote(args.candidate, args.promote_to, report.setup.candidate)
        console.print(f"promoted: {args.promote_to}", highlight=False, markup=False)
    return 0


def _terms(args: argparse.Namespace) -> "Terms":
    from pointsman_training.evaluation.bootstrap import FEWEST_DRAWS
    from pointsman_training.gate.field import Terms
    from pointsman_training.gate.verdict import Bounds

    if args.draws < FEWEST_DRAWS:
        raise InvalidInput(
            f"--draws is {args.draws}; expected at least {FEWEST_DRAWS:,}, fewer make intervals unsteady."
        )
    if args.seed < 0:
        raise InvalidInput(f"--seed is {args.seed}; expected a number not below 0.")
    for name in ("margin", "max_ece", "max_slice_drop"):
        if not 0 <= getattr(args, name) <= 1:
            raise InvalidInput(
                f"--{name.replace('_', '-')} is {getattr(args, name):g}; expected a quality from 0 to 1."
            )
    return Terms(
        models=args.models,
        source=args.source,
        split=args.split,
        profile=args.profile,
        contributor=args.contributor_column,
        bounds=Bounds(args.margin, args.max_ece, args.max_slice_drop, args.allow_seen),
    )
