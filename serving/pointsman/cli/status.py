"""`pointsman status`: whether a server does its work, or what its database says."""

import argparse
import os
import sys
import urllib.error
import urllib.request
from typing import Any, Final

import msgspec

from pointsman.cli.options import add_log_options, load_log, print_json
from pointsman.errors import InvalidInput, PointsmanError

_KEY: Final = "POINTSMAN_API_KEY"
_TIMEOUT_S: Final = 10
_MOST_BYTES: Final = 16 << 20
_PARTS: Final = {"server": "/readyz", "health": "/v1/health", "budgets": "/v1/budgets"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("status", help="show whether a server does its work")
    parser.add_argument(
        "--url", metavar="URL", help=f"the server, shown the key in ${_KEY}; without it the database is asked"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_log_options(parser, has_period=False)


def run(args: argparse.Namespace) -> int:
    """Print the status; 1 where something isn't as it should be."""
    found = _of_server(args) if args.url else _of_database(args)
    if args.json:
        print_json(found)
    else:
        _print(found)
    return 0 if found["health"] and found["health"]["status"] == "ok" else 1


def _of_server(args: argparse.Namespace) -> dict[str, Any]:
    if not args.url.startswith(("http://", "https://")):
        raise InvalidInput(f"--url is {args.url!r:.80}; expected http://host:port or https://host.", field="url")
    return {name: _fetched(args, path) for name, path in _PARTS.items()}


def _fetched(args: argparse.Namespace, path: str) -> Any:
    """Return what the server answers; None for what it doesn't keep."""
    key = os.environ.get(_KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(args.url.rstrip("/") + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        raise InvalidInput(f"{args.url}{path} answers {error.code}; expected 200. Look into its log.") from None
    except (OSError, msgspec.DecodeError) as error:
        why = getattr(error, "reason", error)
        raise InvalidInput(f"{args.url}{path} doesn't answer as Pointsman does: {why}. Is it running?") from None


def _of_database(args: argparse.Namespace) -> dict[str, Any]:
    from pointsman.insight import parse_moment, period, statistics
    from pointsman.treasury import open_treasury
    from pointsman.treasury.overview import budgets

    with load_log(args) as log:
        now = log.clock()
        figures = statistics(log, period(log, args.tenant, since=parse_moment("1h", now, "since"), until=now))
    health = {"status": "ok", "requests": figures.requests, "error_rate": figures.error_rate}
    treasury = open_treasury(None, args.database_url, tenant=args.tenant)
    try:
        lines = msgspec.to_builtins(budgets(treasury))
    except PointsmanError:
        lines = []
    finally:
        treasury.close()
    return {"server": None, "health": health, "budgets": {"budgets": lines}}


def _print(found: dict[str, Any]) -> None:
    from pointsman.budget import format_quantity

    for name in ("server", "health"):
        facts = ", ".join(f"{key} {value}" for key, value in (found[name] or {}).items())
        sys.stdout.write(f"{name}: {facts or 'not known'}\n")
    for line in (found["budgets"] or {}).get("budgets", []):
        left, limit = (format_quantity(line[part], line["unit"]) for part in ("remaining", "limit"))
        stopped = f"; stopped: {line['frozen']}" if line["frozen"] else ""
        sys.stdout.write(f"{line['scope']} per {line['window']}: {left} of {limit} left{stopped}\n")
