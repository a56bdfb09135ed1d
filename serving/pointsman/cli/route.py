"""`pointsman route`: choose a model for one task."""

import argparse
import sys
from typing import TYPE_CHECKING, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.options import add_router_options, add_treasury_options, load_router, names, tags
from pointsman.cli.promising import promise_words
from pointsman.cli.saving import saving_words
from pointsman.errors import InvalidFile
from pointsman.json_lines import STANDARD
from pointsman.money import format_usd
from pointsman.types import MAX_DESCRIPTION_CHARACTERS, Candidate, Constraints, Decision, Task

if TYPE_CHECKING:
    from pointsman.registry import Fleet

_SCORES: Final = {
    "capability": "cap",
    "performance": "perf",
    "availability": "avail",
    "cost": "cost",
    "total": "total",
}
"""Components of the weighted score and their headings, short so that the table fits 80 columns."""

_PRIOR: Final = "prior: no outcomes of this model were learned from; its quality is what price or kin lead to expect."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("route", help="choose a model for one task")
    parser.add_argument("text", metavar="TEXT", help="the task; - reads it from standard input")
    parser.add_argument("--type", help="the task's type (default: predicted)")
    parser.add_argument("--budget", type=float, metavar="USD", help="the most this task may be expected to cost")
    parser.add_argument("--require", type=names, default=(), metavar="A,B", help="of vision, tools, json_mode")
    parser.add_argument("--models", type=names, metavar="A,B", help="the only models allowed")
    parser.add_argument("--max-latency", type=float, metavar="MS", help="the slowest answer allowed")
    parser.add_argument("--min-quality", type=float, metavar="Q", help="the lowest expected quality allowed, 0 to 1")
    add_router_options(parser)
    add_treasury_options(parser)
    parser.add_argument(
        "--tags", type=tags, default=None, metavar="K=V,..", help="payers, such as user=ann,team=search"
    )
    parser.add_argument("--json", action="store_true", help="print the whole decision as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the decision for one task."""
    constraints = Constraints(
        capabilities=args.require,
        models=args.models,
        max_latency_ms=args.max_latency,
        min_quality=args.min_quality,
    )
    text = _standard_input() if args.text == STANDARD else args.text
    task = Task(text, type=args.type, budget_usd=args.budget, constraints=constraints, tags=args.tags or {})
    router = load_router(args)
    decision = router.route(task)
    if router.treasury is not None:
        router.treasury.close()
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(decision.to_dict()).decode(), indent=2) + "\n")
    else:
        _print(decision, router.fleet)
    return 0


def _standard_input() -> str:
    raw = sys.stdin.buffer.read(4 * MAX_DESCRIPTION_CHARACTERS + 1)
    try:
        return raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidFile(f"standard input: byte {error.start + 1} isn't UTF-8; send the text as UTF-8.") from None


def _print(decision: Decision, fleet: "Fleet") -> None:
    console = Console()
    console.print(_facts(decision))
    console.print(_candidates(decision, fleet))
    if not all(candidate.is_measured for candidate in decision.candidates):
        console.print(Text(_PRIOR))


def _facts(decision: Decision) -> Table:
    probabilities = ", ".join(f"{label} {p:.2f}" for label, p in decision.complexity.probabilities.items())
    facts = {
        "model": decision.model,
        "reason": decision.reason,
        "cost": format_usd(decision.cost_nanousd),
        "saving": saving_words(decision.baseline, decision.cost_nanousd, decision.saving_nanousd),
        "confidence": f"{decision.confidence:.2f}" + ("" if decision.candidates[0].is_measured else " (prior)"),
        **_conditions(decision),
        "complexity": f"{decision.complexity.label} ({probabilities})",
        "type": f"{decision.type} ({'predicted' if decision.is_type_predicted else 'given'})",
        "profile": decision.profile,
        "strategy": decision.strategy,
    }
    table = Table.grid(Column(style="bold"), Column(overflow="fold"), padding=(0, 2))
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _conditions(decision: Decision) -> dict[str, str]:
    """Return what is said only of decisions that escalated, have a quality target behind them, or hold money."""
    facts = {}
    if decision.escalated_from is not None:
        facts["escalated"] = f"from {decision.escalated_from}"
    if decision.promise is not None:
        facts["promise"] = promise_words(decision.promise)
    if decision.held_nanousd is not None:
        facts["held"] = (
            f"{format_usd(decision.held_nanousd)} as {decision.decision_id}; send max_output_tokens "
            f"{decision.max_output_tokens:,}"
        )
    if decision.degradation is not None:
        facts["budget"] = decision.degradation
    return facts


def _candidates(decision: Decision, fleet: "Fleet") -> Table:
    heads = [Column(name, justify="right") for name in ("quality", "expected", *_SCORES.values())]
    table = Table(
        Column("model", overflow="fold"),
        *heads,
        "able",
        title=Text(f"fleet {fleet.name}"),
        caption="expected: cost of this task; cap to cost: components of the weighted score (total), 0 to 1",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for candidate in decision.candidates:
        style = "bold" if candidate.model == decision.model else None
        table.add_row(Text(candidate.model), *_numbers(candidate), "yes", style=style)
    able = {candidate.model for candidate in decision.candidates}
    for model in fleet.ids:
        if model not in able:
            table.add_row(Text(model), *["-"] * len(heads), "no", style="dim")
    return table


def _numbers(candidate: Candidate) -> list[str]:
    prior = "" if candidate.is_measured else " prior"
    scores = [f"{getattr(candidate.scores, name):.2f}" for name in _SCORES]
    return [f"{candidate.quality:.2f}{prior}", format_usd(candidate.cost_nanousd), *scores]
