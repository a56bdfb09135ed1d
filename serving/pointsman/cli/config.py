"""`pointsman config`: check a configuration, and say what it comes to."""

import argparse
import os
import sys

from pointsman.configuration import examine
from pointsman.configuration.starting import FILE_NAME
from pointsman.configuration.summary import summary


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verb."""
    parser = subparsers.add_parser("config", help="check pointsman.yaml")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="config_verb", metavar="VERB", required=True)
    check = verbs.add_parser("check", help="name every mistake with its line, or say what the file comes to")
    check.add_argument("file", metavar="FILE", nargs="?", default=FILE_NAME, help="(default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Return 0 where the configuration can be used, else 2; warnings don't count."""
    found = examine(args.file, os.environ)
    for warning in found.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for mistake in found.mistakes:
        sys.stderr.write(f"error: {mistake}\n")
    if found.configuration is None:
        return 2
    sys.stdout.write(f"{args.file} can be used.\n{summary(found.configuration)}")
    return 0
