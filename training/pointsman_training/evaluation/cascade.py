"""What going on to another model gains over routing alone, on real outcomes and with a verifier of a stated accuracy.

The outcomes come without the answers' texts, so no real verifier can be run on them: its score is drawn, normal with
the same variance for good and bad answers, as far apart as the AUC says. Chances are a bundle's on rows it never saw;
calls are weighed by their expected cost and paid at their real cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from pointsman.money import NANO
from pointsman.verification.shared_demand import chances_by_offset, odds, offsets
from pointsman.verification.stopping import Answer, Cascade, Outlook, best_answer, next_call
from pointsman_training.evaluation.trial import Trial
from pointsman_training.metrics import Doubles

Reals = npt.NDArray[np.floating]
Way = Literal["routing", "routing, then cascade", "cascade", "cascade, spread 1", "cascade, spread 0"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
FIXED_SPREADS: Final[Mapping[Way, float]] = {"cascade, spread 1": 1.0, "cascade, spread 0": 0.0}
SPREADS: Final = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class Point:
    """What each of n prompts cost in USD, scored and took in calls at one dial; each (n,)."""

    trade_usd: float
    cost_usd: Doubles
    quality: Doubles
    calls: Doubles

    @property
    def worth_usd(self) -> Doubles:
        """Quality at its worth, less what it cost, (n,)."""
        return self.quality * self.trade_usd - self.cost_usd


def fitted_spread(chance: Reals, scores: Reals) -> float:
    """Return the spread of `SPREADS` under which these scores, of 0 or 1, (n, m), are likeliest."""
    return max(SPREADS, key=lambda spread: log_likelihood(chance, scores, spread))


def log_likelihood(chance: Reals, scores: Reals, spread: float) -> float:
    """Return the mean log-likelihood of a prompt's scores, given chances that share an offset of its demand."""
    weights = offsets(spread)[1]
    total = 0.0
    for predicted, scored in zip(chance, scores, strict=True):
        good = chances_by_offset(predicted.astype(np.float64), spread)
        total += float(np.log(weights @ np.where(scored >= 0.5, good, 1 - good).prod(axis=1)))
    return total / len(chance)


def drawn_beliefs(
    chance: Reals, scores: Reals, auc: float, rng: np.random.Generator, believed_auc: float | None = None
) -> Doubles:
    """Return P(good | verifier's score), (n, m), by Bayes' rule from the predicted chance and a drawn score.

    `believed_auc` is how accurate the verifier is taken to be; None: as accurate as it is.
    """
    apart = np.sqrt(2) * NormalDist().inv_cdf(auc)
    believed = apart if believed_auc is None else np.sqrt(2) * NormalDist().inv_cdf(believed_auc)
    drawn = rng.normal(size=scores.shape) + apart * (scores >= 0.5)
    posterior = odds(chance.astype(np.float64)) * np.exp(believed * drawn - believed**2 / 2)
    found: Doubles = posterior / (1 + posterior)
    return found


@dataclass(frozen=True)
class Trip:
    """What a simulation is run with: the verifier's AUC, the spread by prompt (n,), and the calls allowed."""

    auc: float
    spread: Doubles
    max_calls: int = 3


def curve(trial: Trial, way: Way, beliefs: Doubles, trip: Trip, dials_usd: Sequence[float]) -> tuple[Point, ...]:
    """Return cost and quality of one way at each dial; beliefs are (n, m)."""
    return tuple(_point(trial, way, beliefs, trip, dial) for dial in dials_usd)


def _point(trial: Trial, way: Way, beliefs: Doubles, trip: Trip, dial: float) -> Point:
    routed = (trial.chance - trial.expected_costs / dial).argmax(axis=1)
    prices = np.maximum(np.rint(trial.expected_costs * NANO), 0).astype(np.int64)
    costs, scores, calls = [], [], []
    for row, first in enumerate(routed.tolist()):
        outlook = Outlook(
            trial.chance[row], prices[row], int(dial * NANO),
            max_calls=1 if way == "routing" else trip.max_calls,
            auc=trip.auc, spread=FIXED_SPREADS.get(way, float(trip.spread[row])),
        )  # fmt: skip
        start = None if way.startswith("cascade") else first
        asked, answer = travelled(outlook, beliefs[row], start, first)
        costs.append(trial.costs[row, asked].sum())
        scores.append(trial.scores[row, answer])
        calls.append(len(asked))
    return Point(dial, np.array(costs), np.array(scores), np.array(calls, dtype=np.float64))


def travelled(outlook: Outlook, beliefs: Doubles, start: int | None, routed: int) -> tuple[list[int], int]:
    """Return the models asked, in order, and the one whose answer is given.

    `start` is asked first; None leaves the first call to the cascade, too, which asks `routed` where nothing pays.
    """
    state = Cascade(outlook)
    following = next_call(state) if start is None else start
    if following is None:
        following = routed
    while following is not None:
        answers = (*state.answers, Answer(following, float(beliefs[following])))
        state = Cascade(outlook, answers)
        following = next_call(state)
    return [answer.model for answer in state.answers], state.answers[best_answer(state)].model


def halves(groups: npt.NDArray[np.generic], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which rows are in the first half of the groups, (n,)."""
    names = np.unique(groups)
    first = rng.permutation(names)[: len(names) // 2]
    return np.isin(groups, first)
