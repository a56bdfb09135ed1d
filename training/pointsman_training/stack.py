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

Doubles = npt.NDArray[np.float64]
TYPICAL_TOKENS: Final = 300.0
"""Expected output where no length of any model is known."""
COVERING: Final = 0.9
"""A model that did this share of the main source's prompts is judged by them alone."""
_SMALLEST_STEP: Final = 1e-9
_OFFSET_PRECISION: Final = 1.0
_ABILITY_PRECISION: Final = 3.0
"""How many outcomes the expected ability on a learner's demands is worth, per standard deviation of a demand."""
_SHARES: Final = np.array([0.5, 0.15, 0.5, 0.0])
_SHARES_PRECISION: Final = np.array([20.0, 20.0, 20.0, _OFFSET_PRECISION])
"""Weights of network, boosting and kernel, and the offset: the belief before outcomes, and how many it is worth."""


@dataclass(frozen=True)
class QualityStack:
    """Calibrated quality of m models from demands (n, k) side by side: `vectors` (k, m), `biases` (m,).

    `shares` (m, 3) are the weights of network, boosting and kernel.
    """

    models: tuple[str, ...]
    vectors: Floats
    biases: Floats
    shares: Floats

    def logits(self, outputs: Outputs) -> Floats:
        """Return calibrated logits, float32 (n, m)."""
        return all_demands(outputs) @ self.vectors + self.biases


def all_demands(outputs: Outputs) -> Floats:
    """Return the demands of network, boosting and kernel side by side, float32 (n, k)."""
    return np.hstack([outputs.demand, outputs.boosted_demand, outputs.kernel_demand])


def all_lengths(outputs: Outputs) -> Floats:
    """Return the length numbers of network, boosting and kernel side by side, float32 (n, l)."""
    return np.hstack([outputs.length, outputs.boosted_length, outputs.kernel_length])


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

    Quality seen in another source is moved by the difference of the source effects.
    """
    effects = dict(zip(abilities.sources, abilities.source_effects.tolist(), strict=True))
    vectors, biases, shares = [], [], []
    for column in reference.values():
        fitted = []
        for one in _speaking_columns(column, scores, abilities, main_source):
            vector, bias, share = _fit_column(outputs, scores[:, one], abilities, one)
            moved = effects[main_source] - effects[abilities.sources[abilities.source_of[one]]]
            fitted.append((vector, bias + moved, np.array(share)))
        vector, bias, share = (np.mean(part, axis=0) for part in zip(*fitted, strict=True))
        vectors.append(vector)
        biases.append(bias)
        shares.append(share)
    return QualityStack(
        tuple(reference),
        np.array(vectors, dtype=np.float32).T,
        np.array(biases, dtype=np.float32),
        np.array(shares, dtype=np.float32),
    )


def _speaking_columns(reference: int, scores: Floats, abilities: Abilities, main_source: str) -> list[int]:
    """Return the columns whose mean is a model's quality: its reference, where that covers the main source.

    A model that did only some kinds of its prompts is judged by all its sources, each with the same say: GPT-4 Turbo
    against Mixtral on RouteLLM's prompts, labels of these cross-validated, APGR .602 to .673 deep.
    """
    at_home = np.isin(abilities.source_of, [abilities.sources.index(main_source)])
    prompts = np.isfinite(scores[:, at_home]).any(axis=1).sum()
    if at_home[reference] and np.isfinite(scores[:, reference]).sum() >= COVERING * prompts:
        return [reference]
    own = np.flatnonzero(abilities.model_of == abilities.model_of[reference]).tolist()
    spoken = [
        column
        for column in own
        if abilities.sources[abilities.source_of[column]] != RUBRIC and np.isfinite(scores[:, column]).any()
    ]
    return spoken or [reference]


def _fit_column(
    outputs: Outputs, scores: Floats, abilities: Abilities, column: int
) -> tuple[Doubles, float, tuple[float, float, float]]:
    """Return vector and bias of one column's quality, and the weights of network, boosting and kernel in it."""
    directions = leading_demands(abilities)
    kernel_directions = leading_demands(abilities, outputs.kernel_demand.shape[1])
    ability, bias = abilities.column_vectors[:, column], abilities.column_biases[column]
    leading = directions.T @ ability
    network = outputs.demand @ ability + bias
    rows = np.isfinite(scores) & np.isfinite(network)
    change = (outputs.boosted_demand - outputs.demand @ directions)[rows] @ leading
    expected = np.append(kernel_directions.T @ ability, bias)
    kernel = fit_ability(outputs.kernel_demand[rows], scores[rows], expected)
    kernel_logit = outputs.kernel_demand[rows] @ kernel[:-1] + kernel[-1]
    design = np.stack([network[rows], change, kernel_logit, np.ones_like(change)], axis=1)
    slope, boosting, of_kernel, offset = fit_logistic(design, scores[rows], _SHARES, _SHARES_PRECISION).tolist()
    own = slope * ability - boosting * directions @ leading
    vector = np.concatenate([own, boosting * leading, of_kernel * kernel[:-1]])
    return vector, slope * bias + of_kernel * kernel[-1] + offset, (slope, boosting, of_kernel)


def fit_ability(demand: Floats, scores: Floats, expected: Doubles) -> Doubles:
    """Return an ability on one learner's demands (n, k) and its bias, (k + 1,), shrunken to the `expected` one."""
    if not len(demand):
        return expected
    spread = np.append(demand.std(axis=0, dtype=np.float64) + 1e-6, 1.0)
    design = np.hstack([demand, np.ones((len(demand), 1))]) / spread
    precision = np.append(np.full(len(spread) - 1, _ABILITY_PRECISION), _OFFSET_PRECISION)
    scaled = fit_logistic(design, scores, expected * spread, precision)
    return np.asarray(scaled / spread)


def by_one_learner(outputs: Outputs, scores: Floats, abilities: Abilities, columns: Integers) -> dict[str, Floats]:
    """Return the chances of these columns, (n, m), that each learner alone gives, fitted as in the stack."""
    demands = {"network": outputs.demand, "boosting": outputs.boosted_demand, "kernel": outputs.kernel_demand}
    chances = {}
    for name, demand in demands.items():
        turn = np.eye(demand.shape[1]) if name == "network" else leading_demands(abilities, demand.shape[1])
        logits = np.empty((len(demand), len(columns)))
        for place, column in enumerate(columns):
            rows = np.isfinite(scores[:, column]) & np.isfinite(demand[:, 0])
            expected = np.append(turn.T @ abilities.column_vectors[:, column], abilities.column_biases[column])
            fitted = fit_ability(demand[rows], scores[rows, column], expected)
            logits[:, place] = demand @ fitted[:-1] + fitted[-1]
        chances[name] = expit(logits).astype(np.float32)
    return chances


def fit_logistic(design: Floats, scores: Floats, prior: Doubles, precision: Doubles, *, steps: int = 25) -> Doubles:
    """Return the weights (d,) of greatest penalised likelihood of `scores` (n,) given `design` (n, d).

    Newton's method, its step halved until the likelihood rises; `precision` (d,) is that of the normal prior.
    """
    design = design.astype(np.float64)

    def loss(weights: Doubles) -> float:
        logits = design @ weights
        likelihood = (np.logaddexp(0, logits) - scores * logits).sum()
        return float(likelihood + 0.5 * (precision * (weights - prior) ** 2).sum())

    weights = prior.astype(np.float64)
    for _ in range(steps):
        chance = expit(design @ weights)
        gradient = design.T @ (scores - chance) - precision * (weights - prior)
        curvature = (design * (chance * (1 - chance))[:, np.newaxis]).T @ design + np.diag(precision)
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


def linear_rows(outputs: Outputs, complexity: ComplexityStack) -> Floats:
    """Return the rows of the graph before the softmax: demands, lengths, type scores, complexity logits."""
    return np.hstack([all_demands(outputs), all_lengths(outputs), outputs.type, complexity.logits(outputs)])


def fit_complexity(outputs: Outputs, labels: Integers) -> ComplexityStack:
    """Return the stack fitted on held-out outputs of labelled tasks."""
    model = LogisticRegression(C=1.0, max_iter=1000).fit(complexity_scores(outputs), labels)
    return ComplexityStack(model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))


@dataclass(frozen=True)
class LengthStack:
    """Expected output tokens: exp(lengths side by side @ vectors + biases), vectors (l, m)."""

    vectors: Floats
    biases: Floats

    def tokens(self, outputs: Outputs) -> Floats:
        """Return expected output tokens, float32 (n, m)."""
        logs = all_lengths(outputs) @ self.vectors + self.biases
        return np.asarray(np.exp(logs), dtype=np.float32)


def fit_lengths(outputs: Outputs, log_tokens: Floats, lengths: Lengths, reference: dict[str, int]) -> LengthStack:
    """Return the stack fitted on held-out outputs: a ridge regression a model, and a factor that makes the mean right.

    A model without known lengths gets the mean of the others.
    """
    inputs = all_lengths(outputs)
    fitted: dict[str, npt.NDArray[np.float64]] = {}
    for model, column in reference.items():
        rows = np.isfinite(log_tokens[:, column]) & np.isfinite(inputs).all(axis=1)
        if rows.sum() >= 30:
            prior = np.append(lengths.vectors[:, column], [0.0, 0.0])
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
