"""Item response theory: tasks have demands, models have abilities, sources have an effect of their own.

For prompt i, source s and model m:  logit P(score = 1) = bias + ability · demand_i,  where ability and bias are the
model's own plus a shrunken deviation in this source, and the bias has the source's effect on all models. The demand is
a function of the text, learned along with the abilities (multidimensional IRT with a text-conditioned prior).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pointsman_training.network import Floats, Integers

_DEVIATION_PENALTY: Final = np.float32(1e-3)

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Abilities:
    """Abilities of m models in s sources; a column is a (source, model) pair.

    `vectors` (k, m), `biases` (m,) are the models' own; `source_effects` (s,) the sources'; `vector_deviations` (k, c)
    and `bias_deviations` (c,) are per column.
    """

    models: tuple[str, ...]
    sources: tuple[str, ...]
    model_of: Integers
    source_of: Integers
    vectors: Floats
    biases: Floats
    source_effects: Floats
    vector_deviations: Floats
    bias_deviations: Floats

    @staticmethod
    def initial(columns: Columns, scores: Floats, dimensions: int, rng: np.random.Generator) -> "Abilities":
        """Return random vectors, and biases that give every column its mean score."""
        models = tuple(sorted({model for _, model in columns}))
        sources = tuple(sorted({source for source, _ in columns}))
        model_of = np.array([models.index(model) for _, model in columns])
        source_of = np.array([sources.index(source) for source, _ in columns])
        seen = np.isfinite(scores)
        means = np.where(seen, scores, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        means = np.clip(np.where(seen.any(axis=0), means, 0.5), 0.02, 0.98)
        logits = np.log(means / (1 - means))
        biases = np.array([logits[model_of == index].mean() for index in range(len(models))], dtype=np.float32)
        return Abilities(
            models,
            sources,
            model_of,
            source_of,
            (rng.uniform(-1, 1, (dimensions, len(models))) / np.sqrt(dimensions)).astype(np.float32),
            biases,
            np.zeros(len(sources), dtype=np.float32),
            np.zeros((dimensions, len(columns)), dtype=np.float32),
            (logits - biases[model_of]).astype(np.float32),
        )

    @property
    def column_vectors(self) -> Floats:
        """Ability of each column, (k, c)."""
        return self.vectors[:, self.model_of] + self.vector_deviations

    @property
    def column_biases(self) -> Floats:
        """Bias of each column, (c,)."""
        return self.biases[self.model_of] + self.source_effects[self.source_of] + self.bias_deviations

    def logits(self, demand: Floats) -> Floats:
        """Return the logit of every column for demands (n, k): (n, c)."""
        return demand @ self.column_vectors + self.column_biases


class OutcomeLoss:
    """Mean cross-entropy of a prompt's observed scores under its demand, plus squared error of its log output tokens.

    The first outputs of the network are the demand, the rest explain lengths. With `is_fixed` abilities and lengths are
    taken as given, so that several networks speak of the same demand.
    """

    LENGTH_WEIGHT: Final = np.float32(0.1)

    def __init__(
        self,
        scores: Floats,
        log_tokens: Floats,
        weights: Floats,
        abilities: Abilities,
        lengths: "Lengths",
        *,
        is_fixed: bool,
    ) -> None:
        self._scores, self._score_weights = _observed(scores, weights)
        self._log_tokens, self._token_weights = _observed(log_tokens, weights)
        self._abilities = abilities
        self._lengths = lengths
        self._is_fixed = is_fixed
        self._column_of_model = _indicator(abilities.model_of, len(abilities.models))
        self._column_of_source = _indicator(abilities.source_of, len(abilities.sources))

    @property
    def parameters(self) -> list[Floats]:
        """Abilities and lengths where they are trained along, else nothing."""
        if self._is_fixed:
            return []
        a = self._abilities
        return [
            a.vectors,
            a.biases,
            a.source_effects,
            a.vector_deviations,
            a.bias_deviations,
            self._lengths.vectors,
            self._lengths.biases,
        ]

    def gradients(self, outputs: Floats, rows: Integers) -> tuple[Floats, list[Floats]]:
        """Return the gradient to the outputs and to `parameters`."""
        a, lengths = self._abilities, self._lengths
        dimensions = len(a.vectors)
        demand, factors = outputs[:, :dimensions], outputs[:, dimensions:]
        vectors = a.column_vectors
        to_logits = (expit(demand @ vectors + a.column_biases) - self._scores[rows]) * self._score_weights[rows]
        to_logs = (lengths(factors) - self._log_tokens[rows]) * self._token_weights[rows] * self.LENGTH_WEIGHT
        to_outputs = np.hstack([to_logits @ vectors.T, to_logs @ lengths.vectors.T])
        if self._is_fixed:
            return to_outputs, []
        to_vectors, to_biases = demand.T @ to_logits, to_logits.sum(axis=0)
        penalty = _DEVIATION_PENALTY * np.float32(len(rows))
        return to_outputs, [
            to_vectors @ self._column_of_model,
            to_biases @ self._column_of_model,
            to_biases @ self._column_of_source,
            to_vectors + penalty * a.vector_deviations,
            to_biases + penalty * a.bias_deviations,
            factors.T @ to_logs,
            to_logs.sum(axis=0),
        ]


@dataclass(frozen=True)
class Lengths:
    """Natural log of output tokens of each column: biases (c,) + factors · vectors (l, c)."""

    vectors: Floats
    biases: Floats

    @staticmethod
    def initial(log_tokens: Floats, factors: int, rng: np.random.Generator) -> "Lengths":
        """Return small random vectors and each column's mean log (0 where no length is known)."""
        known = np.isfinite(log_tokens)
        means = np.where(known, log_tokens, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        vectors = rng.uniform(-0.5, 0.5, (factors, log_tokens.shape[1])).astype(np.float32)
        return Lengths(vectors, means.astype(np.float32))

    def __call__(self, factors: Floats) -> Floats:
        """Return log tokens (n, c) for factors (n, l)."""
        return factors @ self.vectors + self.biases


def posterior_demand(
    scores: Floats, abilities: Abilities, prior: Floats, *, variance: float = 1.0, steps: int = 12
) -> Floats:
    """Return each prompt's demand after its outcomes, (n, k): the mode under a normal prior around `prior`.

    Newton's method; steps longer than 1 are cut to 1, without which it can swing between two points for ever.
    """
    seen = np.isfinite(scores)
    observed = np.nan_to_num(scores)
    vectors = abilities.column_vectors
    demand = prior.astype(np.float64)
    k = len(vectors)
    squares = (vectors[:, np.newaxis] * vectors).reshape(k * k, -1).T
    identity = np.eye(k) / variance
    for _ in range(steps):
        chance = expit(demand @ vectors + abilities.column_biases)
        gradient = ((observed - chance) * seen) @ vectors.T - (demand - prior) / variance
        curvature = ((chance * (1 - chance) * seen) @ squares).reshape(-1, k, k) + identity
        step = np.linalg.solve(curvature, gradient[:, :, np.newaxis])[:, :, 0]
        demand = demand + step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1)
    return demand.astype(np.float32)


def strengths(columns: Columns, scores: Floats, *, steps: int = 30) -> dict[str, float]:
    """Return each model's strength in logits on one scale over all sources (Rasch model, prompts link the models).

    A prompt's ease is shrunken to the mean of its source, so that an easy source doesn't make its models look strong.
    """
    models = sorted({model for _, model in columns})
    model_of = np.array([models.index(model) for _, model in columns])
    seen = np.isfinite(scores).astype(np.float64)
    observed = np.nan_to_num(scores)
    sources = np.array(sorted({source for source, _ in columns}))
    source_of_column = np.searchsorted(sources, [source for source, _ in columns])
    source_of = source_of_column[seen.argmax(axis=1)]
    prompts = np.maximum(np.bincount(source_of, minlength=len(sources)), 1)
    ease = np.zeros(len(scores))
    strength = np.zeros(len(models))
    for _ in range(steps):
        typical = (np.bincount(source_of, weights=ease, minlength=len(sources)) / prompts)[source_of]
        for update_models in (True, False):
            chance = expit(ease[:, np.newaxis] + strength[model_of])
            error, slope = (observed - chance) * seen, chance * (1 - chance) * seen
            if update_models:
                strength += _per_model(error, model_of, len(models)) / (_per_model(slope, model_of, len(models)) + 0.1)
            else:
                ease += (error.sum(axis=1) - 0.25 * (ease - typical)) / (slope.sum(axis=1) + 0.25)
    return dict(zip(models, (strength - strength.mean()).tolist(), strict=True))


def tiers(strength: dict[str, float]) -> dict[str, int]:
    """Return each model's tier: 0 for the weakest third, 1 for the middle, 2 for the strongest."""
    ordered: Sequence[str] = sorted(strength, key=lambda model: (strength[model], model))
    return {model: 3 * place // len(ordered) for place, model in enumerate(ordered)}


def _per_model(values: npt.NDArray[np.float64], model_of: Integers, models: int) -> npt.NDArray[np.float64]:
    return np.bincount(model_of, weights=values.sum(axis=0), minlength=models).astype(np.float64)


def _observed(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    seen = np.isfinite(values).astype(np.float32)
    return np.nan_to_num(values).astype(np.float32), seen * (
        weights[:, np.newaxis] / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    )


def _indicator(index: Integers, size: int) -> Floats:
    return np.eye(size, dtype=np.float32)[index]
