"""The cascade on real outcomes: cost and quality beside routing alone, by the accuracy of a simulated verifier.

Writes the figures into docs/cascade.md. The bundle must not have learned from the dev split: that of `make demo`, or
the one that `make bench-quality` leaves in out/bench. The spread of the shared demand is fitted on one half of the dev
groups and used on the other, and the other way round.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
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
SHARES: Final = (0.95, 0.98, 1.0, 1.03)
DRAWS: Final = 2_000
CONSOLE: Final = Console()


def main(words: Sequence[str] | None = None) -> None:
    """Measure every way at every accuracy, and write the page."""
    args = _arguments(words)
    bundle = read_bundle(args.bundle)
    trial = trial_on(Inputs(args.bundle, [ROOT / "datasets" / "public"], ROOT / "datasets" / "prices.csv"), Choice())
    own = bundle.manifest.trade_usd
    dials = sorted({own, *np.geomspace(own / 100, own * 100, args.dials).tolist()})
    is_first = halves(trial.examples.groups, np.random.default_rng(0))
    spreads = np.where(is_first, _spread(trial, ~is_first), _spread(trial, is_first))
    measured: dict[tuple[Way, float], tuple[Point, ...]] = {}
    for way, auc in [("routing", 0.5), *((way, auc) for auc in AUCS for way in WAYS[1:])]:
        measured[way, auc] = _mean_curve(trial, way, auc, spreads, dials, 1 if way == "routing" else args.seeds)
        CONSOLE.print(way, auc, [(round(p.cost_usd.mean(), 6), round(p.quality.mean(), 4)) for p in measured[way, auc]])
    text = part(_headline(trial, bundle.digest, spreads, args.seeds, own), _tables(trial, measured, own), [], [])
    write_whole(str(args.page), [with_part(args.page.read_text(), "cascade", "Measured", text).rstrip().encode()])


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=ROOT / "out" / "bench" / "bundle", metavar="DIR")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "cascade.md", metavar="FILE")
    parser.add_argument(
        "--dials", type=int, default=13, metavar="N", help="settings of the dial (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, default=2, metavar="N", help="draws of the verifier (default: %(default)s)"
    )
    return parser.parse_args(words)


def _spread(trial: Trial, rows: Doubles) -> float:
    return fitted_spread(trial.chance[rows], trial.scores[rows])


def _mean_curve(
    trial: Trial, way: Way, auc: float, spreads: Doubles, dials: Sequence[float], seeds: int
) -> tuple[Point, ...]:
    """Return the curve with each prompt's figures averaged over draws of the verifier."""
    curves = []
    for seed in range(seeds):
        beliefs = drawn_beliefs(trial.chance, trial.scores, auc, np.random.default_rng(seed))
        curves.append(curve(trial, way, beliefs, Trip(auc, spreads), dials))
    return tuple(
        Point(
            dial,
            *(np.mean([getattr(one, name) for one in points], axis=0) for name in ("cost_usd", "quality", "calls")),
        )
        for dial, *points in zip(dials, *curves, strict=True)
    )


def _headline(trial: Trial, digest: str, spreads: Doubles, seeds: int, own: float) -> str:
    reference = trial.models[trial.reference]
    cost, quality = trial.reference_point
    return (
        f"Bundle {digest[:12]}, which learned from the train split only, profile deep, on {len(trial.scores)} prompts "
        f"({len(set(trial.examples.groups.tolist()))} groups) of zeroeval, split dev, {len(trial.models)} models. "
        f"Reference: {reference} alone, score {quality:.3f} at {cost * 1000:.3f} USD per 1,000 tasks. Spread fitted on "
        f"the other half of the groups: {', '.join(f'{one:g}' for one in np.unique(spreads))} logits. At most 3 calls. "
        f"The verifier is simulated: its score is drawn ({seeds} draws). Quality 1.0 is worth {own:.5f} USD, the "
        f"bundle's own dial, where no other is named."
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


def _interval(values: Doubles, groups: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a mean, whole groups drawn."""
    _, place = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(sums), size=(DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
