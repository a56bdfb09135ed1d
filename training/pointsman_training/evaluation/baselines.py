"""Baselines on the same rows: what a router must beat. Each is chances (n, m), or (cost, quality) points alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.learners import (
    Tuned,
    boosted,
    clusters,
    column_means,
    group_means,
    logistic,
    neighbours,
    ridge,
    tune,
    type_chances,
)
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats, Integers
from pointsman_training.split import grouped_folds

NEIGHBOURS: Final = (20, 50, 100, 200, 300)
CLUSTERS: Final = (16, 32, 64, 128)
PENALTIES: Final = (30.0, 100.0, 300.0, 1000.0)
_FOLDS: Final = 3
_TYPE_PENALTY: Final = 100.0

ORACLE: Final = "oracle"
RANDOM_MIX: Final = "random mix"
BEST_SINGLE: Final = "best single"
HULL_OF_SINGLES: Final = "hull of singles"


@dataclass(frozen=True)
class Examples:
    """n prompts: embedding (n, d), text counts (n, c), task types (n,), groups (n,), scores (n, m)."""

    embedding: Floats
    counts: Floats
    types: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    scores: Floats

    def take(self, rows: Integers) -> "Examples":
        """Return the examples of these rows."""
        return Examples(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Baseline:
    """Chances of one baseline on the measured rows, (n, m), and the setting that inner folds chose, in words."""

    name: str
    chance: Doubles
    setting: str = ""


def fitted_baselines(train: Examples, fresh: Examples, seed: int) -> Iterator[Baseline]:
    """Yield the baselines that learn, fitted on `train`, with their chances on `fresh`."""
    folds = grouped_folds(train.groups.tolist(), _FOLDS, seed)
    yield from _type_tables(train, fresh)

    counts = tune(logistic, PENALTIES, train.counts, train.scores, folds)
    yield Baseline("text counts, logistic", counts.predict(fresh.counts), _penalty(counts))

    yield nearest(train, fresh, folds)

    means = tune(partial(clusters, seed=seed), CLUSTERS, train.embedding, train.scores, folds)
    yield Baseline("k-means (Avengers)", means.predict(fresh.embedding), f"k = {means.setting:g}")

    for name, learner in (("embedding, ridge", ridge), ("embedding, logistic", logistic)):
        linear = tune(learner, PENALTIES, train.embedding, train.scores, folds)
        yield Baseline(name, linear.predict(fresh.embedding), _penalty(linear))

    trees = boosted(train.embedding, train.counts, train.scores, seed=seed)
    yield Baseline("one boosted classifier a model", trees(fresh.embedding, fresh.counts))


def nearest(train: Examples, fresh: Examples, folds: Integers) -> Baseline:
    """Return the mean of the k nearest train rows, k chosen on inner `folds` of them."""
    tuned = tune(neighbours, NEIGHBOURS, train.embedding, train.scores, folds)
    return Baseline("kNN", tuned.predict(fresh.embedding), f"k = {tuned.setting:g}")


def true_type_table(train: Examples, fresh: Examples) -> Baseline:
    """Return each model's mean on the train rows of the prompt's true task type, shrunk to its mean on all."""
    names, places = np.unique(train.types, return_inverse=True)
    table = group_means(train.scores, places.astype(np.int64), len(names))
    known = np.vstack([table, column_means(train.scores)])
    return Baseline("task-type table, true type", known[_places(names, fresh.types)], f"{len(names)} types")


def model_means(train: Examples, fresh: Examples) -> Doubles:
    """Return the chances of whoever looks at no prompt: each model's mean on the train rows, (n, m)."""
    return np.tile(column_means(train.scores), (len(fresh.scores), 1))


def mixture(cost: Doubles, quality: Doubles, points: int) -> tuple[Doubles, Doubles]:
    """Return costs and qualities of `points` random mixes along corners (k,) of ascending cost, and of the corners."""
    grid = np.union1d(np.linspace(cost[0], cost[-1], points), cost)
    return grid, np.interp(grid, cost, quality)


def _type_tables(train: Examples, fresh: Examples) -> Iterator[Baseline]:
    yield true_type_table(train, fresh)
    names, places = np.unique(train.types, return_inverse=True)
    if len(names) > 1:
        table = group_means(train.scores, places.astype(np.int64), len(names))
        chances = type_chances(train.embedding, places.astype(np.int64), len(names), _TYPE_PENALTY)(fresh.embedding)
        yield Baseline("task-type table, predicted type", chances @ table, f"{len(names)} types")


def _places(names: npt.NDArray[np.str_], wanted: npt.NDArray[np.str_]) -> Integers:
    """Return where each wanted name stands among sorted names; one past the end if it isn't there."""
    place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[place] == wanted, place, len(names)).astype(np.int64)


def _penalty(tuned: Tuned) -> str:
    return f"penalty {tuned.setting:g}"
