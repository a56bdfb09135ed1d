"""Slices of the measured rows: how well the bundle predicts, and what the default policy gets, by kind of prompt."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointsman.prediction import FEATURE_NAMES
from pointsman.types import COMPLEXITIES
from pointsman_training.evaluation.languages import language_of
from pointsman_training.evaluation.report import DefaultPolicy, Slice
from pointsman_training.evaluation.scores import entropy, hard_recall, is_hard
from pointsman_training.evaluation.trial import Trial, chosen
from pointsman_training.metrics import auc, log_loss, mean_over_models

Labels = npt.NDArray[Any]

FEWEST: Final = 20
"""Task types with fewer prompts are put together: their figures would be noise."""
RARE: Final = "(rarer types)"


def slices(trial: Trial, trade_usd: float) -> tuple[Slice, ...]:
    """Return the figures of every slice, kind by kind; the default policy takes quality − cost / `trade_usd`."""
    choice = chosen(trial.chance, trial.expected_costs, 1 / trade_usd)
    everything = np.full(len(choice), "all prompts")
    kinds = {"all": everything} | dict(kinds_of(trial))
    return tuple(
        _slice(trial, choice, kind, name, np.flatnonzero(labels == name))
        for kind, labels in kinds.items()
        for name in dict.fromkeys(sorted(labels.tolist(), key=lambda label: _order(kind, label)))
    )


def default_policy(trial: Trial, trade_usd: float) -> DefaultPolicy:
    """Return what the policy that takes quality − cost / `trade_usd` gets on all rows."""
    choice = chosen(trial.chance, trial.expected_costs, 1 / trade_usd)
    rows = np.arange(len(choice))
    achieved = trial.scores[rows, choice]
    shares = np.bincount(choice, minlength=len(trial.models)) / len(choice)
    return DefaultPolicy(
        quality=float(achieved.mean()),
        cost_usd=float(trial.costs[rows, choice].mean()),
        call_shares={trial.models[place]: float(shares[place]) for place in np.argsort(-shares, kind="stable")},
        entropy_bits=entropy(shares),
        hard_prompts=int(is_hard(trial.scores).sum()),
        hard_recall=hard_recall(achieved, trial.scores),
        reference_hard_recall=hard_recall(trial.scores[:, trial.reference], trial.scores),
    )


def kinds_of(trial: Trial) -> Iterator[tuple[str, Labels]]:
    """Yield each way to slice, with the label of every prompt."""
    counts = trial.examples.counts
    yield "task type", _common(trial.examples.types)
    yield "length", quartiles(np.expm1(counts[:, FEATURE_NAMES.index("characters")]), "{:,.0f} characters")
    is_foreign = counts[:, FEATURE_NAMES.index("non_ascii_share")] > 0
    yield "characters", np.where(is_foreign, "some not ASCII", "ASCII only")
    if trial.texts is not None:
        yield "language", np.array([language_of(text) for text in trial.texts])
    yield "predicted complexity", np.array(COMPLEXITIES)[trial.reading.complexity.argmax(axis=1)]
    yield "novelty", quartiles(trial.reading.novelty, "{:.2f}")


def quartiles(values: npt.NDArray[np.floating], form: str) -> Labels:
    """Return the quarter that each value is in, named with its bounds; equal values share a quarter."""
    edges = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    place = np.searchsorted(edges[1:-1], values, side="left")
    names = [
        f"Q{index + 1}: {form.format(values[place == index].min())} to {form.format(values[place == index].max())}"
        if (place == index).any()
        else ""
        for index in range(4)
    ]
    return np.array(names)[place]


def _common(types: npt.NDArray[np.str_]) -> Labels:
    names, place, count = np.unique(types, return_inverse=True, return_counts=True)
    return np.where(count[place] >= FEWEST, names[place], RARE)


def _order(kind: str, label: str) -> tuple[int, str]:
    if kind == "predicted complexity":
        return COMPLEXITIES.index(label), label
    return int(label == RARE), label


def _slice(trial: Trial, choice: npt.NDArray[np.intp], kind: str, name: str, rows: npt.NDArray[np.intp]) -> Slice:
    chance, scores, picks = trial.chance[rows], trial.examples.scores[rows], choice[rows]
    return Slice(
        kind=kind,
        name=str(name),
        prompts=len(rows),
        log_loss=mean_over_models(log_loss, chance, scores),
        auc=mean_auc(chance, scores),
        quality=float(trial.scores[rows, picks].mean()),
        cost_usd=float(trial.costs[rows, picks].mean()),
        reference_quality=float(trial.scores[rows, trial.reference].mean()),
        reference_cost_usd=float(trial.costs[rows, trial.reference].mean()),
    )


def mean_auc(chance: npt.NDArray[Any], scores: npt.NDArray[Any]) -> float:
    """Return the mean AUC over models that both succeed and fail, each on the prompts it has scores of; NaN if none."""
    known = np.isfinite(scores)
    values = [auc(chance[rows, column], scores[rows, column]) for column, rows in enumerate(known.T)]
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
