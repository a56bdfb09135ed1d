"""Paying for decisions: the order of models under a budget's pace, and the hold of the best that fits."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.budget.pacing import Pace
from pointsman.considered import Considered
from pointsman.errors import LedgerError
from pointsman.fleet_table import FleetTable
from pointsman.money import NANO
from pointsman.policy import ranking
from pointsman.treasury import Ask, Choice, Holding, Treasury
from pointsman.treasury.steps import Steps
from pointsman.types import COMPLEXITIES, TASK_TYPES, Decision, Promise, Task

_NO_DIAL: Final = 1e9
"""The dial of a strategy that doesn't weigh cost: quality 1.0 is worth more than any model costs."""


class Purchase(msgspec.Struct, frozen=True):
    """What was held for one task.

    `order` has the chosen model first, then all other able ones, best first; `affordable` those after it that would
    have fitted too. `degradation` says why the choice is another than without a budget, None where it isn't.
    """

    holding: Holding
    order: list[int]
    affordable: tuple[str, ...]
    degradation: str | None

    def paid(self, decision: Decision) -> Decision:
        """Return the decision with what was held for it."""
        promise = decision.promise
        if promise is not None and self.degradation is not None:
            reason = "a budget changed the choice" if promise.holds else promise.reason
            promise = Promise(promise.quality, promise.confidence, False, reason)
        return msgspec.structs.replace(
            decision,
            fallbacks=self.affordable,
            decision_id=self.holding.decision_id,
            hold_id=self.holding.hold_id,
            held_nanousd=self.holding.held_nanousd,
            max_output_tokens=self.holding.max_output_tokens,
            degradation=self.degradation,
            promise=promise,
        )


def repaced(
    treasury: Treasury, considered: Considered, orders: npt.NDArray[np.int64], rows: list[int], trade_usd: float | None
) -> tuple[Considered, dict[int, str]]:
    """Rank the rows anew where money is dearer just now, in `orders`, and let the treasury learn from them.

    Returned are the utilities that they are ranked by, and by row the words where that changed the choice. `trade_usd`
    is the dial, None for a strategy that doesn't weigh cost.
    """
    now, candidates = treasury.clock(), considered.candidates
    tiers = _tiers(considered, rows)
    paces = treasury.pacers.paces(tiers, treasury.snapshot(), trade_usd or _NO_DIAL, now)
    quality = np.where(candidates.is_able, candidates.quality, -np.inf)[rows].astype(np.float64)
    treasury.pacers.observe(tiers, quality, candidates.cost_nanousd[rows], now)
    if not paces:
        return considered, {}
    binding = {row: paces[tier] for row, tier in zip(rows, tiers, strict=True) if tier in paces}
    utility = _utility(considered, binding)
    paced_orders, words = ranking(utility, candidates), {}
    for row, found in binding.items():
        if paced_orders[row, 0] != orders[row, 0] and candidates.is_able[row].any():
            said = found.words or ""
            words[row] = said if trade_usd is not None else said.partition(" instead of")[0]
        orders[row] = paced_orders[row]
    return msgspec.structs.replace(considered, utility=utility), words


Todo = Mapping[int, tuple[Task, list[int], str | None]]
"""By row: the task, its able models best first, and how pacing changed them in words."""


def purchases(
    treasury: Treasury, table: FleetTable, considered: Considered, todo: Todo
) -> Steps[dict[int, Purchase | LedgerError]]:
    """Return by row what was held, or why nothing could be.

    Raises:
        LedgerUnavailable: nothing is held for any of them.
        InvalidBudget: a tag that can't name a payer; nothing is held.
    """
    rows = list(todo)
    asks = [
        Ask(todo[row][0], TASK_TYPES[considered.types[row]], tier, _choices(table, considered, row, todo[row][1]))
        for row, tier in zip(rows, _tiers(considered, rows), strict=True)
    ]
    answers = yield from treasury.holding(asks)
    return {
        row: _purchase(answer, table, *todo[row][1:]) if isinstance(answer, Holding) else answer
        for row, answer in zip(rows, answers, strict=True)
    }


def _purchase(holding: Holding, table: FleetTable, order: list[int], words: str | None) -> Purchase:
    chosen = order[holding.place]
    models = table.models.models
    return Purchase(
        holding,
        [chosen, *(model for model in order if model != chosen)],
        tuple(models[order[place]] for place in holding.affordable),
        "; ".join(part for part in (words, holding.words) if part) or None,
    )


def _choices(table: FleetTable, considered: Considered, row: int, order: Sequence[int]) -> tuple[Choice, ...]:
    costs = considered.candidates.cost_nanousd[row].tolist()
    return tuple(Choice(table.fleet.cards[place], costs[place]) for place in order)


def _tiers(considered: Considered, rows: list[int]) -> list[str]:
    return [COMPLEXITIES[place] for place in considered.reading.complexity[rows].argmax(axis=1).tolist()]


def _utility(considered: Considered, binding: Mapping[int, Pace]) -> npt.NDArray[np.float32]:
    utility, cost_usd = considered.utility.copy(), considered.candidates.cost_nanousd / NANO
    for row, found in binding.items():
        if found.is_hard:
            utility[row] = -cost_usd[row]
        else:
            utility[row] -= (found.multiplier * cost_usd[row]).astype(np.float32)
    return utility
