"""What places a model without outcomes: typical demand, and regressions of ability on published scores."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pointsman.prediction.bundle import BenchmarkPrior, TypicalDemand
from pointsman_training.examples import RUBRIC, Dataset
from pointsman_training.learned import Doubles, Learned
from pointsman_training.network import Floats, Integers
from pointsman_training.stack import all_demands

_FEWEST_MODELS: Final = 8
_FEWEST_PROMPTS: Final = 200
_FEWEST_SCORES: Final = 100
_LEAST_RESIDUAL: Final = 0.05
_DIGITS: Final = 6


def typical_demand(dataset: Dataset, learned: Learned) -> TypicalDemand:
    """Return the mean demand of the main source's training prompts, as the graph computes it, held out."""
    rows = np.flatnonzero(dataset.is_train & (dataset.sources == dataset.main_source))
    means = {}
    for depth, held_out in learned.held_out.items():
        outputs = held_out.take(rows)
        mean = all_demands(outputs).mean(axis=0, dtype=np.float64)
        means[depth] = tuple(round(value, _DIGITS) for value in mean.tolist())
    return TypicalDemand(fast=means["fast"], deep=means["deep"])


def benchmark_priors(dataset: Dataset, learned: Learned) -> dict[str, BenchmarkPrior]:
    """Return the regression of the mean logit on the logit of a model's mean score, for every benchmark.

    A benchmark is a source, or a kind of task in the main source ("source:kind"), with at least `_FEWEST_PROMPTS`
    training prompts and `_FEWEST_MODELS` models. The level of a model that the main source lacks is itself an
    extrapolation, so its residual understates what isn't known.
    """
    stack = learned.quality["deep"]
    level = dict(zip(stack.models, _levels(dataset, learned).tolist(), strict=True))
    priors = {}
    for name, rows in _benchmarks(dataset).items():
        source = name.partition(":")[0]
        scores = mean_scores(dataset.columns, source, dataset.examples.scores[rows])
        models = [model for model in scores if model in level]
        if len(models) >= _FEWEST_MODELS:
            share = np.array([scores[model] for model in models])
            priors[name] = regression(np.log(share / (1 - share)), np.array([level[model] for model in models]))
    return priors


def _levels(dataset: Dataset, learned: Learned) -> Doubles:
    rows = np.flatnonzero(dataset.is_train & (dataset.sources == dataset.main_source))
    levels: Doubles = learned.quality["deep"].logits(learned.held_out["deep"].take(rows)).mean(axis=0)
    return levels


def _benchmarks(dataset: Dataset) -> dict[str, Integers]:
    """Return the training rows of every benchmark that is large enough."""
    rows: dict[str, Integers] = {}
    for source in sorted({name for name, _ in dataset.columns} - {RUBRIC}):
        here = dataset.is_train & (dataset.sources == source)
        rows[source] = np.flatnonzero(here)
        if source == dataset.main_source:
            for kind in sorted(set(dataset.kinds[here].tolist())):
                rows[f"{source}:{kind}"] = np.flatnonzero(here & (dataset.kinds == kind))
    return {name: found for name, found in rows.items() if len(found) >= _FEWEST_PROMPTS}


def mean_scores(columns: Sequence[tuple[str, str]], source: str, scores: Floats) -> dict[str, float]:
    """Return each model's mean of its column of scores (n, columns), (sum + 1) / (count + 2), if it has enough."""
    means = {}
    for column, (name, model) in enumerate(columns):
        known = scores[np.isfinite(scores[:, column]), column] if name == source else np.zeros(0)
        if len(known) >= _FEWEST_SCORES:
            means[model] = float((known.sum() + 1) / (len(known) + 2))
    return means


def regression(logits: Doubles, levels: Doubles) -> BenchmarkPrior:
    """Return the least-squares line of levels (m,) over logits (m,), m >= 3, and the deviation around it."""
    slope, intercept = np.polyfit(logits, levels, 1) if np.ptp(logits) > 0 else (0.0, levels.mean())
    errors = levels - slope * logits - intercept
    residual = max(float(np.sqrt((errors**2).sum() / (len(levels) - 2))), _LEAST_RESIDUAL)
    return BenchmarkPrior(
        round(float(intercept), _DIGITS), round(float(slope), _DIGITS), round(residual, _DIGITS), len(levels)
    )
