"""The command line: one verb a file, and only the file of the verb that was asked for is imported."""

import argparse
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Final

from pointsman import __version__
from pointsman.errors import MissingExtra, PointsmanError

COMMAND_GROUP: Final = "pointsman.commands"
"""Entry points of verbs that other packages offer: modules with `add_parser(subparsers)` and `run(args) -> int`."""

_VERBS: Final = {
    "init": "write a commented pointsman.yaml",
    "config": "check pointsman.yaml",
    "route": "choose a model for one task",
    "batch": "choose a model for every task of a file",
    "predict": "predict complexity, type, quality and length for every text of a file",
    "serve": "answer over HTTP",
    "budget": "show, set and check budgets",
    "stats": "sum up the logged requests: totals, rates, latency, distributions, savings",
    "cost": "show what was spent on what, and what routing saved",
    "export": "write the log to a file, as JSON or CSV",
    "status": "show whether a server does its work, or what its database says",
    "reset": "let statistics begin anew; the log stays",
    "privacy": "erase a user from the log, delete what is past its time, redact a text",
    "keys": "make, list, rotate and revoke keys; put users into teams",
    "cache": "show what cached answers saved, clear them, give answers beforehand",
    "db": "bring the ledger's database to the present schema",
    "bundle": "show or verify a bundle",
    "registry": "list, show, validate and import model cards",
}
_TRAINING_VERBS: Final = {
    "train": "train a bundle from outcomes",
    "evaluate": "measure a bundle on outcomes, beside baselines",
    "models": "add a model to a trained bundle",
    "target": "solve a policy for a quality, or for a monthly spend",
    "rows": "turn outcomes with texts into feature rows without them",
    "gate": "promote a bundle, or say why not",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 done in part, 2 refused, 3 not promoted, 130 interrupted."""
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except PointsmanError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains once more when it flushes stdout at exit
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'the system'}: {error.strerror or error}.\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:  # argparse after --help or a usage error, rich on a broken pipe
        return stop.code if isinstance(stop.code, int) else 1


def _run(words: list[str]) -> int:
    named = next((word for word in words if not word.startswith("-")), None)
    plugins = {} if named in _VERBS else {entry.name: entry for entry in entry_points(group=COMMAND_GROUP)}
    with _extra_named(named):
        module = _module(named, plugins)
        parser = _parser(named, module, plugins)
        args = parser.parse_args(words)
        if module is None:
            parser.error("a verb is missing")
        code: int = module.run(args)
    return code


@contextmanager
def _extra_named(verb: str | None) -> Iterator[None]:
    """Say which extra is missing where a verb of another package lacks a library; built-in verbs say so themselves."""
    try:
        yield
    except ModuleNotFoundError as error:
        if verb in _VERBS or (error.name or "").startswith("pointsman"):
            raise
        raise MissingExtra(f"pointsman {verb}", "train") from error


def _module(named: str | None, plugins: dict[str, EntryPoint]) -> ModuleType | None:
    if named in _VERBS:
        return importlib.import_module(f"{__name__}.{named}")
    if named in plugins:
        module: ModuleType = plugins[named].load()
        return module
    if named in _TRAINING_VERBS:
        raise MissingExtra(f"pointsman {named}", "train")
    return None


def _parser(named: str | None, module: ModuleType | None, plugins: dict[str, EntryPoint]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman", description="Pick the cheapest language model that is good enough for a task."
    )
    parser.add_argument("--version", action="version", version=f"pointsman {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB")
    extern = {name: f"offered by {entry.value.partition('.')[0]}" for name, entry in plugins.items()}
    for verb, summary in (_VERBS | extern | _TRAINING_VERBS).items():
        if verb == named and module is not None:
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(verb, help=summary)
    return parser
