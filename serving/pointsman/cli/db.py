"""`pointsman db`: bring the ledger's database to the schema of this version."""

import argparse
import sys

from pointsman.errors import MissingExtra


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verb."""
    parser = subparsers.add_parser("db", help="bring the ledger's database to the present schema")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="db_verb", metavar="VERB", required=True)
    upgrade = verbs.add_parser("upgrade", help="make the tables, or bring them up to date; safe to repeat")
    upgrade.add_argument(
        "--database-url", default="sqlite:///pointsman.db", metavar="URL", help="the database (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Upgrade the database."""
    try:
        from pointsman.store import upgrade
        from pointsman.store.schema import HEAD
    except ModuleNotFoundError:
        raise MissingExtra("The ledger", "serve") from None
    upgrade(args.database_url)
    sys.stdout.write(f"The database is at revision {HEAD}.\n")
    return 0
