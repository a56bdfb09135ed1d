"""`pointsman init`: write a configuration to begin with."""

import argparse
import sys

from pointsman.configuration.starting import write_start


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("init", help="write a commented pointsman.yaml")
    parser.set_defaults(run=run)
    parser.add_argument("directory", metavar="DIR", nargs="?", default=".", help="where to (default: here)")
    parser.add_argument("--force", action="store_true", help="replace the one that is there")


def run(args: argparse.Namespace) -> int:
    """Write the file and say what comes next."""
    path = write_start(args.directory, force=args.force)
    sys.stdout.write(
        f"{path} written. Next: export OPENAI_API_KEY=..., then\n"
        f"  pointsman config check {path}\n"
        "  pointsman keys create --role member    (callers need a key, which it prints once)\n"
        f"  pointsman serve --config {path}\n"
    )
    return 0
