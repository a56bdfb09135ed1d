"""When to ask one more model: cascade routing, after Dekoninck et al., arXiv 2410.10347.

Every next call is priced, stopping among them: what it is expected to add to the quality of the best answer at hand,
times what quality 1.0 is worth, less its price. The paper takes estimated qualities as normal and independent. Here an
answer is good or bad, the models' chances hang together by the task's demand (`shared_demand`), and what the verifier
will say of an answer yet unseen is summed over: a verifier that can't tell good from bad gains nothing by a second
answer. Looking two calls ahead is what makes a cheap first call worth trying.
"""

from functools import lru_cache
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidInput
from pointsman.verification.shared_demand import Doubles, chances_by_offset, odds, offsets

ASSUMED_AUC: Final = 0.6
"""How well the checks tell good answers from bad ones where nothing was fitted: an assumption, and a low one.

A verifier that is better than believed loses little; one that is worse loses money (docs/cascade.md).
"""

DEFAULT_SPREAD: Final = 2.0
"""Logits by which a task's demand is off its prediction; fitted on zeroeval, dev split, 12 models (docs/cascade.md)."""

LEVELS: Final = 7
_MOST_AUC: Final = 0.999


class Answer(msgspec.Struct, frozen=True):
    """An answer at hand: the place of its model, and P(good) by that model's predicted quality and its own signals."""

    model: int
    belief: float


class Outlook(msgspec.Struct, frozen=True):
    """What is known of m models for one task before any is asked.

    `quality` (m,) is predicted and calibrated, `price_nanousd` (m,) what one more call is expected to cost, its judging
    included. `trade_nanousd` is what quality 1.0 is worth. `auc` is how well the verifier tells good from bad, `spread`
    how far off the prediction of the demand is, in logits. `lookahead` is how many calls are thought ahead; at 2 the
    work grows with m², so give a dozen models that come into question rather than a whole catalogue.

    Raises:
        InvalidInput: arrays of different lengths, or a number out of range.
    """

    quality: npt.NDArray[np.floating]
    price_nanousd: npt.NDArray[np.int64]
    trade_nanousd: int
    max_calls: int = 3
    auc: float = ASSUMED_AUC
    spread: float = DEFAULT_SPREAD
    lookahead: int = 2

    def __post_init__(self) -> None:
        """Refuse what no task can have."""
        if self.quality.ndim != 1 or self.quality.shape != self.price_nanousd.shape or not len(self.quality):
            shapes = f"{self.quality.shape} and {self.price_nanousd.shape}"
            raise InvalidInput(f"quality and price have shapes {shapes}; expected one number a model in both.")
        if not ((self.quality >= 0) & (self.quality <= 1)).all():
            raise InvalidInput("quality has a value that is no probability; expected numbers from 0 to 1.")
        if (self.price_nanousd < 0).any() or self.trade_nanousd < 0:
            raise InvalidInput("a price or the worth of quality is below 0; expected nano-USD from 0.")
        if self.max_calls < 1 or self.lookahead < 1:
            raise InvalidInput(f"max_calls is {self.max_calls}, lookahead {self.lookahead}; expected 1 or more.")
        if not 0.5 <= self.auc <= 1 or not 0 <= self.spread <= 10:
            raise InvalidInput(f"auc is {self.auc}, spread {self.spread}; expected 0.5 to 1, and 0 to 10.")


class Cascade(msgspec.Struct, frozen=True):
    """A task on its way: its outlook, the answers at hand, and the models that can't be asked (they failed).

    A failed call counts towards `max_calls`. Raises InvalidInput where an answer's model or belief is out of range.
    """

    outlook: Outlook
    answers: tuple[Answer, ...] = ()
    failed: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse answers of models that the outlook doesn't have."""
        models = len(self.outlook.quality)
        for answer in self.answers:
            if not 0 <= answer.model < models or not 0 <= answer.belief <= 1:
                raise InvalidInput(f"{answer} can't be: expected a model from 0 to {models - 1}, a belief from 0 to 1.")


def next_call(state: Cascade) -> int | None:
    """Return the place of the model to ask next, None to stop with what is at hand.

    Asked is the one with the greatest expected gain, if that is above 0. Raising prices, or the belief in the best
    answer at hand, never turns a stop into a call; with `trade_nanousd` 0, or after `max_calls`, it stops.
    """
    outlook = state.outlook
    left = outlook.max_calls - len(state.answers) - len(state.failed)
    asked = {answer.model for answer in state.answers} | state.failed
    open_models = np.array([place for place in range(len(outlook.quality)) if place not in asked], dtype=np.intp)
    if left <= 0 or not outlook.trade_nanousd or not len(open_models):
        return None
    gains = _gains(state, open_models, min(left, outlook.lookahead))
    best = int(gains.argmax())
    return int(open_models[best]) if gains[best] > 0 else None


def best_answer(state: Cascade) -> int:
    """Return the place in `answers` of the one that is likeliest good; the first of equals.

    Raises:
        InvalidInput: there is no answer.
    """
    if not state.answers:
        raise InvalidInput("there is no answer at hand; expected one at least.")
    return int(np.argmax(beliefs(state)))


def beliefs(state: Cascade) -> Doubles:
    """Return P(good) of each answer at hand given all of them, (n_answers,)."""
    chances = chances_by_offset(state.outlook.quality.astype(np.float64), state.outlook.spread)
    weights, goods = _evidence(state, chances)
    given: Doubles = goods @ weights
    return given


def _evidence(state: Cascade, chances: Doubles) -> tuple[Doubles, Doubles]:
    """Return P(offset | signals), (k,), and P(good | offset, signals) by answer, (n_answers, k)."""
    outlook = state.outlook
    weights = offsets(outlook.spread)[1]
    goods = []
    for answer in state.answers:
        ratio = odds(answer.belief) / odds(float(outlook.quality[answer.model]))
        good = chances[:, answer.model] * ratio
        either = good + 1 - chances[:, answer.model]
        weights = weights * either
        goods.append(good / either)
    return weights / weights.sum(), np.array(goods).reshape(-1, chances.shape[0])


def _gains(state: Cascade, models: npt.NDArray[np.intp], depth: int) -> Doubles:
    """Return the expected gain of asking each model, in units of quality, (len(models),)."""
    outlook = state.outlook
    chances = chances_by_offset(outlook.quality.astype(np.float64), outlook.spread)
    weights, goods = _evidence(state, chances)
    prices = outlook.price_nanousd[models] / outlook.trade_nanousd
    tree = _Tree(chances[:, models].T, prices, outlook.auc)
    at_hand = float((goods @ weights).max()) if len(goods) else 0.0
    asked = np.zeros((1, len(models)), dtype=np.bool_)
    gains: Doubles = tree.going(weights[np.newaxis], goods[np.newaxis], asked, depth)[0] - at_hand
    return gains


class _Tree:
    """All that may be said and asked next, n states at once.

    States have weights (n, k) over offsets, which add up to the probability of coming there, and the answers' P(good)
    by offset, `goods` (n, i, k); so values need no division.
    """

    def __init__(self, chances: Doubles, prices: Doubles, auc: float) -> None:
        good, bad = signal_levels(auc)
        right = chances[:, np.newaxis] * good[:, np.newaxis]  # (m, levels, k)
        self._said = right + (1 - chances[:, np.newaxis]) * bad[:, np.newaxis]
        self._good = right / self._said
        self._prices = prices

    def going(self, weights: Doubles, goods: Doubles, asked: npt.NDArray[np.bool_], depth: int) -> Doubles:
        """Return the value of asking each model, (n, m), −inf where it was asked before."""
        after = weights[:, np.newaxis, np.newaxis] * self._said  # (n, m, levels, k)
        best = (after * self._good).sum(axis=-1)
        if goods.shape[1]:
            best = np.maximum(best, np.einsum("nmlk,nik->nmli", after, goods).max(axis=-1))
        if depth > 1 and len(self._prices) > 1:
            best = np.maximum(best, self._further(after, goods, asked, depth - 1))
        value = best.sum(axis=-1) - self._prices * weights.sum(axis=-1, keepdims=True)
        reachable: Doubles = np.where(asked, -np.inf, value)
        return reachable

    def _further(self, after: Doubles, goods: Doubles, asked: npt.NDArray[np.bool_], depth: int) -> Doubles:
        n, m, levels, k = after.shape
        held = np.broadcast_to(goods[:, np.newaxis, np.newaxis], (n, m, levels, *goods.shape[1:]))
        fresh = np.broadcast_to(self._good[np.newaxis, :, :, np.newaxis], (n, m, levels, 1, k))
        those = asked[:, np.newaxis] | np.eye(m, dtype=np.bool_)
        value = self.going(
            after.reshape(-1, k),
            np.concatenate([held, fresh], axis=3).reshape(n * m * levels, -1, k),
            np.repeat(those.reshape(n * m, m), levels, axis=0),
            depth,
        )
        best: Doubles = value.max(axis=-1).reshape(n, m, levels)
        return best


@lru_cache(maxsize=64)
def signal_levels(auc: float) -> tuple[Doubles, Doubles]:
    """Return P(level | good) and P(level | bad) of a verifier with this AUC, each (`LEVELS`,), both adding up to 1.

    Its score is normal with the same variance for good and bad answers, √2·Φ⁻¹(AUC) apart, cut into levels that are
    about equally frequent.
    """
    apart = np.sqrt(2) * NormalDist().inv_cdf(min(auc, _MOST_AUC))
    middle = NormalDist(apart / 2, float(np.hypot(1, apart / 2)))
    cuts = [middle.inv_cdf(place / LEVELS) for place in range(1, LEVELS)]

    def shares(mean: float) -> Doubles:
        below = [NormalDist(mean, 1).cdf(cut) for cut in cuts]
        return np.diff(np.array([0.0, *below, 1.0]))

    return shares(apart), shares(0.0)
