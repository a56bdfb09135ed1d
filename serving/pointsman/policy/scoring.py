"""The weighted score: capability, performance, availability and cost, each in [0, 1]."""

import math
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidInput
from pointsman.policy.candidates import Candidates, Floats, ModelTable

DEAREST_USD_PER_1K_TOKENS: Final = 0.01
"""A model at this price or above has a cost score of 0."""


_NANOUSD_PER_USD_PER_1K: Final = np.float32(1e6)
_PER_DEAREST: Final = np.float32(1 / DEAREST_USD_PER_1K_TOKENS)
_ZERO, _ONE = np.float32(0), np.float32(1)


class Weights(msgspec.Struct, frozen=True):
    """How much each component counts; they need not add up to 1."""

    capability: float = 0.4
    performance: float = 0.3
    availability: float = 0.2
    cost: float = 0.1

    def __post_init__(self) -> None:
        """Refuse weights that rank nothing.

        Raises:
            InvalidInput: a weight is negative or not finite, or all are zero.
        """
        values = (self.capability, self.performance, self.availability, self.cost)
        are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if not are_numbers or not all(math.isfinite(value) and value >= 0 for value in values) or not any(values):
            raise InvalidInput(f"weights are {values}; expected four finite numbers, none negative, not all zero.")


class Components(msgspec.Struct, frozen=True):
    """Components of the weighted score and their sum, each (n_tasks, n_models); availability is (1, n_models)."""

    capability: Floats
    performance: Floats
    availability: Floats
    cost: Floats
    total: Floats


def cost_score(usd_per_1k_tokens: Floats) -> Floats:
    """Return 1 − price / `DEAREST_USD_PER_1K_TOKENS`, not below 0."""
    score: Floats = np.maximum(_ONE - usd_per_1k_tokens * _PER_DEAREST, _ZERO)
    return score


def weighted(
    capability: Floats, performance: Floats, availability: Floats, usd_per_1k_tokens: Floats, weights: Weights
) -> Components:
    """Return the weighted scores of equally shaped arrays."""
    cost = cost_score(usd_per_1k_tokens)
    total = (
        weights.capability * capability
        + weights.performance * performance
        + weights.availability * availability
        + weights.cost * cost
    )
    return Components(capability, performance, availability, cost, total)


def score(candidates: Candidates, table: ModelTable, weights: Weights) -> Components:
    """Return the components of every candidate: capability is 1 where able, performance the predicted quality."""
    usd_per_1k = candidates.cost_nanousd.astype(np.float32) / (
        candidates.tokens.astype(np.float32) * _NANOUSD_PER_USD_PER_1K
    )
    able = candidates.is_able.astype(np.float32)
    return weighted(able, candidates.quality, table.availability[np.newaxis], usd_per_1k, weights)
