"""How candidates are ranked: each strategy gives every candidate a utility, and the greatest utility wins.

One dial connects them: `trade_usd`, the dollars that quality 1.0 is worth in one task (1 / λ). A larger dial buys more
quality, a smaller one saves more.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from pointsman.money import NANO
from pointsman.policy.candidates import Candidates, Floats, Integers
from pointsman.policy.scoring import Components

Strategy = Callable[[Candidates, Components, float], Floats]


def cost_optimised(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
    """Return quality − cost / trade_usd: a dearer model wins only where its quality is worth the difference."""
    return cost_utility(candidates, trade_usd)


def cost_utility(candidates: Candidates, trade_usd: float) -> Floats:
    """Return the utility of `cost_optimised`, which needs no components."""
    return (candidates.quality - candidates.cost_nanousd / (trade_usd * NANO)).astype(np.float32)


def quality_first(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
    """Return the quality; cost decides ties only."""
    return candidates.quality


def weighted_score(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
    """Return the weighted score."""
    return components.total


STRATEGIES: Final[dict[str, Strategy]] = {
    "cost-optimised": cost_optimised,
    "quality-first": quality_first,
    "weighted": weighted_score,
}


def ranking(utility: Floats, candidates: Candidates) -> Integers:
    """Return model indices from best to worst, int64 (n_tasks, n_models): ties to the cheaper, the unable last."""
    merit = np.where(candidates.is_able, utility, -np.inf)
    order: Integers = np.lexsort((candidates.cost_nanousd, -merit), axis=-1)
    return order


def lead(utility: Floats, candidates: Candidates) -> Floats:
    """Return by how much the best utility exceeds the second best, (n_tasks,); infinite with fewer than two able."""
    merit = np.where(candidates.is_able, utility, -np.inf)
    if merit.shape[1] < 2:
        return np.full(len(merit), np.inf, dtype=np.float32)
    top = np.partition(merit, -2, axis=1)[:, -2:]
    gap = np.full(len(merit), np.inf, dtype=np.float32)
    np.subtract(top[:, 1], top[:, 0], out=gap, where=np.isfinite(top[:, 0]), casting="same_kind")
    return gap
