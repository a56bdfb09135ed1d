"""The gate's report for a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.gate.gate import GateReport
from pointsman_training.gate.verdict import Check

_COLOURS = {"passed": "green", "failed": "bold red", "not asked": "yellow", "waived": "yellow"}


def print_gate(report: GateReport, console: Console) -> None:
    """Print the verdict, every check in words, and the claims with their figures."""
    console.print(Text("PROMOTE" if report.promotes else "DO NOT PROMOTE", style="bold"))
    if report.setup:
        console.print(Text(_headline(report)))
    for check in report.verdict.checks:
        _print_check(check, console)
    if report.verdict.claims:
        console.print(_claims(report))
    if report.verdict.advice:
        console.print(Text(f"Advice: {report.verdict.advice}", style="bold"))


def _headline(report: GateReport) -> str:
    setup = report.setup
    if setup is None:
        return ""
    least, most = setup.dials_usd
    rows = f"{setup.prompts:,} prompts ({setup.groups:,} groups) of {setup.source}, split {setup.split}"
    left_out = f"; {setup.left_out:,} without every score left out" if setup.left_out else ""
    return (
        f"Candidate {setup.candidate} against champion {setup.champion}, profile {setup.profile}, on {rows}{left_out}. "
        f"Fleet: {', '.join(setup.models)}. Best constant: {setup.constant}. Equal cost: mean over dials from "
        f"${least:.3g} to ${most:.3g} for quality 1.0. Intervals: 95 %, {setup.draws:,} draws of groups, seed "
        f"{setup.seed}."
    )


def _print_check(check: Check, console: Console) -> None:
    console.print(
        Text.assemble((check.status.upper(), _COLOURS[check.status]), "  ", (check.name, "bold"), f": {check.finding}")
    )
    if check.remedy:
        console.print(Text(f"        What would change it: {check.remedy}"))


def _claims(report: GateReport) -> Table:
    table = Table(title=Text("Candidate minus opponent, 95 % intervals; p after Holm"), title_justify="left")
    table.add_column("opponent")
    for head in ("quality at equal cost", "quality at default dial", "USD per 1,000 tasks", "p"):
        table.add_column(Text(head), justify="right", overflow="fold")
    table.add_column("verdict")
    for claim in report.verdict.claims:
        cost = Interval(*(1000 * part for part in (claim.cost_usd.value, claim.cost_usd.low, claim.cost_usd.high)))
        figures = (_words(claim.gain), _words(claim.quality), _words(cost, 3), f"{claim.adjusted_p:.4f}")
        table.add_row(*map(Text, (claim.opponent, *figures, claim.way)))
    return table


def _words(interval: Interval, digits: int = 4) -> str:
    value, low, high = (f"{part:+.{digits}f}" for part in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"
