"""Held-out outputs: every row is predicted by heads that never saw its group."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

from pointsman.prediction.predictor import Depth
from pointsman_training.ability import Abilities, Lengths
from pointsman_training.examples import Dataset
from pointsman_training.heads import Heads, Outputs, Recipe, fit_heads
from pointsman_training.network import Integers

DEPTHS: tuple[Depth, ...] = ("fast", "deep")


@dataclass(frozen=True)
class Fitted:
    """Final heads of both depths, and the held-out outputs of the training rows (NaN elsewhere)."""

    heads: dict[Depth, Heads]
    held_out: dict[Depth, Outputs]


def cross_fit(
    dataset: Dataset,
    rows: Integers,
    folds: Integers,
    abilities: Abilities,
    lengths: Lengths,
    recipe: Recipe,
    *,
    seed: int,
    jobs: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Fitted:
    """Return heads trained on `rows`, and for each of these rows the outputs of heads trained on the other folds.

    `folds` (len(rows),) say which fold a row is in. Results don't depend on `jobs`. `progress` is told after each fit.
    """
    held_out = {depth: Outputs.empty(len(dataset), recipe, dataset.examples.type.shape[1]) for depth in DEPTHS}
    work = [(depth, fold) for fold in (*range(folds.max() + 1), None) for depth in DEPTHS]

    def job(depth: Depth, fold: int | None) -> tuple[Heads, Outputs | None]:
        learn, hold = (rows, None) if fold is None else (rows[folds != fold], rows[folds == fold])
        embedding, examples = getattr(dataset.features, depth), dataset.examples
        rng = np.random.default_rng([seed, DEPTHS.index(depth), 0 if fold is None else fold + 1])
        heads = fit_heads(embedding[learn], examples.take(learn), abilities, lengths, recipe, depth, rng)
        return heads, None if hold is None else heads(embedding[hold], examples.counts[hold])

    parallel = Parallel(n_jobs=jobs, inner_max_num_threads=1, backend="loky", return_as="generator")
    results = parallel(delayed(job)(*item) for item in work)
    heads: dict[Depth, Heads] = {}
    for done, ((depth, fold), (fitted, outputs)) in enumerate(zip(work, results, strict=True), start=1):
        progress(done, len(work))
        if fold is None:
            heads[depth] = fitted
        else:
            held_out[depth].fill(rows[folds == fold], outputs)
    return Fitted(heads, held_out)
