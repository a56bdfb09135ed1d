"""`pointsman cost`: what was spent on what, and what routing saved."""

import argparse
import sys

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.options import add_log_options, load_log, load_period, print_json
from pointsman.cli.stats import savings_words
from pointsman.money import NANO, format_usd


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("cost", help="show what was spent on what")
    add_log_options(parser)
    parser.add_argument(
        "--by", default="model", metavar="WHAT",
        help="model, type, complexity, strategy, user, team, agent, project, key, kind, cache, day or hour",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the costs of the period, and the savings."""
    import numpy as np

    from pointsman.insight import costs, savings
    from pointsman.insight.summaries import CostSummary

    with load_log(args) as log:
        span = load_period(args, log)
        found = CostSummary(costs(log, span, args.by), savings(log, span, np.random.default_rng(0)))
    if args.json:
        print_json(found)
        return 0
    counts = [Column(name, justify="right") for name in ("requests", "cost", "share", "average", "tokens in", "out")]
    table = Table(Column(args.by, overflow="fold"), *counts, box=box.SIMPLE_HEAD)
    lines = [(one.name or "-", one) for one in found.costs.lines]
    lines += [("the rest", found.costs.rest)] if found.costs.rest else []
    for name, one in [*lines, ("total", found.costs.total)]:
        average = format_usd(round(one.average_cost_usd * NANO))
        amounts = (f"{one.requests:,}", format_usd(one.cost_nanousd), f"{one.share:.1%}", average)
        table.add_row(Text(name), *amounts, f"{one.input_tokens:,}", f"{one.output_tokens:,}")
    Console().print(table)
    sys.stdout.write(savings_words(found.savings))
    return 0
