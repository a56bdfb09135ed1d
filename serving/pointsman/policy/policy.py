"""How to choose: strategy, weights, dial, escalation, and a quality target."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from pointsman.errors import InvalidInput
from pointsman.policy.escalation import DEFAULT_CONFIDENCE
from pointsman.policy.modes import MODES, task_type_optimised
from pointsman.policy.scoring import Weights
from pointsman.policy.strategies import STRATEGIES
from pointsman.promises import Promises

_LEAST_TRADE_USD: Final = 1e-12


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to choose: the strategy, the weights of the weighted score, the dial, escalation, and a target.

    `trade_usd` is what quality 1.0 is worth in dollars per task; None takes the bundle's, learned from outcomes.
    `confidence` is the chance below which a chosen model gives way to the cheapest that reaches it; None never
    escalates; left out it is 0.7, and off under a quality target. `target_quality` solves the dial for this mean
    quality at least cost, on `promises` (None: the bundle's own). `production` is the strategy that "control" stands
    for; `trade_usd_by_type` are the dials of task types under "task-type-optimised".
    """

    strategy: str = "cost-optimised"
    weights: Weights = Weights()
    trade_usd: float | None = None
    confidence: float | UnsetType | None = UNSET
    target_quality: float | None = None
    promises: Promises | None = None
    production: str = "cost-optimised"
    trade_usd_by_type: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Refuse a strategy that doesn't exist, a dial that isn't positive, and what contradicts a target.

        Raises:
            InvalidInput: one of these.
        """
        known = (*STRATEGIES, *MODES)
        if self.strategy not in known:
            raise InvalidInput(f"strategy is {self.strategy!r}; expected one of {', '.join(known)}.", field="strategy")
        if self.production not in STRATEGIES:
            raise InvalidInput(
                f"production is {self.production!r}; expected one of {', '.join(STRATEGIES)}.", field="production"
            )
        self._check_dials()
        if self.trade_usd is not None and not _is_number(self.trade_usd, _LEAST_TRADE_USD, sys.float_info.max):
            raise InvalidInput(
                f"trade_usd is {self.trade_usd!r:.80}; expected a number of dollars, at least {_LEAST_TRADE_USD:g}.",
                field="trade_usd",
            )
        for name in ("confidence", "target_quality"):
            value = getattr(self, name)
            if value is not None and value is not UNSET and not _is_number(value, 0.0, 1.0):
                raise InvalidInput(f"{name} is {value!r:.80}; expected a probability from 0 to 1.", field=name)
        if self.target_quality is not None:
            self._check_target()

    def _check_dials(self) -> None:
        task_type_optimised(np.zeros(0, dtype=np.int64), self.trade_usd_by_type or {})
        if self.trade_usd_by_type and self.strategy != "task-type-optimised":
            raise InvalidInput(
                f"trade_usd_by_type is for the strategy task-type-optimised, and the strategy is {self.strategy}; "
                "set it, or leave the dials out.",
                field="trade_usd_by_type",
            )

    def _check_target(self) -> None:
        if self.trade_usd is not None:
            raise InvalidInput(
                "target_quality solves the dial, and trade_usd sets it; give one of them.", field="target_quality"
            )
        if self.strategy != "cost-optimised":
            raise InvalidInput(
                f"target_quality is solved on the dial, which {self.strategy} doesn't have; leave the strategy "
                "cost-optimised.",
                field="target_quality",
            )

    @property
    def threshold(self) -> float | None:
        """The chance below which a choice escalates, None where nothing does."""
        if "quality-first" in (self.strategy, self.production if self.strategy == "control" else None):
            return None
        if isinstance(self.confidence, UnsetType):
            return None if self.target_quality is not None else DEFAULT_CONFIDENCE
        return self.confidence


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
