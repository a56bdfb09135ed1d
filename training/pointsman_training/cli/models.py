"""`pointsman models`: add a model to a trained bundle, from a few scored prompts or from what is known of it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pointsman.cli.options import bundle_path
from pointsman.errors import InvalidInput
from pointsman.prediction import Bundle, check_target, read_bundle, write_bundle
from pointsman.prediction.bundle import CARD, GRAPH, TOKENIZER
from pointsman.prediction.newcomers import Facts, Newcomer, Scored, fit_newcomer
from pointsman.registry import Price, load_fleet
from pointsman.registry.catalogue import known_price

_FLEETS = ("default", "current")
_ADDED = "## Models added after training"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its sub-verb."""
    parser = subparsers.add_parser("models", help="add a model to a trained bundle")
    verbs = parser.add_subparsers(dest="models_verb", metavar="VERB", required=True)
    fit = verbs.add_parser(
        "fit",
        help="fit one model's ability, without training again",
        description="Writes the bundle with the model's ability. Without outcomes, the ability is a prior.",
    )
    fit.add_argument("model", metavar="MODEL", help="its id, as in your fleet")
    fit.add_argument(
        "--outcomes",
        nargs="+",
        default=[],
        metavar="FILE_OR_DIR",
        help="scored prompts: JSONL or CSV of text, score and output_tokens, or parquet files of outcomes",
    )
    fit.add_argument(
        "--output", required=True, metavar="DIR", help="where the bundle is written; may be that of --bundle"
    )
    fit.add_argument("--bundle", metavar="DIR", help="the bundle to add to (default: the one that comes along)")
    fit.add_argument("--like", metavar="MODEL", help="a model of the bundle that it resembles")
    fit.add_argument(
        "--benchmark",
        action="append",
        default=[],
        type=_benchmark,
        metavar="NAME=SCORE",
        help="a published score, such as mmlu_pro=0.72; may be repeated",
    )
    fit.add_argument(
        "--price",
        type=_price,
        metavar="IN,OUT",
        help="USD per million tokens (default: the built-in fleets', if known)",
    )
    fit.add_argument("--replace", action="store_true", help="fit anew a model that the bundle has an ability of")


def run(args: argparse.Namespace) -> int:
    """Write the bundle, print what changed, and return 0."""
    bundle = read_bundle(bundle_path(args.bundle))
    check_target(args.output)
    _check_is_new(bundle, args.model, args.replace)
    facts = Facts(args.like, args.price if args.price is not None else _known_price(args.model), dict(args.benchmark))
    scored = _scored(bundle, args.model, args.outcomes)
    if scored is None and facts == Facts():
        raise InvalidInput(
            f"Nothing is known of {args.model!r}; give --outcomes, or at least --like, --price or --benchmark."
        )
    start = time.perf_counter()
    fitted = fit_newcomer(bundle.manifest, args.model, facts, scored)
    took_ms = (time.perf_counter() - start) * 1000
    path = _write(bundle, args.model, fitted, args.output)
    for line in _told(args.model, facts, fitted, took_ms):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _scored(bundle: Bundle, model: str, paths: Sequence[str]) -> Scored | None:
    from pointsman_training.scored import read_scored

    return read_scored(bundle, model, paths) if paths else None


def _check_is_new(bundle: Bundle, model: str, replaces: bool) -> None:
    if not model.strip():
        raise InvalidInput("MODEL is empty; expected the id of a model, as in your fleet.")
    known = bundle.manifest.abilities.get(model)
    if known is not None and not replaces:
        raise InvalidInput(
            f"{bundle.path} has an ability of {model!r} already, from {known.outcomes:,} outcomes; --replace fits it "
            "anew from these alone."
        )


def _write(bundle: Bundle, model: str, fitted: Newcomer, output: str) -> Path:
    manifest = msgspec.structs.replace(
        bundle.manifest, abilities={**bundle.manifest.abilities, model: fitted.ability}, files={}
    )
    card = _card((bundle.path / CARD).read_text(encoding="utf-8"), model, fitted)
    contents = {GRAPH: bundle.graph, TOKENIZER: bundle.tokenizer_json.encode(), CARD: card.encode()}
    return write_bundle(output, manifest, contents)


def _card(card: str, model: str, fitted: Newcomer) -> str:
    """Return the card with a line on the model in its last section, `_ADDED`, in place of an earlier one."""
    body, _, added = card.partition(f"\n{_ADDED}\n\n")
    lines = [line for line in added.splitlines() if line and not line.startswith(f"- {model}: ")]
    lines.append(f"- {model}: {fitted.after.words} on a typical task, from {fitted.ability.outcomes:,} outcomes.")
    return f"{body.rstrip()}\n\n{_ADDED}\n\n" + "".join(f"{line}\n" for line in lines)


def _told(model: str, facts: Facts, fitted: Newcomer, took_ms: float) -> list[str]:
    known = [f"like {facts.like}"] if facts.like else []
    known += [f"price ${facts.usd_per_mtok:g} per million tokens"] if facts.usd_per_mtok is not None else []
    known += [f"{name} {score:g}" for name, score in facts.benchmarks.items()]
    outcomes = fitted.ability.outcomes
    lines = [
        f"{model}: quality on a typical task",
        f"  before  {fitted.before.words}  from {', '.join(known) or 'nothing'}",
    ]
    if outcomes:
        lines.append(f"  after   {fitted.after.words}  from {outcomes:,} outcomes as well")
    return [*lines, f"fitted in {took_ms:.1f} ms"]


def _known_price(model: str) -> float | None:
    """Return the price that the built-in fleets or the catalogue state, USD per million tokens, blended."""
    for name in _FLEETS:
        for card in load_fleet(name).cards:
            if card.id == model:
                return _blended(card.price)
    price = known_price(model)
    return None if price is None else _blended(price)


def _blended(price: Price) -> float:
    return (price.input_nanousd_per_mtok + price.output_nanousd_per_mtok) / 2e9


def _benchmark(text: str) -> tuple[str, float]:
    name, _, score = text.rpartition("=")
    try:
        return name.strip() or _fail(text), float(score)
    except ValueError:
        _fail(text)
        raise


def _fail(text: str) -> str:
    raise argparse.ArgumentTypeError(f"{text!r} isn't a name and a score; expected NAME=SCORE, such as mmlu_pro=0.72")


def _price(text: str) -> float:
    try:
        per_input, per_output = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} isn't two prices; expected IN,OUT in USD per million tokens, such as 0.15,0.6"
        ) from None
    if not (0 <= per_input < float("inf") and 0 <= per_output < float("inf")):
        raise argparse.ArgumentTypeError(f"{text!r} has a price below 0, or one that isn't finite")
    return (per_input + per_output) / 2
