"""Promises on a user's own outcomes: the bundle's predictions beside scores that it didn't learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import Bundle, measured_table
from pointsman.promises import Promises
from pointsman.registry import Price
from pointsman_training.crossfit import DEPTHS
from pointsman_training.evaluation.evaluate import unseen
from pointsman_training.evaluation.reading import features_of, read_features
from pointsman_training.evaluation.rows import ALL, fleet_of, main_source, real_output_tokens, taken
from pointsman_training.outcomes import Outcomes
from pointsman_training.promise import Evidence, Predicted, calibrate_promises, fleet_prices


@dataclass(frozen=True)
class Choice:
    """What to calibrate on; None takes the default: the default fleet's models, the outcomes' only or main source."""

    models: tuple[str, ...] | None = None
    source: str | None = None
    split: str = ALL


def promises_on(bundle: Bundle, outcomes: Outcomes, prices: Mapping[str, Price], choice: Choice) -> Promises:
    """Return the promises of a fleet on outcomes that the bundle didn't learn from.

    Raises:
        InvalidOutcomes: the bundle learned from these rows, or too few groups have scores of all models.
        InvalidInput, UnknownModel: models without ability, scores or price.
    """
    if unseen(bundle.manifest, outcomes, choice.split) is False:
        raise InvalidOutcomes(
            "The bundle learned from these rows, so what it predicts for them proves nothing. Calibrate on other "
            "outcomes, or on --split dev with a bundle trained without --use-dev."
        )
    present = sorted(set(outcomes.sources.tolist()))
    source = main_source(bundle.manifest, outcomes, choice.source or (present[0] if len(present) == 1 else None))
    fleet = fleet_of(bundle.manifest, outcomes, prices, source, choice.models)
    rows = np.flatnonzero((outcomes.sources == source) & ((outcomes.splits == choice.split) | (choice.split == ALL)))
    if not len(rows):
        raise InvalidOutcomes(f"{source!r} has no rows in the split {choice.split!r}; choose another --split.")
    home = taken(outcomes, rows)
    features, abilities = features_of(bundle, home), measured_table(bundle.manifest, fleet.models)
    readings = {depth: read_features(bundle, features, depth) for depth in DEPTHS}
    expected = {depth: abilities.output_tokens(reading) for depth, reading in readings.items()}
    real, _ = real_output_tokens(home.output_tokens[:, fleet.columns], expected["deep"])
    evidence = Evidence(
        predicted={
            depth: Predicted(abilities.quality(reading), fleet.costs(home.input_tokens, expected[depth]))
            for depth, reading in readings.items()
        },
        scores=home.scores[:, fleet.columns],
        costs=fleet.costs(home.input_tokens, real),
        groups=home.groups,
        novelty=readings["deep"].novelty,
        source=source,
        kind="held out",
    )
    priced = fleet_prices(fleet.models, fleet.input_usd, fleet.output_usd)
    promises = calibrate_promises(evidence, priced, bundle.manifest.deep_margin)
    return msgspec.structs.replace(promises, bundle=bundle.digest)
