"""`pointsman bundle`: show what is in a bundle, or verify it."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pointsman.cli.options import bundle_path
from pointsman.prediction import Bundle, Predictor, read_bundle
from pointsman.prediction.newcomers import level_of

_DEPTHS: Final = ("fast", "deep")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its two sub-verbs."""
    parser = subparsers.add_parser("bundle", help="show or verify a bundle")
    verbs = parser.add_subparsers(dest="bundle_verb", metavar="VERB", required=True)
    for verb, summary in (("show", "what is in a bundle"), ("verify", "check a bundle as serving does")):
        sub = verbs.add_parser(verb, help=summary)
        sub.add_argument("bundle", metavar="DIR", help='a bundle; "default" is the one that comes along')


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb; a bundle that doesn't verify is raised as `BundleError`."""
    bundle = read_bundle(bundle_path(args.bundle))
    if args.bundle_verb == "verify":
        Predictor(bundle)  # the runtime has the last word on the graph
        sys.stdout.write(f"{bundle.path}: verified (format {bundle.manifest.format}, digest {bundle.digest}).\n")
    else:
        _show(bundle)
    return 0


def _show(bundle: Bundle) -> None:
    manifest, console = bundle.manifest, Console()
    encoder = manifest.encoder
    facts = {
        "path": str(bundle.path),
        "digest": bundle.digest,
        "format": f"{manifest.format} (feature version {manifest.feature_version})",
        "encoder": f"{encoder.model}, layer {encoder.layer}, {encoder.dimensions} numbers, {encoder.max_tokens} tokens",
        "demands": str(manifest.layout.demand),
        "trade": f"quality 1.0 is worth {manifest.trade_usd:g} USD per task",
        "serves": f"{manifest.constant} always: held-out outcomes don't show that routing is worth more"
        if manifest.constant
        else "the model of greatest utility",
    }
    console.print(_table("bundle", ("field", "value"), facts.items()))
    files = [(name, f"{file.bytes:,}", file.sha256) for name, file in sorted(manifest.files.items())]
    console.print(_table("files", ("file", "bytes", "sha256"), files))
    models = [
        (name, f"{a.outcomes:,}", level_of(manifest, a).words, ", ".join(a.sources))
        for name, a in manifest.abilities.items()
    ]
    heads = ("model", "outcomes", "quality on a typical task", "sources")
    console.print(_table("models with abilities", heads, models))
    console.print(_table("training", ("field", "value"), _flat(manifest.training)))
    by_profile = [dict(_flat(manifest.metrics.get(profile, {}))) for profile in _DEPTHS]
    names = dict.fromkeys(name for metrics in by_profile for name in metrics)
    compared = [(name, *(metrics.get(name, "-") for metrics in by_profile)) for name in names if name]
    console.print(_table("metrics", ("metric", *_DEPTHS), compared))
    others = {name: value for name, value in manifest.metrics.items() if name not in _DEPTHS}
    console.print(_table("other metrics", ("metric", "value"), _flat(others)))


def _table(title: str, heads: tuple[str, ...], rows: Any) -> Table:
    table = Table(*[Column(head, overflow="fold") for head in heads], title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _flat(data: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(data, float):
        yield name, f"{data:.4g}"
    else:
        yield name, data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
