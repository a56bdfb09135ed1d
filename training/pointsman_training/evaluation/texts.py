"""Sets of texts to route: labelled tasks, and prompts with real scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes
from pointsman_training.tasks import LabelledTasks


@dataclass(frozen=True)
class Texts:
    """n texts: ids, groups of near-duplicates, and real scores (n,) by model, NaN where unknown."""

    name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    groups: tuple[str, ...]
    scores: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Integers) -> "Texts":
        """Return these rows."""
        ids, texts, groups = (tuple(part[row] for row in rows) for part in (self.ids, self.texts, self.groups))
        return Texts(self.name, ids, texts, groups, {model: scores[rows] for model, scores in self.scores.items()})

    def sampled(self, most: int, rng: np.random.Generator) -> "Texts":
        """Return at most so many rows, drawn at random, in order."""
        if len(self) <= most:
            return self
        return self.take(np.sort(rng.choice(len(self), most, replace=False)))


def texts_of_tasks(name: str, tasks: LabelledTasks) -> Texts:
    """Return the texts of labelled tasks; each is a group of its own."""
    return Texts(name, tasks.ids, tasks.texts, tasks.ids, {})


def texts_of_sources(outcomes: Outcomes, split: str) -> Sequence[Texts]:
    """Return the prompts of one split, a set for each source that has some; outcomes must hold texts."""
    return [
        texts
        for source in sorted(set(outcomes.sources.tolist()))
        if len(texts := _of_source(outcomes, source, np.flatnonzero(outcomes.splits == split)))
    ]


def _of_source(outcomes: Outcomes, source: str, rows: Integers) -> Texts:
    rows = rows[outcomes.sources[rows] == source]
    columns = {model: index for index, (name, model) in enumerate(outcomes.columns) if name == source}
    return Texts(
        source,
        tuple(outcomes.prompt_ids[row] for row in rows),
        tuple(outcomes.texts[row] for row in rows) if outcomes.texts is not None else (),
        tuple(outcomes.groups[rows].tolist()),
        {model: outcomes.scores[rows, column] for model, column in columns.items()},
    )
