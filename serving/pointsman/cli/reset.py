"""`pointsman reset`: statistics begin anew."""

import argparse
import sys

from pointsman.cli.options import add_log_options, load_log


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("reset", help="let statistics begin anew; the log stays")
    add_log_options(parser, has_period=False)
    parser.add_argument("--reason", default="", help="why, for the log's marks")


def run(args: argparse.Namespace) -> int:
    """Leave a mark."""
    with load_log(args) as log:
        at = log.reset(args.tenant, reason=args.reason)
    sys.stdout.write(f"Statistics of {args.tenant} begin at {at:%Y-%m-%d %H:%M:%S} UTC; the log stays as it was.\n")
    return 0
