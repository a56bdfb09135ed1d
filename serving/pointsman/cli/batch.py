"""`pointsman batch`: choose a model for every task of a file."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import add_router_options, add_treasury_options, check_models, load_router
from pointsman.cli.progress import chunks
from pointsman.cli.promising import PromiseTally
from pointsman.cli.saving import saving_words
from pointsman.errors import UnknownModel
from pointsman.json_lines import STANDARD, read_lines, refuse_equal_ids
from pointsman.money import format_usd
from pointsman.task_json import task_from_dict
from pointsman.types import Decision, Task

if TYPE_CHECKING:
    from pointsman.registry import Fleet
    from pointsman.router import Result, Router


@dataclass
class Tally:
    """What a batch came to; `saving_nanousd` counts decisions of a fleet with a baseline only."""

    decided: int = 0
    cost_nanousd: int = 0
    saving_nanousd: int | None = None
    baseline: str | None = None
    models: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    escalated: int = 0
    held_nanousd: int = 0
    degraded: int = 0
    held_ids: list[str] = field(default_factory=list)
    promises: PromiseTally = field(default_factory=PromiseTally)

    def add(self, result: "Result") -> None:
        """Count one result."""
        if not isinstance(result, Decision):
            self.refusals[result.code] += 1
            return
        self.decided += 1
        self.models[result.model] += 1
        self.cost_nanousd += result.cost_nanousd
        self.escalated += result.escalated_from is not None
        self.promises.add(result)
        self.degraded += result.degradation is not None
        if result.hold_id is not None and result.held_nanousd is not None:
            self.held_ids.append(result.hold_id)
            self.held_nanousd += result.held_nanousd
        if result.saving_nanousd is not None:
            self.baseline = result.baseline
            self.saving_nanousd = (self.saving_nanousd or 0) + result.saving_nanousd


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("batch", help="choose a model for every task of a file")
    parser.add_argument("input", metavar="TASKS", help="JSON Lines, one task each; - is standard input")
    parser.add_argument("--output", required=True, metavar="FILE", help="JSON Lines, one decision each; - is stdout")
    add_router_options(parser)
    add_treasury_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the decisions in the order of the tasks; return 1 if some task was refused."""
    check_output(args.output)
    placed = _read_tasks(args.input)
    router = load_router(args)
    _check_models(router.fleet, placed)
    tally = Tally()
    try:
        write_whole(args.output, _decision_lines(router, [task for _, task in placed], tally))
    except BaseException:
        if router.treasury is not None and args.output != STANDARD:  # nobody got any of the decisions
            router.treasury.release(tally.held_ids)
        raise
    finally:
        if router.treasury is not None:
            router.treasury.close()
    _print_summary(tally, router, Console(stderr=args.output == STANDARD))
    if refused := tally.refusals.total():
        codes = ", ".join(f"{count} {code}" for code, count in tally.refusals.most_common())
        sys.stderr.write(f"{refused} of {len(placed)} tasks were refused ({codes}); their lines say why.\n")
    return 1 if tally.refusals else 0


def _read_tasks(path: str) -> list[tuple[str, Task]]:
    placed = [(line.place, task_from_dict(line.data, line.place)) for line in read_lines(path)]
    refuse_equal_ids((place, task.id) for place, task in placed)
    return placed


def _check_models(fleet: "Fleet", placed: list[tuple[str, Task]]) -> None:
    for place, task in placed:
        try:
            check_models(fleet, task.constraints.models)
        except UnknownModel as error:
            raise UnknownModel(f"{place}: {error.message}", field="constraints.models") from None


def _decision_lines(router: "Router", tasks: list[Task], tally: Tally) -> Iterator[bytes]:
    for chunk in chunks(tasks, "routing"):
        for task, result in zip(chunk, router.try_route_many(chunk), strict=True):
            tally.add(result)
            yield _line(task, result)


def _line(task: Task, result: "Result") -> bytes:
    if not isinstance(result, Decision):
        return msgspec.json.encode({"task_id": task.id, "error": {"code": result.code, "message": result.message}})
    return msgspec.json.encode(result.to_dict())


def _print_summary(tally: Tally, router: "Router", console: Console) -> None:
    table = Table.grid(Column(style="bold"), Column(overflow="fold"), padding=(0, 2))
    table.add_row("tasks", f"{tally.decided + tally.refusals.total():,} ({tally.refusals.total():,} refused)")
    for model, count in tally.models.most_common():
        table.add_row("", Text(f"{count:,} {model}"))
    if tally.escalated:
        table.add_row("escalated", f"{tally.escalated:,}")
    if router.treasury is not None:
        table.add_row("held", f"{format_usd(tally.held_nanousd)}, settled by the outcomes that are reported")
    if tally.degraded:
        table.add_row("degraded", f"{tally.degraded:,} by a budget")
    if router.promises is not None:
        for words in tally.promises.words(router.promises):
            table.add_row("promise", Text(words))
    table.add_row("cost", format_usd(tally.cost_nanousd))
    if tally.decided:
        table.add_row("saving", Text(saving_words(tally.baseline, tally.cost_nanousd, tally.saving_nanousd)))
    console.print(table)
