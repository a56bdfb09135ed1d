"""Routing quality: runs every protocol on datasets/public and writes the figures into docs/quality.md.

A bundle is trained on the train split alone first, for the protocols that measure one. Reports are saved as JSON under
out/bench/, drawings under docs/figures/; the prose of the page is kept by hand. With names as arguments only these
protocols run, and only their parts of the page change.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pointsman.cli.files import write_whole
from pointsman.errors import PointsmanError
from pointsman_training.evaluation.drawing import cost_quality_svg, reliability_svg, standing_alone
from pointsman_training.evaluation.evaluate import Choice, evaluate
from pointsman_training.evaluation.evaluate import Inputs as BundleInputs
from pointsman_training.evaluation.page import part, with_part
from pointsman_training.evaluation.protocols import IN_DISTRIBUTION, PROTOCOLS, runner
from pointsman_training.evaluation.protocols.protocol import Inputs, Options
from pointsman_training.evaluation.tables import headline, tables
from pointsman_training.pipeline import Inputs as TrainingInputs
from pointsman_training.pipeline import Run, train

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES, PRICES = ROOT / "datasets" / "public", ROOT / "datasets" / "prices.csv"
TASKS, HELD_OUT = ROOT / "datasets" / "tasks", ROOT / "datasets" / "tasks" / "held-out"
TRANSLATIONS = ROOT / "datasets" / "translations.jsonl"
CONSOLE = Console()


def main(words: Sequence[str] | None = None) -> None:
    """Run the protocols one by one; after each, its part of the page is there."""
    args = _arguments(words)
    saved, figures = ROOT / "out" / "bench", args.page.parent / "figures"
    for directory in (saved, figures):
        directory.mkdir(parents=True, exist_ok=True)
    bundle = args.bundle or _trained(saved / "bundle")
    inputs = Inputs([OUTCOMES], PRICES, [TASKS], [HELD_OUT], bundle, [TRANSLATIONS])
    options = Options(run=replace(Options().run, cache=saved / "cache"), seeds=args.seeds, progress=_say)
    for name in args.protocols or PROTOCOLS:
        _say(f"{name}: {PROTOCOLS[name].answers}")
        try:
            report, text, drawn = _measured(name, inputs, options)
        except PointsmanError as error:
            _say(f"{name} can't run on these rows and its part of the page stays as it is: {error.message}")
            continue
        write_whole(str(saved / f"{name}.json"), [report])
        for figure, svg in drawn.items():
            write_whole(str(figures / f"{figure}.svg"), [standing_alone(svg).rstrip().encode()])
        page = with_part(args.page.read_text(), name, PROTOCOLS[name].answers.capitalize(), text)
        write_whole(str(args.page), [page.rstrip().encode()])


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=f"of {', '.join(PROTOCOLS)} (default: all)")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="trained on the train split (default: train one)")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "quality.md", metavar="FILE")
    parser.add_argument("--seeds", type=int, default=Options().seeds, metavar="N", help="default: %(default)s")
    args = parser.parse_args(words)
    if strange := [name for name in args.protocols if name not in PROTOCOLS]:
        parser.error(f"{strange[0]!r} is no protocol; expected some of {', '.join(PROTOCOLS)}")
    return args


def _trained(directory: Path) -> Path:
    return train(TrainingInputs([OUTCOMES], PRICES, [TASKS], [HELD_OUT]), directory, Run(), _say)


def _measured(name: str, inputs: Inputs, options: Options) -> tuple[bytes, str, Mapping[str, str]]:
    """Return the report as JSON, its part of the page, and its drawings."""
    if name == IN_DISTRIBUTION:
        report = evaluate(BundleInputs(inputs.bundle, inputs.outcomes, inputs.prices, [HELD_OUT], [TASKS]), Choice())
        drawn = {"cost-quality": cost_quality_svg(report), "reliability": reliability_svg(report)}
        return report.to_json(), part(headline(report), tables(report), _links(drawn), report.setup.notes), drawn
    found = runner(name)(inputs, options)
    return found.to_json(), part(found.headline, found.tables, _links(found.figures), found.notes), found.figures


def _links(drawn: Mapping[str, str]) -> list[str]:
    return [f"figures/{name}.svg" for name in drawn]


def _say(line: str) -> None:
    CONSOLE.print(line, highlight=False, markup=False)


if __name__ == "__main__":
    main()
