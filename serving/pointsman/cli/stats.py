"""`pointsman stats`: the figures of the logged requests."""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman.cli.options import add_log_options, load_log, load_period, print_json
from pointsman.money import NANO, format_usd

if TYPE_CHECKING:
    from pointsman.insight import Savings, Statistics
    from pointsman.insight.statistics import Share, Spread


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("stats", help="sum up the logged requests")
    add_log_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--concise", action="store_true", help="compare answers with and without the instruction to be brief"
    )


def run(args: argparse.Namespace) -> int:
    """Print the figures of the period."""
    if args.concise:
        return _conciseness(args)
    import numpy as np

    from pointsman.insight import savings, statistics
    from pointsman.insight.summaries import Report

    with load_log(args) as log:
        span = load_period(args, log)
        found = Report(statistics(log, span), savings(log, span, np.random.default_rng(0)))
    if args.json:
        print_json(found)
        return 0
    _print(found.statistics)
    sys.stdout.write(savings_words(found.savings))
    return 0


def _conciseness(args: argparse.Namespace) -> int:
    import numpy as np

    from pointsman.insight import conciseness

    with load_log(args) as log:
        found = conciseness(log, load_period(args, log), np.random.default_rng(0))
    if args.json:
        print_json(found)
        return 0
    rows = {"output tokens": (found.output_tokens, ",.0f"), "reported quality": (found.quality, ".3f")}
    for name, (one, form) in rows.items():
        if one is None:
            sys.stdout.write(f"{name}: too few reports to compare.\n")
            continue
        without, with_it, low, high = (f"{value:{form}}" for value in (one.without, one.with_it, one.low, one.high))
        sys.stdout.write(
            f"{name}: {with_it} with {found.version}, {without} without; the difference is {low} to {high} (95 %, "
            f"{one.answers[1]:,} and {one.answers[0]:,} answers).\n"
        )
    return 0


def savings_words(found: "Savings") -> str:
    """Return the savings and what they may come to, with their caveat."""
    if not found.compared:
        return "Savings: unknown, no routed answer has a baseline.\n"
    share = "" if found.saved_share is None else f" ({found.saved_share:.1%})"
    lines = [
        f"Saved {_signed(found.saved_nanousd)}{share} of {format_usd(found.baseline_nanousd)} against "
        f"{', '.join(found.baselines)}; {_signed(found.by_cache_nanousd)} of it by the cache. Failed requests "
        f"({format_usd(found.failed_nanousd)}) and judging ({format_usd(found.judging_nanousd)}) are taken off.",
    ]
    for one in found.projections:
        between = ""
        if one.low_usd is not None and one.high_usd is not None:
            between = f" (90 %: {_dollars(one.low_usd)} to {_dollars(one.high_usd)})"
        days = f"the {found.days} days" if found.days > 1 else "the one day"
        lines.append(f"Projected for a {one.window} from {days} seen: {_dollars(one.saved_usd)} saved{between}.")
    return "\n".join([*lines, found.caveat]) + "\n"


def _print(found: "Statistics") -> None:
    table = Table(show_header=False, box=None)
    rows = {
        "period (UTC)": f"{found.since[:16]} to {found.until[:16]}",
        "requests": f"{found.requests:,}",
        "success rate": _percent(found.success_rate),
        "cost": format_usd(found.cost_nanousd),
        "average cost": "-" if found.average_cost_usd is None else format_usd(round(found.average_cost_usd * NANO)),
        "tokens in, out, saved": f"{found.input_tokens:,}, {found.output_tokens:,}, {found.tokens_saved:,}",
        "latency": _spread(found.latency_ms),
        "overhead": _spread(found.overhead_ms),
        "models": _shares(found.models),
        "complexity": _shares(found.complexities),
        "strategies": _shares(found.strategies),
        "errors": _shares(found.errors),
        "average confidence": _percent(found.average_confidence),
        "reported quality": f"{_percent(found.reported_quality.mean)} ({found.reported_quality.count:,} reports)",
        "escalation rate": _percent(found.escalation_rate),
        "cache hit rate": _percent(found.cache_hit_rate),
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console().print(table)


def _signed(amount: int) -> str:
    return f"-{format_usd(-amount)}" if amount < 0 else format_usd(amount)


def _dollars(amount: float) -> str:
    return _signed(round(amount * NANO))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _spread(found: "Spread | None") -> str:
    return "-" if found is None else f"mean {found.mean:,.1f} ms, p50 {found.p50:,.1f}, p95 {found.p95:,.1f}"


def _shares(found: "Mapping[str, Share]") -> str:
    return ", ".join(f"{name} {one.share:.1%}" for name, one in found.items()) or "-"
