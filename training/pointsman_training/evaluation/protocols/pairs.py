"""Two models, the strong and the weak: how much of the gap between them rankings of prompts recover (APGR)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pointsman.prediction import FEATURE_NAMES
from pointsman_training.evaluation.baselines import Examples, fitted_baselines
from pointsman_training.evaluation.bootstrap import Interval, drawn_weights, of_draws, weighted_apgr
from pointsman_training.evaluation.protocols.material import Material
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.words import ranged, signed
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers

LENGTH: Final = "length of the prompt"
CHARACTERS: Final = FEATURE_NAMES.index("characters")
ROUTELLM_PAIR: Final = ("gpt-4-turbo", "mixtral-8x7b-instruct")
"""The pair of RouteLLM (arXiv 2406.18665) under the names of `datasets/public`."""


@dataclass(frozen=True)
class PairRouter:
    """One router's APGR, and Pointsman's minus this one's, paired; None for Pointsman itself."""

    name: str
    apgr: Interval
    difference: Interval | None


@dataclass(frozen=True)
class PairFigures:
    """What routers recover of the gap between two models; the first router is Pointsman."""

    strong: str
    weak: str
    prompts: int
    strong_quality: float
    weak_quality: float
    routers: tuple[PairRouter, ...]


def pair_rows(material: Material, rows: Integers, source: str, pair: tuple[str, str]) -> Integers:
    """Return those of the rows that both models of the pair have a score for; none if the source lacks one."""
    if not set(pair) <= set(material.models_of(source)):
        return rows[:0]
    scores = material.outcomes.scores[np.ix_(rows, material.columns(source, pair))]
    return rows[np.isfinite(scores).all(axis=1)]


def pair_figures(
    material: Material,
    parts: Sequence[tuple[Integers, Mapping[str, Doubles]]],
    columns: Integers,
    draws: int,
    rng: np.random.Generator,
) -> PairFigures:
    """Return the figures of margins by router, strong minus weak, the first being Pointsman's.

    A part is rows and margins (n,) of one training; APGR is the mean over parts, since margins of two trainings have no
    common scale. `columns` are the strong model's and the weak one's. Differences use the same draws of groups.
    """
    outcomes = material.outcomes
    values: dict[str, Doubles] = {}
    for rows, margins in parts:
        weights = drawn_weights(outcomes.groups[rows], draws, rng)
        gain = np.subtract(*outcomes.scores[np.ix_(rows, columns)].T).astype(np.float64)
        for name, margin in margins.items():
            values[name] = values.get(name, 0) + weighted_apgr(margin, gain, weights) / len(parts)
    first = next(iter(values.values()))
    everything = np.concatenate([rows for rows, _ in parts])
    quality = outcomes.scores[np.ix_(everything, columns)].mean(axis=0, dtype=np.float64)
    return PairFigures(
        strong=outcomes.columns[columns[0]][1],
        weak=outcomes.columns[columns[1]][1],
        prompts=len(everything),
        strong_quality=float(quality[0]),
        weak_quality=float(quality[1]),
        routers=tuple(
            PairRouter(name, of_draws(drawn), None if drawn is first else of_draws(first - drawn))
            for name, drawn in values.items()
        ),
    )


def pair_table(label: str, cases: Sequence[tuple[str, PairFigures]]) -> Table:
    """Return the figures of one or several cases; `label` says what sets them apart."""
    return Table(
        "APGR of the pair, 95 % intervals; the difference is Pointsman minus this, paired; * excludes 0",
        (label, "router", "pair", "prompts", "their scores", "APGR", "difference"),
        tuple(
            (name, router.name, f"{pair.strong} against {pair.weak}", f"{pair.prompts:,}",
             f"{pair.strong_quality:.3f} / {pair.weak_quality:.3f}", ranged(router.apgr), signed(router.difference))
            for name, pair in cases
            for router in pair.routers
        ),
        texts=3,
    )  # fmt: skip


def baseline_margins(train: Examples, fresh: Examples, seed: int) -> Iterator[tuple[str, Doubles]]:
    """Yield margins (n,) by baseline, learned from the scores (n, 2) of strong and weak; then the prompt's length."""
    for baseline in fitted_baselines(train, fresh, seed):
        yield baseline.name, baseline.chance[:, 0] - baseline.chance[:, 1]
    yield LENGTH, fresh.counts[:, CHARACTERS].astype(np.float64)
