"""Modes: strategies that depend on more than the candidates, such as task types or what a budget has left.

Each is a function that takes its circumstances and returns a `Strategy`. All turn the one dial, λ = 1 / trade_usd:

    task-type-optimised   a dial per task type
    dynamic-adaptive      λ + μ, where μ is what the budget adds to the price of money
    cost-aggressive       10 λ
    control               whatever is configured as production
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidInput
from pointsman.money import NANO
from pointsman.policy.candidates import Candidates, Floats, Integers
from pointsman.policy.scoring import Components
from pointsman.policy.strategies import STRATEGIES, Strategy
from pointsman.types import TASK_TYPES, task_type

AGGRESSIVE_FACTOR: Final = 10.0
MODES: Final = ("task-type-optimised", "dynamic-adaptive", "cost-aggressive", "control")


class Circumstances(msgspec.Struct, frozen=True):
    """What modes look at.

    `types` (n_tasks,) are indices into `TASK_TYPES`; `trade_usd_by_type` the dials of those that have their own.
    `multiplier` is what the budget adds to the price of money (quality per dollar); `is_hard` means that only the
    cheapest model may be taken. Both are those of `budget.pacing.Pace`.
    """

    types: Integers
    trade_usd_by_type: Mapping[str, float]
    multiplier: float = 0.0
    is_hard: bool = False


def mode(name: str, circumstances: Circumstances, production: Strategy) -> Strategy:
    """Return the strategy of a mode or of a plain strategy's name; `production` is what `control` stands for.

    Raises:
        InvalidInput: no such mode or strategy; a multiplier or a type's dial out of range.
    """
    if name == "task-type-optimised":
        return task_type_optimised(circumstances.types, circumstances.trade_usd_by_type)
    if name == "dynamic-adaptive":
        return dynamic_adaptive(circumstances.multiplier, is_hard=circumstances.is_hard)
    if name == "cost-aggressive":
        return cost_aggressive
    if name == "control":
        return production
    if name in STRATEGIES:
        return STRATEGIES[name]
    raise InvalidInput(
        f"strategy is {name!r:.80}; expected one of {', '.join((*STRATEGIES, *MODES))}.", field="strategy"
    )


def task_type_optimised(types: Integers, trade_usd_by_type: Mapping[str, float]) -> Strategy:
    """Return the strategy with a dial per task type; types without one keep the common dial.

    Raises:
        InvalidInput: a dial that isn't a positive finite number of dollars.
        InvalidTask: no such task type.
    """
    own = np.full(len(TASK_TYPES), np.nan)
    for name, dial in trade_usd_by_type.items():
        if isinstance(dial, bool) or not isinstance(dial, int | float) or not 0 < dial < np.inf:
            raise InvalidInput(f"the dial of {name} is {dial!r:.80}; expected dollars above 0.", field="trade_usd")
        own[TASK_TYPES.index(task_type(name))] = dial

    def strategy(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
        dials = np.where(np.isnan(own), trade_usd, own)[types]
        return _utility(candidates, 1 / dials[:, np.newaxis])

    return strategy


def dynamic_adaptive(multiplier: float, *, is_hard: bool = False) -> Strategy:
    """Return the strategy under a budget's pace: λ + μ, or the cheapest able model where `is_hard`.

    Raises:
        InvalidInput: a multiplier that isn't a finite number from 0.
    """
    if not 0 <= multiplier < np.inf:
        raise InvalidInput(f"multiplier is {multiplier!r}; expected a finite number from 0.", field="multiplier")

    def strategy(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
        if is_hard:
            return (-candidates.cost_nanousd / NANO).astype(np.float32)
        return _utility(candidates, 1 / trade_usd + multiplier)

    return strategy


def cost_aggressive(candidates: Candidates, components: Components, trade_usd: float) -> Floats:
    """Return the utility at ten times the price of money."""
    return _utility(candidates, AGGRESSIVE_FACTOR / trade_usd)


def _utility(candidates: Candidates, price: float | npt.NDArray[np.float64]) -> Floats:
    return (candidates.quality - price * (candidates.cost_nanousd / NANO)).astype(np.float32)
