"""The statistics of a model that few or no outcomes are known of: a prior from the known models, then a posterior.

Abilities of one depth, [bias | vector], scatter around their mean as a Gaussian: that is the prior. What is known of
the model's mean logit on typical tasks (from its price, its published scores) or of a similar model moves it; scored
prompts turn it into a posterior by Laplace's approximation: a logistic regression pulled towards the prior, and the
curvature at its mode. That is k + 1 numbers, so that a fit takes milliseconds and nothing is trained again.

Measured with models left out one by one: `docs/cold-start.md`.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
_Objective = Callable[[Doubles], tuple[float, Doubles, Doubles]]
"""Weights (p,) → loss, gradient (p,), curvature (p, p)."""

LIKENESS: Final = 0.5
"""Correlation taken for granted between a model and the one it is said to be like."""
TOKEN_DISPERSION: Final = 0.5
"""Squared coefficient of variation of output tokens around what is expected of the prompt.

Measured on ZeroEval's dev prompts: median .22 over its models, nine tenths below 1.4.
"""

_WEIGHT_OF_DEFAULT: Final = 2.0
"""How many models the default spread is worth beside the spread of the known ones."""
_DEFAULT_BIAS_VARIANCE: Final = 1.0
_DEFAULT_VECTOR_SPREAD: Final = 0.3
"""Default spread of a vector's numbers, relative to the root mean square of the mean vector."""
_STEPS: Final = 50
_MAX_LOG_RATIO: Final = 50.0
_SMALLEST_STEP: Final = 1e-9


class Belief(msgspec.Struct, frozen=True):
    """A Gaussian over one [bias | vector]: `mean` (p,), `covariance` (p, p), positive definite."""

    mean: Doubles
    covariance: Doubles

    def of(self, design: Doubles) -> tuple[float, float]:
        """Return mean and deviation of the logit over tasks [1 | demand] (n, p): root mean square over the tasks."""
        variance = np.einsum("ij,jk,ik->i", design, self.covariance, design).mean()
        return float((design @ self.mean).mean()), math.sqrt(max(float(variance), 0.0))


class Expectation(msgspec.Struct, frozen=True):
    """What one fact, such as a price, leads to expect of a model's mean logit, give or take `deviation`."""

    logit: float
    deviation: float


def design_of(numbers: npt.NDArray[np.floating]) -> Doubles:
    """Return [1 | numbers], (n, p), for demand or length numbers (n, p - 1)."""
    return np.hstack([np.ones((len(numbers), 1)), numbers.astype(np.float64)])


def population(abilities: Doubles) -> Belief:
    """Return the Gaussian that known abilities (m, p), m >= 1, were drawn from.

    The sample covariance, with a default spread worth `_WEIGHT_OF_DEFAULT` models, so that few models suffice and no
    direction is certain.
    """
    mean = abilities.mean(axis=0)
    apart = abilities - mean
    size = float(np.sqrt((mean[1:] ** 2).mean())) if len(mean) > 1 else 0.0
    default = np.full(len(mean), max((_DEFAULT_VECTOR_SPREAD * size) ** 2, _SMALLEST_STEP))
    default[0] = _DEFAULT_BIAS_VARIANCE
    weight = len(abilities) - 1 + _WEIGHT_OF_DEFAULT
    return Belief(mean, (apart.T @ apart + _WEIGHT_OF_DEFAULT * np.diag(default)) / weight)


def similar(prior: Belief, ability: Doubles, likeness: float = LIKENESS) -> Belief:
    """Return the prior of a model whose ability correlates with a known one (p,) by `likeness`, from 0 to below 1."""
    return Belief(prior.mean + likeness * (ability - prior.mean), (1 - likeness**2) * prior.covariance)


def evidence(known: Belief, task: Doubles, fact: Expectation) -> Expectation | None:
    """Return a fact as an observation of the logit on a task [1 | demand] (p,), without what the population says.

    A regression on the population leads to expect what prior and fact say together; dividing the prior out leaves the
    fact, which can then be joined with others. None where it is no more precise than the prior.
    """
    mean, variance = float(task @ known.mean), float(task @ known.covariance @ task)
    told = 1 / max(fact.deviation**2, _SMALLEST_STEP)
    gain = told - 1 / variance
    if gain <= 0:
        return None
    return Expectation((told * fact.logit - mean / variance) / gain, 1 / math.sqrt(gain))


def observed(prior: Belief, task: Doubles, seen: Expectation) -> Belief:
    """Return the belief after the logit on a task [1 | demand] (p,) was observed, give or take its deviation."""
    along = prior.covariance @ task
    gain = along / (float(task @ along) + seen.deviation**2)
    return Belief(
        prior.mean + gain * (seen.logit - float(task @ prior.mean)),
        prior.covariance - np.outer(gain, along),
    )


def posterior(prior: Belief, design: Doubles, scores: Doubles) -> Belief:
    """Return the ability given scores (n,) in [0, 1] on tasks [1 | demand] (n, p); graded scores count as shares.

    With no scores it is the prior.
    """

    def objective(weights: Doubles) -> tuple[float, Doubles, Doubles]:
        logits = design @ weights
        chance = 0.5 * (1 + np.tanh(0.5 * logits))
        loss = float((np.logaddexp(0, logits) - scores * logits).sum())
        return loss, design.T @ (chance - scores), (design * (chance * (1 - chance))[:, np.newaxis]).T @ design

    mode = _mode(prior, objective)
    return Belief(mode, np.linalg.inv(objective(mode)[2] + np.linalg.inv(prior.covariance)))


def likeliest_length(prior: Belief, design: Doubles, tokens: Doubles, dispersion: float = TOKEN_DISPERSION) -> Doubles:
    """Return [bias | vector] (p,) of the log of expected output tokens, given tokens (n,) above 0 (gamma regression).

    The gamma likelihood makes the mean right, as the learned lengths are, where least squares on logs would make the
    median right. The curvature is bounded from below by the expected one, so that no step overshoots far.
    """

    def objective(weights: Doubles) -> tuple[float, Doubles, Doubles]:
        logs = design @ weights
        ratio = np.exp(np.minimum(np.log(tokens) - logs, _MAX_LOG_RATIO))
        curvature = (design * np.maximum(ratio, 1.0)[:, np.newaxis]).T @ design
        return float((ratio + logs).sum()) / dispersion, design.T @ (1 - ratio) / dispersion, curvature / dispersion

    return _mode(prior, objective)


def _mode(prior: Belief, objective: _Objective) -> Doubles:
    """Return where loss + prior is least: Newton's method, its step halved until the sum falls."""
    precision = np.linalg.inv(prior.covariance)

    def total(weights: Doubles) -> float:
        apart = weights - prior.mean
        return objective(weights)[0] + 0.5 * float(apart @ precision @ apart)

    weights = prior.mean
    for _ in range(_STEPS):
        _, gradient, curvature = objective(weights)
        step = np.linalg.solve(curvature + precision, -gradient - precision @ (weights - prior.mean))
        now = total(weights)
        while not total(weights + step) <= now and np.abs(step).max() > _SMALLEST_STEP:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() <= _SMALLEST_STEP:
            break
    return weights
