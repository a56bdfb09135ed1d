"""Outcomes and labelled tasks → one table of examples, each teaching what it can.

A prompt with outcomes teaches demand and length, and, more weakly, complexity: a task that small models do is simple,
one that only stronger ones do is medium, one that defeats those too is complex. A labelled task teaches complexity and
type, and, through the rubric's own words, what models of each strength would score on it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidOutcomes
from pointsman.types import COMPLEXITIES, TASK_TYPES
from pointsman_training.ability import strengths, tiers
from pointsman_training.heads import Examples
from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes
from pointsman_training.tables import Features
from pointsman_training.tasks import LabelledTasks

RUBRIC: Final = "rubric"
RUBRIC_SCORES: Final = np.array([[0.96, 0.98, 0.99], [0.60, 0.85, 0.95], [0.15, 0.40, 0.75]], dtype=np.float32)
"""P(done well) by complexity (rows) and tier of model (columns), as `datasets/tasks/RUBRIC.md` words it."""

_TYPE_OF_FAMILY: Final = {
    "code/output-prediction": "reasoning",
    "code": "code_generation",
    "math": "reasoning",
    "knowledge": "question_answering",
    "knowledge-reasoning": "question_answering",
    "commonsense": "question_answering",
    "open-ended": "creative_writing",
}


@dataclass(frozen=True)
class Weighting:
    """How much each kind of example counts; outcomes of the main source count `main_source`, those of others 1."""

    main_source: float = 2.0
    rubric_outcomes: float = 1.0
    labels_from_outcomes: float = 0.1


@dataclass(frozen=True)
class Dataset:
    """Prompts with outcomes, then labelled tasks: `features` and `examples` of all, groups for splitting.

    `columns` are the (source, model) pairs of the scores; the last ones, of source `RUBRIC`, hold what the rubric says.
    `kinds` are the outcomes' own task types. `main_source` is the scale on which quality is predicted, by default the
    source with the most outcomes.
    """

    features: Features
    examples: Examples
    columns: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    is_task: npt.NDArray[np.bool_]
    is_train: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]
    input_tokens: Floats
    main_source: str
    strength: dict[str, float]

    def __len__(self) -> int:
        return len(self.groups)


def assemble(
    outcomes: Outcomes,
    features: Features,
    tasks: LabelledTasks,
    task_features: Features,
    weighting: Weighting,
    main_source: str | None = None,
) -> Dataset:
    """Return the dataset of both; either features come from the same encoder. The fullest source is the main one.

    Boosting learns demand from the main source and the labelled tasks: with all sources it took five times as long and
    measured worse (held-out log-loss .4511 against .4500 fast, .4481 against .4467 deep).
    """
    n, m = len(outcomes), len(tasks)
    train = np.flatnonzero(outcomes.splits == "train")
    strength = strengths(outcomes.columns, outcomes.scores[train])
    tier = tiers(strength)
    counts = {
        source: int(np.isfinite(outcomes.scores[:, [s == source for s, _ in outcomes.columns]]).sum())
        for source, _ in outcomes.columns
    }
    main_source = main_source or max(counts, key=counts.__getitem__)
    if len(outcomes.models) < 2:
        raise InvalidOutcomes(
            f"All outcomes are of {outcomes.models[0]!r}; routing is learned from two models or more."
        )
    if not len(train):
        raise InvalidOutcomes("No prompt is in the split train; there is nothing to learn from.")
    columns = (*outcomes.columns, *((RUBRIC, model) for model in outcomes.models if m))
    scores = np.full((n + m, len(columns)), np.nan, dtype=np.float32)
    scores[:n, : len(outcomes.columns)] = outcomes.scores
    tier_of_column = [tier[model] for model in outcomes.models]
    if m:
        scores[n:, len(outcomes.columns) :] = RUBRIC_SCORES[tasks.complexity][:, tier_of_column]
    source_weight = np.where(outcomes.sources == main_source, weighting.main_source, 1.0)
    complexity, is_known = complexity_from_outcomes(outcomes, tier)
    kinds = np.array([TASK_TYPES.index(_type_of(name)) for name in outcomes.task_types.tolist()], dtype=np.int64)
    examples = Examples(
        counts=np.concatenate([features.counts, task_features.counts]),
        scores=scores,
        log_tokens=_log_tokens(outcomes, m, len(columns)),
        outcome_weights=np.concatenate([source_weight, np.full(m, weighting.rubric_outcomes)]).astype(np.float32),
        boosts=np.concatenate([outcomes.sources == main_source, np.ones(m, dtype=bool)]),
        kind=_kinds(outcomes, main_source, tasks),
        complexity=np.concatenate([complexity, np.eye(len(COMPLEXITIES))[tasks.complexity]]).astype(np.float32),
        type=np.eye(len(TASK_TYPES), dtype=np.float32)[np.concatenate([kinds, tasks.type])],
        label_weights=np.concatenate([weighting.labels_from_outcomes * is_known, np.ones(m)]).astype(np.float32),
    )
    return Dataset(
        features=Features.concatenate([features, task_features]),
        examples=examples,
        columns=columns,
        groups=(*outcomes.groups.tolist(), *(f"task:{name}" for name in tasks.ids)),
        is_task=np.arange(n + m) >= n,
        is_train=np.concatenate([outcomes.splits == "train", np.ones(m, dtype=bool)]),
        sources=np.concatenate([outcomes.sources, np.full(m, RUBRIC)]),
        kinds=np.concatenate([outcomes.task_types, np.full(m, RUBRIC)]),
        input_tokens=np.concatenate([outcomes.input_tokens, np.full(m, np.nan, dtype=np.float32)]),
        main_source=main_source,
        strength=strength,
    )


def complexity_from_outcomes(outcomes: Outcomes, tier: dict[str, int]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return P(simple), P(medium), P(complex) of each prompt (n, 3), and where at least two tiers were observed.

    Simple is the share of weak models that succeed, complex the share of middling ones that fail; a tier without
    outcomes borrows the prompt's mean.
    """
    tier_of_column = np.array([tier[model] for _, model in outcomes.columns])
    mean = np.nanmean(outcomes.scores, axis=1)
    share = np.stack([_row_means(outcomes.scores[:, tier_of_column == level], mean) for level in range(3)], axis=1)
    simple = share[:, 0]
    medium = np.maximum(share[:, 1], simple) - simple
    observed = np.stack([np.isfinite(outcomes.scores[:, tier_of_column == level]).any(axis=1) for level in range(3)])
    return np.stack([simple, medium, 1 - simple - medium], axis=1).astype(np.float32), observed.sum(axis=0) >= 2


def _kinds(outcomes: Outcomes, main_source: str, tasks: LabelledTasks) -> Integers:
    """Return a number for each kind: the main source's task types, then the labelled tasks' types; -1 elsewhere."""
    home = outcomes.sources == main_source
    kinds = np.full(len(outcomes), -1)
    names, kinds[home] = np.unique(outcomes.task_types[home], return_inverse=True)
    return np.concatenate([kinds, len(names) + tasks.type])


def _row_means(values: Floats, fallback: Floats, *, weight: float = 1.0) -> Floats:
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1) + weight * fallback
    return np.asarray(total / (known.sum(axis=1) + weight), dtype=np.float32)


def _log_tokens(outcomes: Outcomes, tasks: int, columns: int) -> Floats:
    """Return log output tokens; one-letter answers say nothing about length and count as unknown."""
    logs = np.full((len(outcomes) + tasks, columns), np.nan, dtype=np.float32)
    tokens = np.where(outcomes.output_tokens > 1, outcomes.output_tokens, np.nan)
    logs[: len(outcomes), : len(outcomes.columns)] = np.log(tokens)
    return logs


def _type_of(name: str) -> str:
    return _TYPE_OF_FAMILY.get(name) or _TYPE_OF_FAMILY.get(name.split("/")[0], "question_answering")


def rows_of(mask: npt.NDArray[np.bool_]) -> Integers:
    """Return the indices where a mask holds."""
    return np.flatnonzero(mask).astype(np.int64)
