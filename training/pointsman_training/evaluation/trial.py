"""The measured rows as arrays, and routers on them: what each would score and cost at every point of its dial."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from pointsman.prediction import Reading
from pointsman_training.evaluation.baselines import (
    BEST_SINGLE,
    HULL_OF_SINGLES,
    ORACLE,
    RANDOM_MIX,
    Baseline,
    Examples,
    fitted_baselines,
    mixture,
    model_means,
)
from pointsman_training.evaluation.scores import hull
from pointsman_training.metrics import LAMBDAS, Doubles
from pointsman_training.network import Floats

POINTSMAN = "Pointsman"
_MIXES = 200


@dataclass(frozen=True)
class Contest:
    """n prompts by m models: scores, real and expected costs in USD, and Pointsman's chances.

    `reference`, `strong` and `weak` are places of models.
    """

    models: tuple[str, ...]
    examples: Examples
    chance: Floats
    costs: Doubles
    expected_costs: Doubles
    reference: int
    strong: int
    weak: int

    @property
    def scores(self) -> Doubles:
        """Scores (n, m) in double precision."""
        return self.examples.scores.astype(np.float64)

    @property
    def singles(self) -> tuple[Doubles, Doubles]:
        """Mean cost and quality of each model, (m,)."""
        return self.costs.mean(axis=0), self.scores.mean(axis=0)

    @property
    def reference_point(self) -> tuple[float, float]:
        """Mean cost and quality of the reference."""
        cost, quality = self.singles
        return float(cost[self.reference]), float(quality[self.reference])


@dataclass(frozen=True)
class Trial(Contest):
    """A contest of a bundle: what it read in the prompts, and tokens (n, m), NaN where nothing was observed.

    `texts` is None where rows came without.
    """

    reading: Reading
    output_tokens: Floats
    expected_tokens: Floats
    texts: tuple[str, ...] | None = None


def cheapest_beside(reference: int, costs: Doubles) -> int:
    """Return the place of the model that is cheapest on the whole, the reference aside; costs (n, m)."""
    cost = costs.mean(axis=0)
    return min((place for place in range(len(cost)) if place != reference), key=lambda place: float(cost[place]))


@dataclass(frozen=True)
class Route:
    """One router: expected score and cost of every prompt at each of k points of its dial, (n, k).

    `chance` (n, m) is None where the router predicts nothing; `margin` (n,) ranks prompts for the strong model.
    """

    name: str
    setting: str
    chance: npt.NDArray[np.floating] | None
    margin: Doubles
    quality: Doubles
    cost: Doubles

    @property
    def points(self) -> tuple[Doubles, Doubles]:
        """Mean cost and quality at each point, (k,)."""
        return self.cost.mean(axis=0), self.quality.mean(axis=0)


def routes(trial: Contest, train: Examples, seed: int, peers: Iterable[Baseline] = ()) -> Iterator[Route]:
    """Yield Pointsman, then every baseline and peer, then the oracle.

    All weigh quality against the same expected costs, save the oracle, which knows the real ones.
    """
    yield dialled(trial, POINTSMAN, "", trial.chance, trial.expected_costs)
    yield _random_mix(trial)
    yield _best_single(trial, train)
    yield _hull_of_singles(trial)
    for baseline in chain(fitted_baselines(train, trial.examples, seed), peers):
        yield dialled(trial, baseline.name, baseline.setting, baseline.chance, trial.expected_costs)
    oracle = dialled(trial, ORACLE, "knows scores and costs", trial.scores, trial.costs)
    yield Route(oracle.name, oracle.setting, None, oracle.margin, oracle.quality, oracle.cost)


def chosen(chance: npt.NDArray[np.floating], costs: Doubles, price: float) -> npt.NDArray[np.intp]:
    """Return the model with the greatest chance − price · cost for each prompt, (n,)."""
    return np.asarray((chance - price * costs).argmax(axis=1))


def dialled(trial: Contest, name: str, setting: str, chance: npt.NDArray[np.floating], costs: Doubles) -> Route:
    """Return the router that chooses by these chances and costs at each λ of `LAMBDAS`, paid at the real costs."""
    choice = np.stack([chosen(chance, costs, price) for price in LAMBDAS], axis=1)
    return Route(
        name, setting, chance, _margin(trial, chance),
        np.take_along_axis(trial.scores, choice, axis=1), np.take_along_axis(trial.costs, choice, axis=1),
    )  # fmt: skip


def _margin(trial: Contest, chance: npt.NDArray[np.floating]) -> Doubles:
    return np.asarray(chance[:, trial.strong] - chance[:, trial.weak], dtype=np.float64)


def _blended(trial: Contest, name: str, setting: str, shares: Doubles) -> Route:
    """Return a router that draws a model by fixed shares (m, k), whatever the prompt."""
    nothing = np.zeros(len(trial.scores))
    return Route(name, setting, None, nothing, trial.scores @ shares, trial.costs @ shares)


def _random_mix(trial: Contest) -> Route:
    share = np.linspace(0, 1, _MIXES + 1)
    shares = np.zeros((len(trial.models), len(share)))
    shares[trial.strong], shares[trial.weak] = share, 1 - share
    return _blended(trial, RANDOM_MIX, f"{trial.models[trial.strong]}, {trial.models[trial.weak]}", shares)


def _best_single(trial: Contest, train: Examples) -> Route:
    chance = model_means(train, trial.examples)
    best = int(chance[0].argmax())
    shares = np.eye(len(trial.models))[:, [best]]
    single = _blended(trial, BEST_SINGLE, f"{trial.models[best]} on the train rows", shares)
    return Route(single.name, single.setting, chance, single.margin, single.quality, single.cost)


def _hull_of_singles(trial: Contest) -> Route:
    cost, quality = trial.singles
    corners = hull(cost, quality)[0]
    places = [int(np.flatnonzero(cost == corner)[quality[cost == corner].argmax()]) for corner in corners]
    grid = mixture(corners, quality[places], _MIXES)[0] if len(corners) > 1 else corners
    shares = np.zeros((len(trial.models), len(grid)))
    for place, unit in zip(places, np.eye(len(places)), strict=True):
        shares[place] = np.interp(grid, corners, unit)
    return _blended(trial, HULL_OF_SINGLES, ", ".join(trial.models[place] for place in places), shares)
