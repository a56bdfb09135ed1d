"""`pointsman export`: the log as a file."""

import argparse

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import add_log_options, load_log, load_period
from pointsman.json_lines import STANDARD


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("export", help="write the log to a file")
    parser.add_argument("format", choices=("json", "csv"), help="an array with an event a line, or a table")
    parser.add_argument("--output", default=STANDARD, metavar="FILE", help="written whole or not at all (default: -)")
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the period's lines."""
    from pointsman.insight import exported

    check_output(args.output)
    with load_log(args) as log:
        write_whole(args.output, exported(log, load_period(args, log), args.format))
    return 0
