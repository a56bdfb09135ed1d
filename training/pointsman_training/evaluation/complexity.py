"""Predicted complexity beside what it should be: as labelled by people, and as outcomes show it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pointsman.prediction import Bundle, Predictor
from pointsman.prediction.predictor import Depth
from pointsman.types import COMPLEXITIES
from pointsman_training.ability import strengths, tiers
from pointsman_training.evaluation.report import Confusion
from pointsman_training.evaluation.trial import POINTSMAN
from pointsman_training.examples import complexity_from_outcomes
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes
from pointsman_training.tasks import LabelledTasks


def confusion_matrix(truth: npt.NDArray[np.floating], predicted: Integers) -> Doubles:
    """Return the mass of each true class (rows, n_classes) predicted as each class (columns).

    `truth` (n, n_classes) are shares of classes, one-hot where it is certain; `predicted` (n,) are classes.
    """
    matrix: Doubles = truth.T.astype(np.float64) @ np.eye(truth.shape[1])[predicted]
    return matrix


def confusion(name: str, truth: npt.NDArray[np.floating], predicted: Integers, by: str = POINTSMAN) -> Confusion:
    """Return the confusion of the three complexities, with accuracy and the share that is off by two classes.

    `name` says what the truth is, `by` who predicts.
    """
    matrix = confusion_matrix(truth, predicted)
    total = matrix.sum()
    return Confusion(
        by=by,
        truth=name,
        prompts=len(predicted),
        labels=COMPLEXITIES,
        mass=tuple(map(tuple, matrix.tolist())),
        accuracy=float(np.trace(matrix) / total),
        greatest_accuracy=float(truth.max(axis=1).sum() / total),
        off_by_two=float((matrix[0, 2] + matrix[2, 0]) / total),
    )


def against_labels(bundle: Bundle, tasks: LabelledTasks, depth: Depth) -> Confusion:
    """Return the confusion on labelled tasks."""
    predicted = Predictor(bundle).read(tasks.texts, depth).complexity.argmax(axis=1)
    return confusion("labelled tasks", np.eye(len(COMPLEXITIES))[tasks.complexity], predicted)


def against_outcomes(outcomes: Outcomes, rows: Integers, predicted: Floats) -> Sequence[Confusion]:
    """Return the confusion on these rows against what their outcomes show; none where no two tiers were observed.

    `predicted` (len(rows), 3) are probabilities. Tiers of models come from all outcomes, as in training.
    """
    truth, is_known = complexity_from_outcomes(outcomes, tiers(strengths(outcomes.columns, outcomes.scores)))
    known = is_known[rows]
    if not known.any():
        return ()
    return (
        confusion("outcomes of weak, middling and strong models", truth[rows][known], predicted[known].argmax(axis=1)),
    )
