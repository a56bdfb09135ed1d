"""Options that several verbs share, and the router they describe."""

import argparse
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pointsman.errors import InvalidBudget, InvalidInput, MissingExtra
from pointsman.types import PROFILES

if TYPE_CHECKING:
    from pointsman.insight import Period
    from pointsman.policy import Policy
    from pointsman.registry import Fleet
    from pointsman.router import Router
    from pointsman.store import EventLog
    from pointsman.treasury import Treasury

OFF: Final = "off"


def add_bundle_options(parser: argparse.ArgumentParser) -> None:
    """Add --bundle and --profile."""
    parser.add_argument("--bundle", metavar="DIR", help="a trained bundle (default: the one that comes along)")
    parser.add_argument("--profile", choices=PROFILES, default="auto", help="how deep to read (default: %(default)s)")


def add_router_options(parser: argparse.ArgumentParser) -> None:
    """Add --fleet, --bundle, --profile and what makes a policy: its file, or its parts."""
    parser.add_argument("--fleet", default="default", metavar="FLEET", help="default, seeds, current, or a file")
    add_bundle_options(parser)
    parser.add_argument(
        "--strategy",
        metavar="STRATEGY",
        help="cost-optimised, quality-first, weighted, dynamic-adaptive, cost-aggressive, task-type-optimised or "
        "control (default: cost-optimised)",
    )
    parser.add_argument(
        "--trade-usd", type=float, metavar="USD", help="what quality 1.0 is worth per task (default: the bundle's)"
    )
    parser.add_argument(
        "--confidence", metavar="P", help="the chance below which a choice escalates, or off (default: 0.7)"
    )
    parser.add_argument(
        "--target-quality", type=float, metavar="Q", help="the mean quality to promise at least cost, 0 to 1"
    )
    parser.add_argument("--policy", metavar="FILE", help="a policy file (pointsman target), instead of these four")


def add_treasury_options(parser: argparse.ArgumentParser) -> None:
    """Add --budgets, --database-url, --tenant and --hold-for."""
    parser.add_argument("--budgets", metavar="FILE", help="keep to the rules of a file, or default: $10 a day")
    parser.add_argument("--database-url", metavar="URL", help="the ledger (default: sqlite:///pointsman.db)")
    parser.add_argument("--tenant", default="default", metavar="NAME", help="whose money it is (default: %(default)s)")
    parser.add_argument(
        "--hold-for", type=float, default=600.0, metavar="S", help="seconds until a hold is presumed (default: 600)"
    )


def add_log_options(parser: argparse.ArgumentParser, *, has_period: bool = True) -> None:
    """Add --database-url and --tenant, and where there is a period --since and --until."""
    url = "sqlite:///pointsman.db"
    parser.add_argument("--database-url", default=url, metavar="URL", help="the database (default: %(default)s)")
    parser.add_argument("--tenant", default="default", metavar="NAME", help="whose requests (default: %(default)s)")
    if has_period:
        form = "a day, a moment, or a time ago: 24h, 7d"
        parser.add_argument("--since", metavar="WHEN", help=f"{form} (default: the last reset)")
        parser.add_argument("--until", metavar="WHEN", help="as --since; not included (default: the present)")


def load_log(args: argparse.Namespace) -> "EventLog":
    """Return the log that the options of `add_log_options` name.

    Raises:
        PointsmanError: the database can't be used.
    """
    try:
        from pointsman.store import open_log
    except ModuleNotFoundError:
        raise MissingExtra("The log", "serve") from None
    return open_log(args.database_url)


def load_period(args: argparse.Namespace, log: "EventLog") -> "Period":
    """Return the period that the options name.

    Raises:
        PointsmanError: a moment that can't be read, or the log.
    """
    from pointsman.insight import parse_moment, period

    now = log.clock()
    since, until = (
        None if words is None else parse_moment(words, now, name)
        for name, words in (("since", args.since), ("until", args.until))
    )
    return period(log, args.tenant, since=since, until=until)


def print_json(data: object) -> None:
    """Print data as indented JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data).decode(), indent=2) + "\n")


def names(text: str) -> tuple[str, ...]:
    """Return the names of a list such as `a,b`, for argparse.

    Raises:
        ArgumentTypeError: a name is empty.
    """
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; expected names with commas between, such as a,b")
    return parts


def tags(text: str) -> dict[str, str]:
    """Return the tags of a list such as `user=ann,team=search`, for argparse.

    Raises:
        ArgumentTypeError: a part isn't a name, "=" and a value.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} isn't a list of tags; expected names and values: user=ann,team=ml")
    return {name.strip(): value.strip() for name, _, value in pairs}


def bundle_path(name: str | None) -> str | None:
    """Return the path of a bundle, None for the one that comes along, which is also called "default"."""
    return None if name in (None, "default") else name


def load_router(args: argparse.Namespace) -> "Router":
    """Return the router that the options of `add_router_options` describe.

    Raises:
        PointsmanError: bundle, fleet or policy can't be used.
    """
    from pointsman.policy_file import read_policy
    from pointsman.prediction import read_bundle
    from pointsman.registry import load_fleet
    from pointsman.router import Router

    parts = _policy_parts(args)
    if args.policy is not None and parts:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in parts)
        raise InvalidInput(f"--policy already says what {given} would; give one or the other.", field="policy")
    policy = _policy(parts) if args.policy is None else read_policy(args.policy)
    bundle, fleet = read_bundle(bundle_path(args.bundle)), load_fleet(args.fleet)
    treasury = load_treasury(args)
    try:
        return Router(bundle, fleet, profile=args.profile, policy=policy, treasury=treasury)
    except BaseException:
        if treasury is not None:
            treasury.close()
        raise


def load_treasury(args: argparse.Namespace, *, is_asked: bool = False) -> "Treasury | None":
    """Return the treasury that the options describe; None where neither rules nor a database are named.

    Raises:
        PointsmanError: the rules or the database can't be used.
    """
    rules, url = getattr(args, "budgets", None), getattr(args, "database_url", None)
    if rules is None and url is None and not is_asked:
        return None
    from pointsman.treasury import open_treasury
    from pointsman.treasury.opening import DEFAULT_URL

    if not 0 < args.hold_for <= 86_400:
        raise InvalidBudget(
            f"--hold-for is {args.hold_for:g}; expected seconds, above 0 and at most 86,400.", field="hold_for"
        )
    path = None if rules in (None, "default") else rules
    treasury = open_treasury(path, url or DEFAULT_URL, tenant=args.tenant, hold_for=timedelta(seconds=args.hold_for))
    treasury.expire()
    return treasury


def _policy_parts(args: argparse.Namespace) -> dict[str, Any]:
    names = ("strategy", "trade_usd", "confidence", "target_quality")
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _policy(parts: dict[str, Any]) -> "Policy":
    from pointsman.policy import Policy

    if "confidence" in parts:
        parts["confidence"] = _confidence(parts["confidence"])
    return Policy(**parts)


def _confidence(text: str) -> float | None:
    if text == OFF:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(
            f"--confidence is {text!r}; expected a probability, or {OFF} to never escalate.", field="confidence"
        ) from None


def check_models(fleet: "Fleet", models: Iterable[str] | None) -> None:
    """Refuse a model that the fleet doesn't have.

    Raises:
        UnknownModel: the message names the closest.
    """
    for model in models or ():
        fleet.card(model)
