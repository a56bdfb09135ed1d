"""What the retraining protocols share: read once, train on a part, ask what was learned about any rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidInput, InvalidOutcomes
from pointsman.prediction import read_bundle
from pointsman.prediction.predictor import Depth
from pointsman.registry import Price
from pointsman_training.encode import encoder_of_bundle
from pointsman_training.evaluation.baselines import Examples
from pointsman_training.evaluation.protocols.protocol import Inputs
from pointsman_training.evaluation.reading import features_of
from pointsman_training.evaluation.rows import real_output_tokens, taken
from pointsman_training.evaluation.trial import Contest, cheapest_beside
from pointsman_training.examples import Dataset, assemble
from pointsman_training.heads import Outputs
from pointsman_training.learned import Learned
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes, read_outcomes
from pointsman_training.pipeline import Run, learn
from pointsman_training.prices import read_prices
from pointsman_training.split import check_no_leak
from pointsman_training.tables import Features
from pointsman_training.tasks import LabelledTasks, read_tasks

TRAIN = "train"


@dataclass(frozen=True)
class Material:
    """All outcomes with their features, the labelled tasks with theirs, and prices."""

    outcomes: Outcomes
    features: Features
    tasks: LabelledTasks
    task_features: Features
    prices: dict[str, Price]

    def fullest_source(self, rows: Integers) -> str:
        """Return the source with the most outcomes in these rows."""
        names, place = np.unique(self.outcomes.sources[rows], return_inverse=True)
        counts = np.bincount(place, weights=np.isfinite(self.outcomes.scores[rows]).sum(axis=1))
        return str(names[counts.argmax()])

    @property
    def main_source(self) -> str:
        """The source with the most outcomes, dev or train."""
        return self.fullest_source(np.arange(len(self.outcomes)))

    @property
    def train_rows(self) -> Integers:
        """The rows of the train split."""
        return np.flatnonzero(self.outcomes.splits == TRAIN)

    def rows(self, source: str, split: str | None = None) -> Integers:
        """Return the rows of a source, of one split or all."""
        is_of = (self.outcomes.sources == source) & ((split is None) | (self.outcomes.splits == split))
        return np.flatnonzero(is_of)

    def train_rows_outside(self, held: Integers) -> Integers:
        """Return the rows of the train split whose group has no row among `held`."""
        groups = set(self.outcomes.groups[held].tolist())
        is_free = np.array([group not in groups for group in self.outcomes.groups.tolist()])
        return np.flatnonzero(is_free & (self.outcomes.splits == TRAIN))

    def columns(self, source: str, models: Sequence[str]) -> Integers:
        """Return the columns of these models in a source."""
        return np.array([self.outcomes.columns.index((source, model)) for model in models], dtype=np.int64)

    def models_of(self, source: str) -> tuple[str, ...]:
        """Return the models with a column in a source."""
        return tuple(model for name, model in self.outcomes.columns if name == source)

    def examples(self, rows: Integers, source: str, models: Sequence[str], depth: Depth) -> Examples:
        """Return rows of a source as baselines read them, scored by these models."""
        outcomes, features = self.outcomes, self.features.take(rows)
        return Examples(
            getattr(features, depth),
            features.counts,
            outcomes.task_types[rows],
            outcomes.groups[rows],
            outcomes.scores[np.ix_(rows, self.columns(source, models))],
        )


def read_material(inputs: Inputs, run: Run) -> Material:
    """Return everything that a protocol trains on and measures on.

    Raises:
        PointsmanError: a file can't be used; the message says which and why.
    """
    bundle, outcomes, tasks = read_bundle(inputs.bundle), read_outcomes(inputs.outcomes), read_tasks(inputs.tasks)
    return Material(
        outcomes,
        features_of(bundle, outcomes, run.cache),
        tasks,
        encoder_of_bundle(bundle).features(tasks.texts, cache=run.cache),
        read_prices(inputs.prices),
    )


def dev_rows(material: Material, source: str) -> Integers:
    """Return the dev rows of a source.

    Raises:
        InvalidOutcomes: there are none, or one is a near-duplicate of a train row.
    """
    outcomes = material.outcomes
    check_no_leak(outcomes.groups.tolist(), material.train_rows, np.flatnonzero(outcomes.splits != TRAIN))
    rows = material.rows(source, "dev")
    if not len(rows):
        raise InvalidOutcomes(
            f"{source!r} has no rows in the split dev to measure on; put about 15 % of its groups there."
        )
    return rows


def learn_from(material: Material, rows: Integers, run: Run, scale: str) -> tuple[Dataset, Learned]:
    """Return these rows and all labelled tasks as a dataset, and what is learned from it, whatever the rows' split.

    Models without an outcome in these rows stay unknown. `scale` is the source on which quality is predicted.
    """
    part, features = _part(material.outcomes, rows), material.features.take(rows)
    dataset = assemble(part, features, material.tasks, material.task_features, run.weighting, scale)
    with threadpool_limits(1):
        return dataset, learn(dataset, material.prices, run)


def _part(outcomes: Outcomes, rows: Integers) -> Outcomes:
    part = taken(outcomes, rows)
    seen: npt.NDArray[np.bool_] = np.asarray(np.isfinite(part.scores).any(axis=0))
    return replace(
        part,
        splits=np.full(len(rows), TRAIN),
        columns=tuple(column for column, is_seen in zip(outcomes.columns, seen, strict=True) if is_seen),
        scores=part.scores[:, seen],
        output_tokens=part.output_tokens[:, seen],
    )


def outputs_of(material: Material, learned: Learned, rows: Integers, depth: Depth) -> Outputs:
    """Return what the heads of one depth say about rows of the outcomes."""
    features = material.features.take(rows)
    return learned.heads[depth](getattr(features, depth), features.counts)


def chances_of(learned: Learned, outputs: Outputs, models: Sequence[str], depth: Depth) -> Floats:
    """Return the predicted quality (n, m) of models that were learned, in this order."""
    stack = learned.quality[depth]
    logits = stack.logits(outputs)[:, [stack.models.index(model) for model in models]]
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


def contest_on(material: Material, learned: Learned, rows: Integers, source: str, depth: Depth) -> Contest:
    """Return the contest of the learned fleet on those of the rows that all its models have a score for.

    The pair is the best single model against the cheapest. Unknown output tokens are the model's median on these rows.

    Raises:
        InvalidOutcomes: fewer than two groups are left.
    """
    fleet = learned.fleet
    columns = material.columns(source, fleet.names)
    whole = rows[np.isfinite(material.outcomes.scores[np.ix_(rows, columns)]).all(axis=1)]
    if len(set(material.outcomes.groups[whole].tolist())) < 2:
        raise InvalidOutcomes(
            f"{len(whole)} of {len(rows):,} rows of {source!r} have scores of all of {', '.join(fleet.names)}; at "
            "least two groups of prompts are needed to measure on. Add outcomes, or leave a sparse model's price empty."
        )
    outputs = outputs_of(material, learned, whole, depth)
    examples = material.examples(whole, source, fleet.names, depth)
    input_tokens = material.outcomes.input_tokens[whole]
    expected = learned.length.tokens(outputs)[:, fleet.models]
    real, _ = real_output_tokens(material.outcomes.output_tokens[np.ix_(whole, columns)], expected)
    costs: Doubles = fleet.costs(input_tokens, real)
    best = int(examples.scores.mean(axis=0, dtype=np.float64).argmax())
    return Contest(
        models=fleet.names,
        examples=examples,
        chance=learned.chances(depth, outputs),
        costs=costs,
        expected_costs=fleet.costs(input_tokens, expected),
        reference=best,
        strong=best,
        weak=cheapest_beside(best, costs),
    )


def check_known(what: str, wanted: str, known: Collection[str]) -> str:
    """Return `wanted` if it is known.

    Raises:
        InvalidInput: it isn't; the message lists what is.
    """
    if wanted not in known:
        raise InvalidInput(f"{what} is {wanted!r}; expected one of {', '.join(sorted(known))}.")
    return wanted
