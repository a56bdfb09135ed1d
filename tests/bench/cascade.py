"""The cascade on real outcomes: cost and quality beside routing alone, by the accuracy of a simulated verifier.

Writes the figures into docs/cascade.md. The bundle must not have learned from the dev split: that of `make demo`, or
the one that `make bench-quality` leaves in out/bench. The spread of the shared demand is fitted on one half of the dev
groups and used on the other, and the other way round.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console

from pointsman.cli.files import write_whole
from pointsman.prediction import read_bundle
from pointsman_training.evaluation.cascade import WAYS, Point, Trip, Way, curve, drawn_beliefs, fitted_spread, halves
from pointsman_training.evaluation.evaluate import Choice, Inputs, trial_on
from pointsman_training.evaluation.page import part, with_part
from pointsman_training.evaluation.scores import relative_cost_at
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import Trial
from pointsman_training.metrics import Doubles

ROOT: Final = Path(__file__).resolve().parents[2]
AUCS: Final = (0.6, 0.75, 0.9)
MISLED: Final = ((0.5, 0.65), (0.5, 0.75), (0.6, 0.75), (0.75, 0.65), (0.9, 0.65))
SHARES: Final = (0.95, 0.98, 1.0, 1.03)
DRAWS: Final = 2_000
CONSOLE: Final = Console()


@dataclass(frozen=True)
class Bench:
    """What is measured on: prompts, the spread by prompt, the bundle's own dial, the dials of a curve, draws."""

    trial: Trial
    digest: str
    spreads: Doubles
    own: float
    dials: tuple[float, ...]
    seeds: int


def main(words: Sequence[str] | None = None) -> None:
    """Measure every way at every accuracy, and write the page."""
    args = _arguments(words)
    bundle = read_bundle(args.bundle)
    trial = trial_on(Inputs(args.bundle, [ROOT / "datasets" / "public"], ROOT / "datasets" / "prices.csv"), Choice())
    own = bundle.manifest.trade_usd
    is_first = halves(trial.examples.groups, np.random.default_rng(0))
    spreads = np.where(is_first, _spread(trial, ~is_first), _spread(trial, is_first))
    dials = tuple(sorted({own, *np.geomspace(own / 100, own * 100, args.dials).tolist()}))
    bench = Bench(trial, bundle.digest, spreads, own, dials, args.seeds)
    for name in args.parts or PARTS:
        text = part(_headline(bench), [*PARTS[name](bench)], [], [])
        write_whole(str(args.page), [with_part(args.page.read_text(), name, "Measured", text).rstrip().encode()])


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: both)")
    parser.add_argument("--bundle", type=Path, default=ROOT / "out" / "bench" / "bundle", metavar="DIR")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "cascade.md", metavar="FILE")
    parser.add_argument(
        "--dials", type=int, default=21, metavar="N", help="settings of the dial (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="draws of the verifier (default: %(default)s)"
    )
    args = parser.parse_args(words)
    if strange := [name for name in args.parts if name not in PARTS]:
        parser.error(f"{strange[0]!r} is no part; expected some of {', '.join(PARTS)}")
    return args


def _spread(trial: Trial, rows: npt.NDArray[np.bool_]) -> float:
    return fitted_spread(trial.chance[rows], trial.scores[rows])


def _curves(bench: Bench) -> Iterator[Table]:
    """Yield what every way reaches with a verifier that is as accurate as believed."""
    measured: dict[tuple[Way, float], tuple[Point, ...]] = {}
    for way, auc in [("routing", 0.5), *((way, auc) for auc in AUCS for way in WAYS[1:])]:
        measured[way, auc] = _mean_curve(bench, way, (auc, auc), bench.dials)
        CONSOLE.print(f"{way}, AUC {auc:g}: measured")
    yield from _tables(bench.trial, measured, bench.own)


def _misled(bench: Bench) -> Iterator[Table]:
    """Yield what is reached with a verifier that is taken to be more accurate than it is, or less."""
    alone = _mean_curve(bench, "routing", (0.5, 0.5), [bench.own])[0]
    rows = []
    for real, believed in MISLED:
        for way in ("routing, then cascade", "cascade"):
            point = _mean_curve(bench, way, (real, believed), [bench.own])[0]
            rows.append((way, f"{real:g}", f"{believed:g}", *_beside(bench.trial, point, alone)))
    heads = ("way", "real AUC", "believed AUC", "score", "cost", "calls", "gain in USD per 1,000 tasks")
    yield Table("A verifier that isn't as accurate as believed, at the bundle's own dial", heads, tuple(rows), texts=3)


PARTS: Final = {"cascade": _curves, "cascade-misled": _misled}


def _mean_curve(bench: Bench, way: Way, aucs: tuple[float, float], dials: Sequence[float]) -> tuple[Point, ...]:
    """Return the curve with each prompt's figures averaged over draws; `aucs` are the real and the believed one."""
    trial, (real, believed) = bench.trial, aucs
    curves = []
    for seed in range(1 if way == "routing" else bench.seeds):
        beliefs = drawn_beliefs(trial.chance, trial.scores, real, np.random.default_rng(seed), believed)
        curves.append(curve(trial, way, beliefs, Trip(believed, bench.spreads), dials))
    names = ("cost_usd", "quality", "calls")
    return tuple(
        Point(dial, *(np.mean([getattr(one, name) for one in points], axis=0) for name in names))
        for dial, *points in zip(dials, *curves, strict=True)
    )


def _headline(bench: Bench) -> str:
    trial = bench.trial
    cost, quality = trial.reference_point
    return (
        f"Bundle {bench.digest[:12]}, which learned from the train split only, profile deep, on {len(trial.scores)} "
        f"prompts ({len(set(trial.examples.groups.tolist()))} groups) of zeroeval, split dev, {len(trial.models)} "
        f"models. Reference: {trial.models[trial.reference]} alone, score {quality:.3f} at {cost * 1000:.3f} USD per "
        f"1,000 tasks. Spread fitted on the other half of the groups: "
        f"{', '.join(f'{one:g}' for one in np.unique(bench.spreads))} logits. At most 3 calls. The verifier is "
        f"simulated: its score is drawn ({bench.seeds} draws). Quality 1.0 is worth {bench.own:.5f} USD, the bundle's "
        f"own dial, where no other is named."
    )


def _tables(trial: Trial, measured: dict[tuple[Way, float], tuple[Point, ...]], own: float) -> list[Table]:
    alone = _at(measured["routing", 0.5], own)
    return [
        Table(
            "Cost relative to the reference, by the share of its quality that is reached",
            ("way", "verifier's AUC", *(f"at {share:.0%}" for share in SHARES), "best score"),
            tuple((*_named(key), *_reached(trial, points)) for key, points in measured.items()),
            texts=2,
        ),
        Table(
            "At the bundle's own dial; cost in USD per 1,000 tasks, gain in worth over routing with 95 % interval",
            ("way", "verifier's AUC", "score", "cost", "calls", "gain in USD per 1,000 tasks"),
            tuple((*_named(key), *_beside(trial, _at(points, own), alone)) for key, points in measured.items()),
            texts=2,
        ),
    ]


def _named(key: tuple[Way, float]) -> tuple[str, str]:
    return key[0], "–" if key[0] == "routing" else f"{key[1]:g}"


def _at(points: Sequence[Point], dial: float) -> Point:
    return next(point for point in points if point.trade_usd == dial)


def _reached(trial: Trial, points: Sequence[Point]) -> list[str]:
    cost, quality = (np.array([getattr(one, name).mean() for one in points]) for name in ("cost_usd", "quality"))
    reference = trial.reference_point
    reached = [
        f"{relative_cost_at(cost, quality, share, reference):.3f}" if quality.max() >= share * reference[1] else "–"
        for share in SHARES
    ]
    return [*reached, f"{quality.max():.3f}"]


def _beside(trial: Trial, point: Point, alone: Point) -> list[str]:
    gain = (point.worth_usd - alone.worth_usd) * 1000
    low, high = _interval(gain, trial.examples.groups)
    words = "–" if point is alone else f"{gain.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
    return [f"{point.quality.mean():.3f}", f"{point.cost_usd.mean() * 1000:.3f}", f"{point.calls.mean():.2f}", words]


def _interval(values: Doubles, groups: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return the 95 % interval of a mean, whole groups drawn."""
    _, place = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(sums), size=(DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
