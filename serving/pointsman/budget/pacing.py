"""The price of money: how much dearer a dollar counts so that what remains is spent where quality gains most.

A budget is a knapsack. Its Lagrangian says: choose the greatest quality − λ · cost with one λ for the whole window, the
one at which the window's tasks cost what the window has. So the pacer keeps, for each λ of a grid, what a task costs on
average when chosen at that λ (the gradient of the dual, an average that forgets), and takes the least λ at which the
tasks still to come fit what remains. That is dual descent run to its end on the recent past, at every decision, where
one step of mirror descent (Balseiro & Gur 2019) would lag behind bursts and weekends; PORT (arXiv 2509.02718) does the
same with a sample of past queries. `tests/bench/pacing.py` compares them.
"""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidBudget
from pointsman.money import NANO, format_usd

LAMBDAS: Final = np.geomspace(1e-1, 1e7, 97)
"""Prices of money, in quality per dollar: one cent of λ = 10 counts as 0.1 of quality."""

HALF_LIFE_TASKS: Final = 2_000
_TASKS_TO_TRUST: Final = 30
_COLD_SHARE: Final = 0.05
_LEAST_BIAS, _MOST_BIAS = 0.2, 5.0

Floats = npt.NDArray[np.float64]
Costs = npt.NDArray[np.int64]


class PacerState(msgspec.Struct, frozen=True):
    """What the pacer has learned; serialisable, and small (97 numbers).

    `cost_by_lambda` is the mean cost of a task in nano-USD at each of `LAMBDAS`; `cheapest` that of the cheapest able
    model; `tasks` the (forgetting) number of tasks behind them. `predicted` and `billed` are what settled tasks were
    expected to cost and did, in nano-USD, forgotten at the same pace.
    """

    cost_by_lambda: tuple[float, ...] = ()
    cheapest: float = 0.0
    tasks: float = 0.0
    predicted: float = 0.0
    billed: float = 0.0

    @property
    def bias(self) -> float:
        """Bills over predictions, shrunk to 1 while little has been settled."""
        prior = _TASKS_TO_TRUST * (self.cheapest or 1.0)
        return min(max((self.billed + prior) / (self.predicted + prior), _LEAST_BIAS), _MOST_BIAS)


class Purse(msgspec.Struct, frozen=True):
    """What one limit has left: of `limit_nanousd`, what is neither posted nor held; and the tasks still expected."""

    limit_nanousd: int
    remaining_nanousd: int
    tasks_to_come: float

    def __post_init__(self) -> None:
        """Refuse numbers that no purse has.

        Raises:
            InvalidBudget: a negative limit, or expected tasks that aren't a finite number from 0.
        """
        if self.limit_nanousd < 0 or not (math.isfinite(self.tasks_to_come) and self.tasks_to_come >= 0):
            raise InvalidBudget(
                f"a purse has the limit {self.limit_nanousd} and {self.tasks_to_come} tasks to come; "
                "expected a limit from 0 and a finite number of tasks from 0."
            )


class Pace(msgspec.Struct, frozen=True):
    """How to choose under a purse: rank by quality − cost / `trade_usd`.

    `multiplier` (μ, in quality per dollar) is what the budget adds to the price of money; 0 where it doesn't bind.
    `is_hard` means that even the cheapest able models may use up what remains: take the cheapest, whatever it gains.
    """

    trade_usd: float
    multiplier: float
    is_hard: bool
    words: str | None

    @property
    def is_degraded(self) -> bool:
        """Whether the budget changes how models are chosen."""
        return self.is_hard or self.multiplier > 0


def observe(state: PacerState, quality: Floats, cost_nanousd: Costs) -> PacerState:
    """Return the state after tasks have come, arrays (n_tasks, n_models), the able models only.

    A model that isn't able for a task has quality −inf there. Tasks that no model is able to do are left out.
    """
    able = np.isfinite(quality)
    rows = able.any(axis=1)
    quality, cost, able = quality[rows], cost_nanousd[rows].astype(np.float64), able[rows]
    if not len(quality):
        return state
    merit = quality[:, np.newaxis] - LAMBDAS[:, np.newaxis] * (cost / NANO)[:, np.newaxis]
    chosen = np.take_along_axis(cost, merit.argmax(axis=2), axis=1)
    cheapest = np.where(able, cost, np.inf).min(axis=1)
    keep = 0.5 ** (np.arange(len(quality))[::-1] / HALF_LIFE_TASKS)
    old, tasks = state.tasks * 0.5 ** (len(quality) / HALF_LIFE_TASKS), float(keep.sum())
    before = np.array(state.cost_by_lambda) if state.cost_by_lambda else np.zeros(len(LAMBDAS))
    return msgspec.structs.replace(
        state,
        cost_by_lambda=tuple(((old * before + keep @ chosen) / (old + tasks)).tolist()),
        cheapest=float((old * state.cheapest + keep @ cheapest) / (old + tasks)),
        tasks=old + tasks,
    )


def settle(state: PacerState, predicted_nanousd: int, billed_nanousd: int) -> PacerState:
    """Return the state after one task was billed: it learns by how much bills exceed predictions."""
    keep = 0.5 ** (1 / HALF_LIFE_TASKS)
    return msgspec.structs.replace(
        state, predicted=state.predicted * keep + predicted_nanousd, billed=state.billed * keep + billed_nanousd
    )


def pace(state: PacerState, purse: Purse, trade_usd: float) -> Pace:
    """Return how to choose so that the tasks still to come fit what remains; `trade_usd` is the dial without budget.

    Before `_TASKS_TO_TRUST` tasks have been seen, nothing is known of costs: the dial stands until 5 % is left.
    """
    remaining = max(purse.remaining_nanousd, 0)
    if state.tasks < _TASKS_TO_TRUST:
        is_last = remaining < _COLD_SHARE * purse.limit_nanousd
        return Pace(trade_usd, 0.0, is_last, _words(purse, trade_usd, trade_usd, is_last=is_last))
    affordable = remaining / max(purse.tasks_to_come, 1.0) / state.bias
    if affordable <= state.cheapest:
        return Pace(trade_usd, 0.0, True, _words(purse, trade_usd, trade_usd, is_last=True))
    least = _least_lambda(np.array(state.cost_by_lambda), affordable)
    multiplier = max(least - 1 / trade_usd, 0.0)
    paced = 1 / (1 / trade_usd + multiplier)
    return Pace(paced, multiplier, False, _words(purse, trade_usd, paced, is_last=False) if multiplier else None)


def tightest(paces: list[Pace]) -> Pace:
    """Return the pace that binds most, of the purses that a task draws on.

    Raises:
        InvalidBudget: no paces.
    """
    if not paces:
        raise InvalidBudget("no budget applies, so there is no pace to keep; choose with the dial as it is.")
    return max(paces, key=lambda one: (one.is_hard, one.multiplier))


def _least_lambda(cost_by_lambda: Floats, affordable: float) -> float:
    """Return the least λ at which a task costs no more than is affordable, between grid points by log-linear steps."""
    falling = np.minimum.accumulate(cost_by_lambda)
    above = int(np.searchsorted(-falling, -affordable))  # how many grid points cost more
    if above == 0:
        return 0.0
    if above == len(falling):
        return float(LAMBDAS[-1])
    dearer, cheaper = falling[above - 1], falling[above]
    step = (dearer - affordable) / (dearer - cheaper)
    return float(LAMBDAS[above - 1] * (LAMBDAS[above] / LAMBDAS[above - 1]) ** step)


def _words(purse: Purse, trade_usd: float, paced_usd: float, *, is_last: bool) -> str | None:
    left = f"{format_usd(max(purse.remaining_nanousd, 0))} of {format_usd(purse.limit_nanousd)} is left"
    if is_last:
        return f"{left} for about {purse.tasks_to_come:,.0f} more tasks: the cheapest able model is taken"
    if paced_usd < trade_usd:
        dial = f"quality 1.0 counts as {format_usd(round(paced_usd * NANO))} instead of"
        return f"{left} for about {purse.tasks_to_come:,.0f} more tasks: {dial} {format_usd(round(trade_usd * NANO))}"
    return None
