"""The rows that candidate and champion are measured on: one source or all, and who brought each row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidInput
from pointsman.prediction import Bundle, Manifest
from pointsman.prediction.predictor import Depth
from pointsman.registry import Price
from pointsman_training.evaluation.rows import Fleet, Selection, fleet_of, main_source, real_output_tokens, select
from pointsman_training.evaluation.trial import Trial
from pointsman_training.gate.verdict import Bounds, Labels
from pointsman_training.metrics import Doubles
from pointsman_training.outcomes import Outcomes
from pointsman_training.tables import CONTRIBUTOR

ALL_SOURCES: Final = "all"
SOURCE: Final = "source"


@dataclass(frozen=True)
class Terms:
    """What to measure on, and what is tolerated; None takes the default.

    `source` is one source, "all", or the candidate's main one. `contributor` is a column, or "source".
    """

    models: tuple[str, ...] | None = None
    source: str | None = None
    split: str = "dev"
    profile: Depth = "deep"
    contributor: str | None = None
    bounds: Bounds = dataclass_field(default_factory=Bounds)


@dataclass(frozen=True)
class Field:
    """The rows both bundles are measured on: `sources` (n,) are the rows' own, where all are pooled as one."""

    outcomes: Outcomes
    fleet: Fleet
    selection: Selection
    sources: Labels
    contributors: Labels | None

    @classmethod
    def of(
        cls, bundles: tuple[Bundle, Bundle], outcomes: Outcomes, prices: Mapping[str, Price], terms: Terms
    ) -> "Field":
        """Return the rows both bundles are measured on, as the terms choose them.

        Raises:
            PointsmanError: the terms don't fit the outcomes, or the bundles share too few models.
        """
        own = outcomes.sources
        if terms.contributor not in (None, SOURCE) and outcomes.contributors is None:
            raise InvalidInput(
                f"--contributor-column is {terms.contributor!r}, which no file of outcomes has; name a column that "
                f"says who brought a prompt, or {SOURCE!r}."
            )
        manifest = _shared(*(bundle.manifest for bundle in bundles))
        if terms.source == ALL_SOURCES:
            outcomes, source = pooled(outcomes), ALL_SOURCES
        else:
            source = main_source(manifest, outcomes, terms.source)
        fleet = fleet_of(manifest, outcomes, prices, source, terms.models)
        selection = select(outcomes, fleet, source, terms.split)
        rows = selection.measured
        contributors = outcomes.contributors
        if terms.contributor == SOURCE or (contributors is None and len(np.unique(own[rows])) > 1):
            contributors = own
        return cls(outcomes, fleet, selection, own[rows], None if contributors is None else contributors[rows])


def _shared(candidate: Manifest, champion: Manifest) -> Manifest:
    """Return the candidate's manifest with the models that the champion knows too."""
    both = {model: ability for model, ability in candidate.abilities.items() if model in champion.abilities}
    if len(both) < 2:
        raise InvalidInput(
            f"Candidate and champion share {len(both)} models with learned abilities; comparing them needs two."
        )
    return msgspec.structs.replace(candidate, abilities=both)


def pooled(outcomes: Outcomes) -> Outcomes:
    """Return the outcomes as one source, `ALL_SOURCES`, with one column a model."""
    models = outcomes.models
    scores = np.full((len(outcomes), len(models)), np.nan, dtype=np.float32)
    tokens = scores.copy()
    for column, (source, model) in enumerate(outcomes.columns):
        rows, place = outcomes.sources == source, models.index(model)
        scores[rows, place] = outcomes.scores[rows, column]
        tokens[rows, place] = outcomes.output_tokens[rows, column]
    return replace(
        outcomes,
        sources=np.full(len(outcomes), ALL_SOURCES),
        columns=tuple((ALL_SOURCES, model) for model in models),
        scores=scores,
        output_tokens=tokens,
    )


def train_costs(field: Field, trial: Trial) -> Doubles:
    """Return what each model cost on the train rows in USD, (rows, m); unknown lengths are the model's median."""
    rows = field.selection.learned
    observed = field.outcomes.output_tokens[np.ix_(rows, field.fleet.columns)]
    tokens, _ = real_output_tokens(observed, np.tile(trial.expected_tokens.mean(axis=0), (len(rows), 1)))
    return field.fleet.costs(field.outcomes.input_tokens[rows], tokens)


def column_of(wanted: str | None) -> str:
    """Return the column of outcomes that says who brought a prompt."""
    return CONTRIBUTOR if wanted in (None, SOURCE) else str(wanted)
