"""How much each learner counts, and calibration: small models fitted on held-out outputs only."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pointsman_training.ability import Abilities, Lengths
from pointsman_training.examples import RUBRIC
from pointsman_training.heads import BOOSTED_DEMANDS, Outputs, complexity_scores, leading_demands
from pointsman_training.network import Floats, Integers

_PRIOR: Final = np.array([1.0, 0.3, 0.0])
OWN_SHARE: Final = 0.7
"""How much of an ability's difference from the mean one is kept.

Cross-validated with 1.0 and 0.7: cost at 95 / 98 % of the best model's quality .157 / .401 and .135 / .364 fast,
.136 / .370 and .122 / .348 deep; log-loss at most .0003 worse.
"""
TYPICAL_TOKENS: Final = 300.0
"""Expected output where no length of any model is known."""
_SMALLEST_STEP: Final = 1e-9
_PRIOR_PRECISION: Final = np.array([20.0, 20.0, 1.0])
"""Slope of the network's logit, weight of boosting, offset: the belief before outcomes, and how many it is worth."""


@dataclass(frozen=True)
class QualityStack:
    """Calibrated quality of m models from [network demand | boosted demand]: `vectors` (k + b, m), `biases` (m,)."""

    models: tuple[str, ...]
    vectors: Floats
    biases: Floats
    boosting_weights: Floats

    def logits(self, outputs: Outputs) -> Floats:
        """Return calibrated logits, float32 (n, m)."""
        return np.hstack([outputs.demand, outputs.boosted_demand]) @ self.vectors + self.biases


def reference_columns(abilities: Abilities, scores: Floats, main_source: str) -> dict[str, int]:
    """Return for each model the column that its quality is calibrated on: the main source's, else the fullest one."""

    def source(column: int) -> str:
        return abilities.sources[int(abilities.source_of[column])]

    filled = np.isfinite(scores).sum(axis=0)
    reference: dict[str, int] = {}
    for index, model in enumerate(abilities.models):
        columns = [c for c in np.flatnonzero(abilities.model_of == index).tolist() if filled[c] and source(c) != RUBRIC]
        own = [c for c in columns if source(c) == main_source]
        if columns:
            reference[model] = own[0] if own else max(columns, key=filled.__getitem__)
    return reference


def fit_quality(
    outputs: Outputs, scores: Floats, abilities: Abilities, reference: dict[str, int], main_source: str
) -> QualityStack:
    """Return the stack fitted on held-out `outputs` (NaN where a row wasn't held out) and `scores` (n, columns).

    A model never seen in the main source is moved by the difference of the source effects.
    """
    directions = leading_demands(abilities)
    effects = dict(zip(abilities.sources, abilities.source_effects.tolist(), strict=True))
    vectors, biases, weights = [], [], []
    for column in reference.values():
        ability, bias = abilities.column_vectors[:, column], abilities.column_biases[column]
        leading = directions.T @ ability
        network = outputs.demand @ ability + bias
        change = outputs.boosted_demand @ leading - (outputs.demand @ directions) @ leading
        rows = np.isfinite(scores[:, column]) & np.isfinite(network)
        slope, weight, offset = _fit_logistic(network[rows], change[rows], scores[rows, column])
        moved = effects[main_source] - effects[abilities.sources[abilities.source_of[column]]]
        vectors.append(np.concatenate([slope * ability - weight * directions @ leading, weight * leading]))
        biases.append(slope * bias + offset + moved)
        weights.append(weight)
    at_home = np.array([abilities.sources[abilities.source_of[column]] == main_source for column in reference.values()])
    fitted = QualityStack(
        tuple(reference),
        np.array(vectors, dtype=np.float32).T,
        np.array(biases, dtype=np.float32),
        np.array(weights, dtype=np.float32),
    )
    return _with_shared_ability(fitted, outputs, at_home)


def _with_shared_ability(stack: QualityStack, outputs: Outputs, at_home: npt.NDArray[np.bool_]) -> QualityStack:
    """Return the stack with each ability moved towards the mean one, every model's mean logit kept.

    What sets two models apart on a task is a small difference of large guesses; the greatest of many is the luckiest.
    """
    demand = np.hstack([outputs.demand, outputs.boosted_demand])
    held_out = np.isfinite(demand).all(axis=1)
    if not (at_home.any() and held_out.any()):
        return stack
    typical = demand[held_out].mean(axis=0)
    shared = stack.vectors[:, at_home].mean(axis=1, keepdims=True)
    vectors = shared + OWN_SHARE * (stack.vectors - shared)
    biases = stack.biases + typical @ (stack.vectors - vectors)
    return QualityStack(stack.models, vectors, biases, stack.boosting_weights)


def _fit_logistic(network: Floats, change: Floats, scores: Floats, *, steps: int = 25) -> npt.NDArray[np.float64]:
    """Return slope, weight and offset: Newton's method, its step halved until the penalised likelihood rises."""
    design = np.stack([network, change, np.ones_like(network)], axis=1).astype(np.float64)

    def loss(weights: npt.NDArray[np.float64]) -> float:
        logits = design @ weights
        likelihood = (np.logaddexp(0, logits) - scores * logits).sum()
        return float(likelihood + 0.5 * (_PRIOR_PRECISION * (weights - _PRIOR) ** 2).sum())

    weights = _PRIOR.copy()
    for _ in range(steps):
        chance = expit(design @ weights)
        gradient = design.T @ (scores - chance) - _PRIOR_PRECISION * (weights - _PRIOR)
        curvature = (design * (chance * (1 - chance))[:, np.newaxis]).T @ design + np.diag(_PRIOR_PRECISION)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights + step) > loss(weights) and np.abs(step).max() > _SMALLEST_STEP:
            step /= 2
        weights = weights + step
    return weights


@dataclass(frozen=True)
class ComplexityStack:
    """Calibrated complexity: softmax(scores @ weights + biases), weights (5, 3)."""

    weights: Floats
    biases: Floats

    def logits(self, outputs: Outputs) -> Floats:
        """Return calibrated logits, float32 (n, 3)."""
        return complexity_scores(outputs) @ self.weights + self.biases


def fit_complexity(outputs: Outputs, labels: Integers) -> ComplexityStack:
    """Return the stack fitted on held-out outputs of labelled tasks."""
    model = LogisticRegression(C=1.0, max_iter=1000).fit(complexity_scores(outputs), labels)
    return ComplexityStack(model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))


@dataclass(frozen=True)
class LengthStack:
    """Expected output tokens: exp([length factors | boosted length] @ vectors + biases), vectors (l + 1, m)."""

    vectors: Floats
    biases: Floats

    def tokens(self, outputs: Outputs) -> Floats:
        """Return expected output tokens, float32 (n, m)."""
        logs = np.hstack([outputs.length, outputs.boosted_length]) @ self.vectors + self.biases
        return np.asarray(np.exp(logs), dtype=np.float32)


def fit_lengths(outputs: Outputs, log_tokens: Floats, lengths: Lengths, reference: dict[str, int]) -> LengthStack:
    """Return the stack fitted on held-out outputs: a ridge regression a model, and a factor that makes the mean right.

    A model without known lengths gets the mean of the others.
    """
    inputs = np.hstack([outputs.length, outputs.boosted_length])
    fitted: dict[str, npt.NDArray[np.float64]] = {}
    for model, column in reference.items():
        rows = np.isfinite(log_tokens[:, column]) & np.isfinite(inputs).all(axis=1)
        if rows.sum() >= 30:
            prior = np.append(lengths.vectors[:, column], 0.0)
            fitted[model] = _fit_length(inputs[rows], log_tokens[rows, column], prior, float(lengths.biases[column]))
    typical = (
        np.mean(list(fitted.values()), axis=0)
        if fitted
        else np.append(np.zeros(inputs.shape[1]), np.log(TYPICAL_TOKENS))
    )
    columns = np.array([fitted.get(model, typical) for model in reference], dtype=np.float32)
    return LengthStack(columns[:, :-1].T, columns[:, -1])


def _fit_length(inputs: Floats, logs: Floats, prior: Floats, bias: float) -> npt.NDArray[np.float64]:
    design = np.hstack([inputs, np.ones((len(inputs), 1))]).astype(np.float64)
    start = np.append(prior, bias)
    precision = np.diag(np.append(np.full(len(prior), 20.0), 1.0))
    weights = start + np.linalg.solve(design.T @ design + precision, design.T @ (logs - design @ start))
    weights[-1] += np.log(np.exp(logs).mean() / np.exp(design @ weights).mean())
    return weights


__all__ = [
    "BOOSTED_DEMANDS",
    "ComplexityStack",
    "LengthStack",
    "QualityStack",
    "fit_complexity",
    "fit_lengths",
    "fit_quality",
    "reference_columns",
]
