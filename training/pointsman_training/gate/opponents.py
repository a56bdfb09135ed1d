"""What a bundle and each of its opponents would score and cost on the same prompts, dial by dial."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointsman.prediction import Manifest
from pointsman_training.evaluation.baselines import Examples, nearest, true_type_table
from pointsman_training.evaluation.trial import Trial, chosen
from pointsman_training.gate.claims import Served
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers
from pointsman_training.split import grouped_folds

CHAMPION: Final = "the champion"
CONSTANT: Final = "the best constant"
_FOLDS: Final = 3


def bundle_served(trial: Trial, manifest: Manifest, dials: Doubles) -> Served:
    """Return what a bundle serves: the choices of its chances, at its own dial its constant where it has one."""
    choices = _choices(trial, trial.chance, manifest.trade_usd, dials)
    if manifest.constant in trial.models:
        choices[:, 0] = trial.models.index(manifest.constant)
    return _paid(trial, choices)


def routed(trial: Trial, chance: npt.NDArray[np.floating[Any]], trade_usd: float, dials: Doubles) -> Served:
    """Return what choosing by these chances (n, m) and the trial's expected costs scores and costs."""
    return _paid(trial, _choices(trial, chance, trade_usd, dials))


def _choices(
    trial: Trial, chance: npt.NDArray[np.floating[Any]], trade_usd: float, dials: Doubles
) -> npt.NDArray[np.intp]:
    """Return the chosen models at the bundle's dial, then at each dial, (n, 1 + k)."""
    return np.stack([chosen(chance, trial.expected_costs, 1 / dial) for dial in (trade_usd, *dials)], axis=1)


def fixed(trial: Trial, place: int, by_dial: Integers) -> Served:
    """Return what sending every prompt to one model scores and costs; `by_dial` (k,) is the model at each dial."""
    return _paid(trial, np.tile(np.append(place, by_dial), (len(trial.scores), 1)))


def _paid(trial: Trial, choices: npt.NDArray[np.intp]) -> Served:
    quality = np.take_along_axis(trial.scores, choices, axis=1)
    cost = np.take_along_axis(trial.costs, choices, axis=1)
    return Served(quality[:, 0], cost[:, 0], quality[:, 1:], cost[:, 1:])


def best_constants(quality: Doubles, cost: Doubles, dials: Doubles) -> Integers:
    """Return at each dial (k,) the model of greatest utility, given mean quality and cost (m,) on the train rows."""
    return np.asarray((quality - cost / dials[:, np.newaxis]).argmax(axis=1))


def baselines(
    trial: Trial, train: Examples, trade_usd: float, dials: Doubles, seed: int
) -> Iterator[tuple[str, Served]]:
    """Yield the task-type table (true types) and tuned kNN, fitted on the train rows, at the candidate's dial."""
    folds = grouped_folds(train.groups.tolist(), _FOLDS, seed)
    for baseline in (true_type_table(train, trial.examples), nearest(train, trial.examples, folds)):
        yield baseline.name, routed(trial, baseline.chance, trade_usd, dials)
