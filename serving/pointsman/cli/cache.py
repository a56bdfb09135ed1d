"""`pointsman cache`: what cached answers saved, clearing them, and giving answers beforehand."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from pointsman.money import format_usd

if TYPE_CHECKING:
    from pointsman.store import StoredAnswers


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verbs."""
    parser = subparsers.add_parser("cache", help="show what cached answers saved, clear them, give answers beforehand")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="cache_verb", metavar="VERB", required=True)
    stats = verbs.add_parser("stats", help="answers kept, requests they answered, tokens and money saved")
    stats.add_argument("--json", action="store_true", help="print JSON")
    verbs.add_parser("clear", help="forget all answers, in every process within a second or so")
    seed = verbs.add_parser("seed", help='keep the answers of a JSON Lines file: {"prompt" or "messages", "answer"}')
    seed.add_argument("file", metavar="FILE", help='one question with its answer a line; "-" is standard input')
    for verb in verbs.choices.values():
        verb.add_argument(
            "--database-url", default="sqlite:///pointsman.db", metavar="URL", help="(default: %(default)s)"
        )
        verb.add_argument("--tenant", default="default", metavar="NAME", help="whose answers (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb."""
    from pointsman.store import open_answers

    store = open_answers(args.database_url)
    try:
        return {"stats": _stats, "clear": _clear, "seed": _seed}[args.cache_verb](store, args)
    finally:
        store.close()


def _stats(store: "StoredAnswers", args: argparse.Namespace) -> int:
    from pointsman.caching.words import statistics

    found = statistics(store.count(args.tenant), store.counts(args.tenant))
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found).decode(), indent=2) + "\n")
        return 0
    rate = "no lookups yet" if found.hit_rate is None else f"{found.hit_rate:.1%} of lookups hit"
    sys.stdout.write(
        f"{found.entries:,} answers; {rate}: {found.exact_hits:,} exact, {found.semantic_hits:,} semantic, "
        f"{found.misses:,} missed.\n"
        f"Saved {found.tokens_saved:,} tokens and {format_usd(found.saved_nanousd)}.\n"
    )
    return 0


def _clear(store: "StoredAnswers", args: argparse.Namespace) -> int:
    sys.stdout.write(f"{store.clear(args.tenant):,} answers forgotten.\n")
    return 0


def _seed(store: "StoredAnswers", args: argparse.Namespace) -> int:
    from pointsman.budget.books import microseconds
    from pointsman.gateway.seeding import read_seeds, seed_entries
    from pointsman.treasury.opening import utc_now

    seeds = read_seeds(args.file)
    store.add(seed_entries(seeds, args.tenant, microseconds(utc_now())))
    sys.stdout.write(f"{len(seeds):,} questions have an answer beforehand.\n")
    return 0
