"""The learners behind the baselines: each fits on scores (n, m) with gaps (NaN), graded scores included.

A setting is chosen by log-loss on inner folds of the training rows, grouped as all folds are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier

from pointsman_training.heads import CLIP
from pointsman_training.metrics import Doubles, log_loss
from pointsman_training.network import Floats, Integers

Predict = Callable[[Floats], Doubles]
"""Inputs (n, d) → chances (n, m)."""
Fit = Callable[[Floats, Floats, float], Predict]
"""Inputs, scores, setting → a prediction."""
Loss = Callable[[Doubles], tuple[float, Doubles]]
"""Logits (n, outputs) → the summed loss and its gradient."""

PRIOR_COUNT: Final = 5.0
"""How many outcomes the model's mean is worth where a group's mean is shrunk to it."""
_COMPONENTS: Final = 48
_TREES: Final = 60
_CHUNK: Final = 512


@dataclass(frozen=True)
class Tuned:
    """A fitted learner and the setting that did best on inner folds."""

    predict: Predict
    setting: float


def tune(fit: Fit, settings: Sequence[float], inputs: Floats, scores: Floats, folds: Integers) -> Tuned:
    """Return the learner fitted on all rows with the setting of least held-out log-loss."""
    known = np.isfinite(scores)

    def loss(setting: float) -> float:
        chance = np.empty(scores.shape)
        for fold in np.unique(folds):
            held = folds == fold
            chance[held] = fit(inputs[~held], scores[~held], setting)(inputs[held])
        return log_loss(chance[known].astype(np.float32), scores[known])

    best = min(settings, key=loss)
    return Tuned(fit(inputs, scores, best), best)


def column_means(scores: Floats) -> Doubles:
    """Return the mean of each column's known scores; that of all where a column has none."""
    known = np.isfinite(scores)
    total = np.where(known, scores, 0).sum(axis=0, dtype=np.float64)
    means: Doubles = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nanmean(scores))
    return means


def group_means(scores: Floats, groups: Integers, count: int) -> Doubles:
    """Return the mean scores of each group (count, m), shrunk to the model's by `PRIOR_COUNT` outcomes."""
    known = np.isfinite(scores)
    members = np.eye(count)[groups]
    total = members.T @ np.where(known, scores, 0).astype(np.float64)
    means: Doubles = (total + PRIOR_COUNT * column_means(scores)) / (members.T @ known + PRIOR_COUNT)
    return means


def neighbours(inputs: Floats, scores: Floats, k: float) -> Predict:
    """Return the mean of the k most similar rows' scores (cosine), with the model's mean as one more neighbour."""
    known, filled = np.isfinite(scores), np.where(np.isfinite(scores), scores, 0).astype(np.float32)
    unit, prior, nearest = _unit(inputs), column_means(scores), min(int(k), len(inputs))

    def predict(fresh: Floats) -> Doubles:
        parts = []
        for start in range(0, len(fresh), _CHUNK):
            likeness = _unit(fresh[start : start + _CHUNK]) @ unit.T
            rows = np.argpartition(-likeness, nearest - 1, axis=1)[:, :nearest]
            parts.append((filled[rows].sum(axis=1) + prior) / (known[rows].sum(axis=1) + 1))
        return np.concatenate(parts)

    return predict


def clusters(inputs: Floats, scores: Floats, k: float, *, seed: int = 0) -> Predict:
    """Return the mean scores of the nearest of k clusters (Avengers, arXiv 2505.19797)."""
    means = KMeans(min(int(k), len(inputs)), n_init=1, max_iter=50, random_state=seed).fit(_unit(inputs))
    table = group_means(scores, means.labels_.astype(np.int64), means.n_clusters)
    return lambda fresh: table[means.predict(_unit(fresh))]


def logistic(inputs: Floats, scores: Floats, penalty: float) -> Predict:
    """Return a logistic regression per model on standardised inputs; graded scores count as shares."""
    known, target = np.isfinite(scores), np.nan_to_num(scores).astype(np.float64)

    def loss(logits: Doubles) -> tuple[float, Doubles]:
        value = np.where(known, np.logaddexp(0, logits) - target * logits, 0).sum()
        return float(value), np.where(known, expit(logits) - target, 0)

    logits = _linear(inputs, scores.shape[1], loss, penalty)
    return lambda fresh: np.asarray(expit(logits(fresh)))


def type_chances(inputs: Floats, types: Integers, count: int, penalty: float) -> Predict:
    """Return P(type), (n, count), by a multinomial logistic regression on standardised inputs."""
    target, rows = np.eye(count)[types], np.arange(len(types))

    def loss(logits: Doubles) -> tuple[float, Doubles]:
        logs = log_softmax(logits, axis=1)
        return -float(logs[rows, types].sum()), np.exp(logs) - target

    logits = _linear(inputs, count, loss, penalty)
    return lambda fresh: np.asarray(softmax(logits(fresh), axis=1))


def ridge(inputs: Floats, scores: Floats, penalty: float) -> Predict:
    """Return a ridge regression per model on standardised inputs, clipped to chances."""
    scale = _scaling(inputs)
    design, known = scale(inputs), np.isfinite(scores)
    precision = _precision(design.shape[1], penalty)
    weights = np.empty((design.shape[1], scores.shape[1]))
    for pattern in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == pattern[:, np.newaxis]).all(axis=0))
        part = design[pattern]
        targets = scores[np.ix_(pattern, columns)].astype(np.float64)
        weights[:, columns] = np.linalg.solve(part.T @ part + precision, part.T @ targets)
    return lambda fresh: np.clip(scale(fresh) @ weights, 0, 1)


def _linear(inputs: Floats, outputs: int, loss: Loss, penalty: float) -> Predict:
    """Return logits (n, outputs) that are linear in standardised inputs, of least loss plus ridge penalty.

    The search runs in coordinates in which a bound of the curvature is round, so that some thirty steps are enough.
    """
    scale = _scaling(inputs)
    design = scale(inputs)
    precision = _precision(design.shape[1], penalty)
    root = np.linalg.inv(np.linalg.cholesky(design.T @ design / 8 + precision)).T
    shape = (design.shape[1], outputs)

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        weights = root @ flat.reshape(shape)
        value, gradient = loss(design @ weights)
        pull = precision @ weights
        return value + 0.5 * float((weights * pull).sum()), (root.T @ (design.T @ gradient + pull)).ravel()

    start = np.zeros(shape[0] * shape[1])
    fitted = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 60, "ftol": 1e-7})
    weights = root @ fitted.x.reshape(shape)
    return lambda fresh: np.asarray(scale(fresh) @ weights)


def boosted(inputs: Floats, counts: Floats, scores: Floats, *, seed: int = 0) -> Callable[[Floats, Floats], Doubles]:
    """Return a boosted classifier per model on leading components and counts; a graded score counts as both labels."""
    components = min(_COMPONENTS, *inputs.shape)
    pca = PCA(components, svd_solver="covariance_eigh").fit(inputs.astype(np.float64))

    def narrowed(wide: Floats, beside: Floats) -> Doubles:
        return np.hstack([pca.transform(wide.astype(np.float64)), beside])

    design = narrowed(inputs, counts)
    models = [_classifier(design, scores[:, column], seed) for column in range(scores.shape[1])]
    means = column_means(scores)

    def predict(wide: Floats, beside: Floats) -> Doubles:
        fresh = narrowed(wide, beside)
        return np.stack(
            [
                np.full(len(fresh), mean) if model is None else model.predict_proba(fresh)[:, 1]
                for model, mean in zip(models, means, strict=True)
            ],
            axis=1,
        )

    return predict


def _classifier(design: Doubles, scores: Floats, seed: int) -> HistGradientBoostingClassifier | None:
    """Return the classifier of one model; None where all its scores are alike."""
    known = np.isfinite(scores)
    share = scores[known]
    weights = np.concatenate([share, 1 - share])
    labels = np.repeat([1, 0], len(share))
    used = weights > 0
    if len(np.unique(labels[used])) < 2:
        return None
    model = HistGradientBoostingClassifier(
        max_iter=_TREES, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=5.0, max_features=0.3,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    return model.fit(np.concatenate([design[known]] * 2)[used], labels[used], sample_weight=weights[used])


def _unit(inputs: Floats) -> Floats:
    unit: Floats = inputs / np.maximum(np.linalg.norm(inputs, axis=1, keepdims=True), 1e-12).astype(np.float32)
    return unit


def _scaling(inputs: Floats) -> Predict:
    """Return the function that standardises inputs as these are, clips them, and appends a constant."""
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + np.float32(1e-6)

    def scale(fresh: Floats) -> Doubles:
        scaled = np.clip((fresh - mean) / deviation, -CLIP, CLIP).astype(np.float64)
        return np.hstack([scaled, np.ones((len(scaled), 1))])

    return scale


def _precision(width: int, penalty: float) -> Doubles:
    """Return the ridge penalty on every weight but the last, the constant's."""
    return np.diag(np.append(np.full(width - 1, penalty), 1e-6))
