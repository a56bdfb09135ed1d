"""Options that several verbs share, and the router they describe."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pointsman.types import PROFILES

if TYPE_CHECKING:
    from pointsman.registry import Fleet
    from pointsman.router import Router


def add_bundle_options(parser: argparse.ArgumentParser) -> None:
    """Add --bundle and --profile."""
    parser.add_argument("--bundle", metavar="DIR", help="a trained bundle (default: the one that comes along)")
    parser.add_argument("--profile", choices=PROFILES, default="auto", help="how deep to read (default: %(default)s)")


def add_router_options(parser: argparse.ArgumentParser) -> None:
    """Add --fleet, --bundle, --profile, --strategy and --trade-usd."""
    parser.add_argument("--fleet", default="default", metavar="FLEET", help="default, seeds, current, or a file")
    add_bundle_options(parser)
    parser.add_argument(
        "--strategy",
        default="cost-optimised",
        metavar="STRATEGY",
        help="cost-optimised, quality-first or weighted (default: %(default)s)",
    )
    parser.add_argument(
        "--trade-usd", type=float, metavar="USD", help="what quality 1.0 is worth per task (default: the bundle's)"
    )


def names(text: str) -> tuple[str, ...]:
    """Return the names of a list such as `a,b`, for argparse.

    Raises:
        ArgumentTypeError: a name is empty.
    """
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; expected names with commas between, such as a,b")
    return parts


def bundle_path(name: str | None) -> str | None:
    """Return the path of a bundle, None for the one that comes along, which is also called "default"."""
    return None if name in (None, "default") else name


def load_router(args: argparse.Namespace) -> "Router":
    """Return the router that the options of `add_router_options` describe.

    Raises:
        PointsmanError: bundle, fleet, strategy or dial can't be used.
    """
    from pointsman.router import Policy, Router

    policy = Policy(strategy=args.strategy, trade_usd=args.trade_usd)
    return Router.load(bundle_path(args.bundle), args.fleet, args.profile, policy)


def check_models(fleet: "Fleet", models: Iterable[str] | None) -> None:
    """Refuse a model that the fleet doesn't have.

    Raises:
        UnknownModel: the message names the closest.
    """
    for model in models or ():
        fleet.card(model)
