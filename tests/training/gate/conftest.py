"""Prompts of known demand, models of known strength, and routers that see the truth through noise of known size."""

from dataclasses import dataclass

import numpy as np
import pytest

from pointsman_training.evaluation.baselines import Examples
from pointsman_training.evaluation.trial import Trial
from pointsman_training.gate.claims import DIALS, Contest, Served, contest
from pointsman_training.gate.opponents import routed

STRENGTHS = np.array([-0.5, 0.8, 2.0])
USD = np.array([0.0002, 0.001, 0.006])
TRADE_USD = 0.02
TYPES = ("code", "letters", "math", "trivia")


@dataclass(frozen=True)
class Prompts:
    """n prompts of one simulated table; `logits` are the truth, (n, 3)."""

    logits: np.ndarray
    trial: Trial

    def chance(self, noise: float, rng: np.random.Generator) -> np.ndarray:
        """Return chances as a router has them whose logits are off by this standard deviation."""
        blurred = self.logits + noise * rng.normal(size=self.logits.shape)
        return 1 / (1 + np.exp(-blurred))

    def served(self, chance: np.ndarray) -> Served:
        return routed(self.trial, chance, TRADE_USD, TRADE_USD * DIALS)

    def contest(self, ours: np.ndarray, theirs: np.ndarray) -> Contest:
        return contest("the champion", self.served(ours), self.served(theirs), TRADE_USD * DIALS)


def prompts_of(rng: np.random.Generator, n: int, per_group: int = 1) -> Prompts:
    group = np.arange(n) // per_group
    logits = STRENGTHS - 1.5 * rng.normal(size=group[-1] + 1)[group][:, np.newaxis]
    logits = logits + 0.8 * rng.normal(size=logits.shape)
    scores = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    costs = USD * rng.lognormal(sigma=0.4, size=logits.shape)
    nothing = np.zeros((n, 1), dtype=np.float32)
    examples = Examples(nothing, nothing, np.array(TYPES)[group % 4], np.char.add("g", group.astype(str)), scores)
    tokens = np.ones_like(scores)
    expected = np.tile(USD, (n, 1))
    trial = Trial(
        models=("small", "middling", "large"), examples=examples, reading=None, chance=scores, costs=costs,
        expected_costs=expected, output_tokens=tokens, expected_tokens=tokens, reference=2, strong=2, weak=0,
    )  # fmt: skip
    return Prompts(logits, trial)


@pytest.fixture
def simulated():
    """Return the function that simulates a table of n prompts, so many to a group."""
    return prompts_of
