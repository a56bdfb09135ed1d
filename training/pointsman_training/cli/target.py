"""`pointsman target`: solve a policy for a mean quality, or for a monthly spend."""

import argparse
import math
from typing import TYPE_CHECKING, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import add_bundle_options, bundle_path, names
from pointsman.errors import InvalidInput
from pointsman.json_lines import read_lines
from pointsman.money import NANO, format_usd
from pointsman.policy import Policy, solve_quality, solve_spend
from pointsman.policy_file import policy_json
from pointsman.promises import Curve, DialPoint, Promises
from pointsman.task_json import task_from_dict

if TYPE_CHECKING:
    from pointsman.prediction import Bundle

_SHOWN_POINTS: Final = 15


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "target",
        help="solve a policy for a quality, or for a monthly spend",
        description="Solve the dial on outcomes (measured), on traffic without outcomes (predicted, spend only), or, "
        "with neither, on the curve that the bundle carries.",
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--quality", type=float, metavar="Q", help="the mean quality to promise at least cost, 0 to 1")
    goal.add_argument("--spend", type=float, metavar="USD", help="the most that a month is expected to cost")
    parser.add_argument("--tasks-per-month", type=float, metavar="N", help="needed for --spend")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--outcomes", nargs="+", metavar="FILE_OR_DIR", help="parquet files the bundle didn't learn from")
    data.add_argument("--traffic", metavar="TASKS", help="JSON Lines of tasks, as for batch; - is standard input")
    parser.add_argument("--prices", metavar="CSV", help="of the outcomes' models; needed for --outcomes")
    parser.add_argument("--models", type=names, metavar="A,B", help="the fleet of --outcomes (default: all priced)")
    parser.add_argument("--source", metavar="SOURCE", help="of the outcomes (default: the bundle's, or the only one)")
    parser.add_argument("--split", choices=("all", "train", "dev"), default="all", help="default: %(default)s")
    parser.add_argument("--fleet", default="default", metavar="FLEET", help="of --traffic (default: %(default)s)")
    add_bundle_options(parser)
    parser.add_argument("--output", metavar="FILE", help="write the policy here, for --policy and Router.load(policy=)")


def run(args: argparse.Namespace) -> int:
    """Print the curve with the solved dial, write the policy if asked to, and return 0."""
    _check(args)
    console = Console()
    if args.traffic is not None:
        policy, point, curve = _on_traffic(args)
        console.print("Quality is predicted for these tasks; nothing about it is promised without outcomes.")
    else:
        promises = _promises(args)
        curve = promises.curves[args.profile]
        policy, point = _solved(args, promises)
        console.print(
            f"Measured on {promises.prompts:,} prompts of {promises.source} in {promises.groups:,} groups, "
            f"{promises.evidence}, read {args.profile}.",
            highlight=False,
        )
    console.print(_table(curve, point, args.tasks_per_month))
    console.print(_words(args, point), highlight=False)
    if args.output:
        write_whole(args.output, [policy_json(policy)])
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.output:
        check_output(args.output)
    if args.spend is not None and args.tasks_per_month is None:
        raise InvalidInput("--spend needs --tasks-per-month: a month's cost is that of its tasks.")
    if args.tasks_per_month is not None and not 0 < args.tasks_per_month < math.inf:
        raise InvalidInput(f"--tasks-per-month is {args.tasks_per_month:g}; expected a number above 0.")
    if args.outcomes and not args.prices:
        raise InvalidInput("--outcomes needs --prices: a CSV file with what the outcomes' models cost.")
    if args.traffic is not None and args.quality is not None:
        raise InvalidInput(
            "A quality can be promised on outcomes only; --traffic has none. Use --outcomes, or --spend."
        )


def _on_traffic(args: argparse.Namespace) -> tuple[Policy, DialPoint, Curve]:
    from pointsman.router import Router
    from pointsman.spending import plan_spend

    tasks = [task_from_dict(line.data, line.place) for line in read_lines(args.traffic)]
    router = Router.load(bundle_path(args.bundle), args.fleet, args.profile)
    plan = plan_spend(router, tasks, usd_per_month=args.spend, tasks_per_month=args.tasks_per_month)
    return plan.policy, plan.expected, plan.curve


def _promises(args: argparse.Namespace) -> Promises:
    from pointsman.prediction import read_bundle

    bundle = read_bundle(bundle_path(args.bundle))
    if args.outcomes:
        return _on_outcomes(args, bundle)
    if bundle.manifest.promise is None:
        raise InvalidInput(
            "The bundle carries no calibrated curve. Give --outcomes with --prices, or --traffic with --spend; "
            "a bundle that is trained again has one."
        )
    return msgspec.structs.replace(bundle.manifest.promise, bundle=bundle.digest)


def _on_outcomes(args: argparse.Namespace, bundle: "Bundle") -> Promises:
    from pointsman_training.outcomes import read_outcomes
    from pointsman_training.prices import read_prices
    from pointsman_training.target import Choice, promises_on

    choice = Choice(args.models, args.source, args.split)
    return promises_on(bundle, read_outcomes(args.outcomes), read_prices(args.prices), choice)


def _solved(args: argparse.Namespace, promises: Promises) -> tuple[Policy, DialPoint]:
    curve = promises.curves[args.profile]
    if args.quality is not None:
        policy = Policy(target_quality=args.quality, promises=promises)
        return policy, solve_quality(curve, args.quality)
    point = solve_spend(curve, args.tasks_per_month, args.spend)
    return Policy(trade_usd=point.trade_usd, confidence=None), point


def _table(curve: Curve, solved: DialPoint, tasks_per_month: float | None) -> Table:
    heads = ["dial (USD)", "quality", "promised", "cost per task", "a month"]
    table = Table(*[Column(head, justify="right") for head in heads], "", box=box.SIMPLE_HEAD)
    step = max(1, math.ceil(len(curve) / _SHOWN_POINTS))
    for place, point in enumerate(curve):
        if place % step == 0 or point is solved or place == len(curve) - 1:
            floor = "-" if point.quality_floor is None else f"{point.quality_floor:.3f}"
            month = "-" if tasks_per_month is None else format_usd(math.ceil(point.cost_nanousd * tasks_per_month))
            cells = (f"{point.trade_usd:.3g}", f"{point.quality:.3f}", floor, format_usd(point.cost_nanousd), month)
            table.add_row(*map(Text, cells), "<" if point is solved else "", style="bold" if point is solved else None)
    return table


def _words(args: argparse.Namespace, point: DialPoint) -> str:
    chosen = f"Dial {point.trade_usd:.4g}: quality {point.quality:.3f} for {format_usd(point.cost_nanousd)} a task"
    if args.quality is not None:
        return f"{chosen}; at least {args.quality:g} is promised with 95 % confidence, on data of the same kind."
    spent = format_usd(math.ceil(point.cost_nanousd * args.tasks_per_month))
    return f"{chosen}, {spent} a month expected of {format_usd(round(args.spend * NANO))}."
