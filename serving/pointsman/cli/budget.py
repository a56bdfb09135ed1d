"""`pointsman budget`: limits with what is left of them, and holds that are settled by hand."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.budget import format_quantity, parse_scope
from pointsman.budget.rules import PAYERS
from pointsman.cli.options import add_treasury_options, load_treasury
from pointsman.errors import InvalidBudget

if TYPE_CHECKING:
    from pointsman.treasury import Treasury
    from pointsman.treasury.overview import BudgetLine

_AMOUNTS: Final = ("daily_usd", "monthly_usd", "total_usd")
_WHO: Final = "cli"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verbs."""
    parser = subparsers.add_parser("budget", help="show, set and check budgets")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="budget_verb", metavar="VERB", required=True)
    _showing(verbs)
    _changing(verbs)
    for name in _VERBS:
        verb = verbs.choices[name]
        add_treasury_options(verb)
        verb.add_argument("--json", action="store_true", help="print JSON")


def _showing(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs.add_parser("list", help="every limit with what is posted, held and left")
    show = verbs.add_parser("show", help="the limits that bear on one payer, each with its rule")
    show.add_argument("scope", metavar="SCOPE", help="global, or user:ann, team:search, tier:complex and so on")
    verbs.add_parser("forecast", help="what limits will come to, and when they run out")
    history = verbs.add_parser("history", help="who set which limit when, and why")
    history.add_argument("--scope", metavar="SCOPE", help="of this scope only")
    reconcile = verbs.add_parser("reconcile", help="recompute every counter from the entries; 1 where some disagree")
    reconcile.add_argument("--repair", action="store_true", help="put right the counters that disagree")


def _changing(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    setting = verbs.add_parser("set", help="set limits of a scope while running")
    setting.add_argument("scope", metavar="SCOPE", help="global, or user:ann, team:search, tier:complex and so on")
    for name in ("daily", "monthly", "total"):
        setting.add_argument(f"--{name}", metavar="USD", help="dollars, or default to take back what was set")
    setting.add_argument("--currency", default="USD", help=argparse.SUPPRESS)
    setting.add_argument("--reason", default="", help="why, for the history")
    unfreeze = verbs.add_parser("unfreeze", help="let a scope go on that was stopped after a bill above its hold")
    unfreeze.add_argument("scope", metavar="SCOPE")
    unfreeze.add_argument("--reason", required=True, help="what was found, for the events")


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb; without --budgets the default rules count, without --database-url ./pointsman.db."""
    treasury = load_treasury(args, is_asked=True)
    assert treasury is not None
    try:
        return _VERBS[args.budget_verb](treasury, args)
    finally:
        treasury.close()


def _list(treasury: "Treasury", args: argparse.Namespace) -> int:
    from pointsman.treasury.overview import budgets

    _print_lines(budgets(treasury), args.json)
    return 0


def _show(treasury: "Treasury", args: argparse.Namespace) -> int:
    from pointsman.treasury.changing import limit_scope
    from pointsman.treasury.overview import budgets, effective

    scope = limit_scope(args.scope)
    if scope.kind in PAYERS:
        lines = effective(treasury, {scope.kind: scope.name})
    else:
        lines = [line for line in budgets(treasury) if line.scope == str(scope)]
    _print_lines(lines, args.json, has_rules=True)
    return 0


def _forecast(treasury: "Treasury", args: argparse.Namespace) -> int:
    from pointsman.treasury.overview import budgets, forecasts, shared_lines

    found = forecasts(treasury, shared_lines(budgets(treasury)))
    if args.json:
        _print_json(found)
    else:
        for one in found:
            sys.stdout.write(f"{one.scope} per {one.window}: {one.words}\n")
    return 0


def _history(treasury: "Treasury", args: argparse.Namespace) -> int:
    changes = treasury.ledger.limits.history(treasury.tenant)
    shown = [one for one in changes if args.scope in (None, str(one.scope))]
    if args.json:
        _print_json([{**msgspec.to_builtins(one), "scope": str(one.scope)} for one in shown])
        return 0
    for one in shown:
        amount = "the file's rule" if one.amount is None else format_quantity(one.amount, one.unit)
        why = f": {one.reason}" if one.reason else ""
        sys.stdout.write(
            f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.scope} per {one.window} to {amount}, by {one.changed_by}{why}\n"
        )
    return 0


def _reconcile(treasury: "Treasury", args: argparse.Namespace) -> int:
    found = treasury.ledger.reconcile(repair=args.repair)
    if args.json:
        _print_json(found)
    elif not found:
        sys.stdout.write("Every counter agrees with the entries.\n")
    for one in [] if args.json else found:
        sys.stdout.write(f"{one.scope} {one.window_id}: counted {one.counted}, recomputed {one.recomputed}\n")
    return 1 if found and not args.repair else 0


def _set(treasury: "Treasury", args: argparse.Namespace) -> int:
    from pointsman.treasury.changing import DEFAULT, change, limit_scope
    from pointsman.treasury.overview import budgets

    scope = limit_scope(args.scope)
    given = {name: getattr(args, name.removesuffix("_usd")) for name in _AMOUNTS}
    amounts: dict[str, Any] = {
        name: text if text == DEFAULT else _dollars(name, text) for name, text in given.items() if text is not None
    }
    change(treasury, scope, amounts | {"currency": args.currency}, changed_by=_WHO, reason=args.reason)
    _print_lines([line for line in budgets(treasury) if line.scope == str(scope)], args.json)
    return 0


def _dollars(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        flag = "--" + name.removesuffix("_usd")
        raise InvalidBudget(f'{flag} is {text!r}; expected dollars, such as 10, or "default".', field=name) from None


def _unfreeze(treasury: "Treasury", args: argparse.Namespace) -> int:
    scope = parse_scope(args.scope)
    was_stopped = treasury.ledger.unfreeze(scope, args.reason, tenant=treasury.tenant)
    if args.json:
        _print_json({"scope": str(scope), "was_stopped": was_stopped})
    else:
        sys.stdout.write(f"{scope} goes on.\n" if was_stopped else f"{scope} wasn't stopped.\n")
    return 0


_VERBS: Final[dict[str, Callable[["Treasury", argparse.Namespace], int]]] = {
    "list": _list,
    "show": _show,
    "forecast": _forecast,
    "history": _history,
    "reconcile": _reconcile,
    "set": _set,
    "unfreeze": _unfreeze,
}


def _print_lines(lines: list["BudgetLine"], is_json: bool, *, has_rules: bool = False) -> None:
    if is_json:
        _print_json(lines)
        return
    amounts = [Column(name, justify="right") for name in ("limit", "posted", "held", "left")]
    table = Table(Column("scope", overflow="fold"), "window", *amounts, "turns (UTC)", box=box.SIMPLE_HEAD)
    for line in lines:
        unit = line.as_limit.unit
        counts = (format_quantity(count, unit) for count in (line.limit, line.posted, line.held, line.remaining))
        turns = f"{line.window_end:%m-%d %H:%M}" if line.window_end else "never"
        table.add_row(Text(line.scope), line.window, *counts, turns)
    Console().print(table)
    for line in lines:
        if has_rules:
            sys.stdout.write(f"{line.scope} per {line.window}: {line.reason}.\n")
    for scope, why in {line.scope: line.frozen for line in lines if line.frozen}.items():
        sys.stdout.write(f"{scope} is stopped: {why}\n")


def _print_json(data: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data).decode(), indent=2) + "\n")
