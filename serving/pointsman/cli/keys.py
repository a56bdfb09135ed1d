"""`pointsman keys`: make, list, rotate and end the keys that callers show, and put users into teams."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman.access import ACCESS_ROLES, IssuedKey, terms_of
from pointsman.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from pointsman.store import StoredKeys

_WHO: Final = "cli"
_TERMS: Final = ("user", "team", "role", "name", "expires_days", "requests_per_minute", "tokens_per_minute")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verbs."""
    parser = subparsers.add_parser("keys", help="make, list, rotate and revoke keys; put users into teams")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="keys_verb", metavar="VERB", required=True)
    _add_create(verbs)
    verbs.add_parser("list", help="every key without its secret, the revoked too")
    revoke = verbs.add_parser("revoke", help="end a key for good; servers refuse it within a second")
    rotate = verbs.add_parser("rotate", help="give a key another secret, with the same id and limits")
    for verb in (revoke, rotate):
        verb.add_argument("id", metavar="ID", help="the 8 characters after pm-")
    rotate.add_argument(
        "--overlap-s", type=float, default=0.0, metavar="S", help="how long the secret before still counts (default: 0)"
    )
    verbs.add_parser("users", help="the users that were put into teams")
    user = verbs.add_parser("user", help="put a user into a team, and say the most that its keys may do")
    user.add_argument("user", metavar="USER")
    user.add_argument("--team", metavar="TEAM", help="the team (default: none)")
    user.add_argument("--role", choices=ACCESS_ROLES, default="member", help="the role (default: %(default)s)")
    verbs.add_parser("history", help="who changed which key or user when")
    for verb in verbs.choices.values():
        _add_shared(verb)


def _add_create(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = verbs.add_parser("create", help="make a key, and print it once")
    create.add_argument("--user", metavar="USER", help="whose it is")
    create.add_argument("--team", metavar="TEAM", help="which team pays (default: the user's)")
    create.add_argument("--role", choices=ACCESS_ROLES, default="member", help="what it may do (default: %(default)s)")
    create.add_argument("--name", metavar="NAME", help="what it is for")
    create.add_argument("--expires-days", type=float, metavar="D", help="days until it ends (default: never)")
    create.add_argument("--requests-per-minute", type=int, metavar="N", help="its limit (default: the server's)")
    create.add_argument("--tokens-per-minute", type=int, metavar="N", help="its limit (default: the server's)")


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database-url", default="sqlite:///pointsman.db", metavar="URL", help="the database (default: %(default)s)"
    )
    parser.add_argument("--tenant", default="default", metavar="NAME", help="whose keys (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb; the secret of the keys comes from the environment, where process lists don't show it."""
    try:
        from pointsman.store import open_keys
        from pointsman.store.secrets import VARIABLE
    except ModuleNotFoundError:
        raise MissingExtra("Keys", "serve") from None
    with open_keys(args.database_url, os.environ.get(VARIABLE)) as keys:
        return _VERBS[args.keys_verb](keys, args)


def _create(keys: "StoredKeys", args: argparse.Namespace) -> int:
    fields = {name: getattr(args, name) for name in _TERMS}
    issued = keys.create(terms_of(fields, keys.now()), changed_by=_WHO, tenant=args.tenant)
    _print_issued(issued, args.json)
    return 0


def _list(keys: "StoredKeys", args: argparse.Namespace) -> int:
    found = keys.listed(args.tenant)
    if args.json:
        _print_json(found)
        return 0
    table = Table("id", "name", "user", "team", "role", "created", "last used", "state", box=box.SIMPLE_HEAD)
    now = keys.now()
    for key in found:
        has_expired = key.expires is not None and key.expires <= now
        until = f"until {key.expires:%Y-%m-%d}" if key.expires else "counts"
        state = "revoked" if key.revoked else "expired" if has_expired else until
        texts = (key.id, key.name, key.user or "", key.team or "", key.role, f"{key.created:%Y-%m-%d}")
        table.add_row(*map(Text, (*texts, str(key.last_used or ""), state)))
    Console().print(table)
    return 0


def _revoke(keys: "StoredKeys", args: argparse.Namespace) -> int:
    key = keys.revoke(args.id, changed_by=_WHO, tenant=args.tenant)
    if args.json:
        _print_json(key)
    else:
        sys.stdout.write(f"The key {key.id} is revoked; servers refuse it within a second.\n")
    return 0


def _rotate(keys: "StoredKeys", args: argparse.Namespace) -> int:
    if not 0 <= args.overlap_s <= timedelta.max.total_seconds():
        raise InvalidInput(f"--overlap-s is {args.overlap_s:g}; expected seconds from 0 on.", field="overlap_s")
    overlap = timedelta(seconds=args.overlap_s)
    _print_issued(keys.rotate(args.id, changed_by=_WHO, tenant=args.tenant, overlap=overlap), args.json)
    return 0


def _users(keys: "StoredKeys", args: argparse.Namespace) -> int:
    found = keys.users(args.tenant)
    if args.json:
        _print_json(found)
    for one in [] if args.json else found:
        sys.stdout.write(f"{one.user}: {one.role}, {f'team {one.team}' if one.team else 'no team'}\n")
    return 0


def _user(keys: "StoredKeys", args: argparse.Namespace) -> int:
    record = keys.set_user(args.user, team=args.team, role=args.role, changed_by=_WHO, tenant=args.tenant)
    if args.json:
        _print_json(record)
    else:
        where = f"in the team {record.team}" if record.team else "in no team"
        sys.stdout.write(f"{record.user} is {where}; its keys may do at most what the role {record.role} may.\n")
    return 0


def _history(keys: "StoredKeys", args: argparse.Namespace) -> int:
    changes = keys.history(args.tenant)
    if args.json:
        _print_json(changes)
    for one in [] if args.json else changes:
        sys.stdout.write(
            f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.kind} {one.subject}, by {one.changed_by} {one.detail}\n"
        )
    return 0


_VERBS: Final[dict[str, Callable[["StoredKeys", argparse.Namespace], int]]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
    "rotate": _rotate,
    "users": _users,
    "user": _user,
    "history": _history,
}


def _print_issued(issued: IssuedKey, is_json: bool) -> None:
    """Print the key alone on standard output, so that a script can take it, and what to know of it beside."""
    if is_json:
        _print_json(issued)
        return
    sys.stdout.write(f"{issued.token}\n")
    sys.stderr.write(f"This is the only time that the key is shown. Its id, for limits and logs: {issued.key.id}\n")


def _print_json(data: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data).decode(), indent=2) + "\n")
