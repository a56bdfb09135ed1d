"""`pointsman privacy`: erase a user, delete what is past its time, see what redaction leaves of a text."""

import argparse
import sys

from pointsman.cli.options import add_log_options, load_log
from pointsman.errors import InvalidInput
from pointsman.settings import PrivacySettings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verbs."""
    parser = subparsers.add_parser("privacy", help="erase a user from the log, delete what is past its time")
    verbs = parser.add_subparsers(dest="privacy_verb", metavar="VERB", required=True)
    erase = verbs.add_parser("erase", help="take a user out of the log; the money stays")
    erase.add_argument("--user", required=True, metavar="NAME")
    add_log_options(erase, has_period=False)
    expire = verbs.add_parser("expire", help="delete lines of all tenants that are older")
    expire.add_argument("--days", type=float, default=PrivacySettings().retention_days, help="(default: %(default)g)")
    add_log_options(expire, has_period=False)
    verbs.add_parser("redact", help="print what would be stored of the text on standard input")


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb."""
    if args.privacy_verb == "redact":
        from pointsman.privacy import redacted

        sys.stdout.write(redacted(sys.stdin.read()))
    elif args.privacy_verb == "erase":
        with load_log(args) as log:
            count = log.erase(args.tenant, args.user)
        sys.stdout.write(f"{count:,} lines of the log are no longer about this user. The ledger keeps who paid.\n")
    else:
        if not 0 <= args.days < 1e6:
            raise InvalidInput(f"--days is {args.days:g}; expected days from 0 to a million.", field="days")
        with load_log(args) as log:
            count = log.expire(days=args.days, made_by="cli")
        sys.stdout.write(f"{count:,} lines older than {args.days:g} days are deleted.\n")
    return 0
