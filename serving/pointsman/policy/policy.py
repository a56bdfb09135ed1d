"""How to choose: strategy, weights, dial, escalation, and a quality target."""

import sys
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from pointsman.errors import InvalidInput
from pointsman.policy.escalation import DEFAULT_CONFIDENCE
from pointsman.policy.scoring import Weights
from pointsman.policy.strategies import STRATEGIES
from pointsman.promises import Promises

_LEAST_TRADE_USD: Final = 1e-12


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to choose: the strategy, the weights of the weighted score, the dial, escalation, and a target.

    `trade_usd` is what quality 1.0 is worth in dollars per task; None takes the bundle's, learned from outcomes.
    `confidence` is the chance below which a chosen model gives way to the cheapest that reaches it; None never
    escalates; left out it is 0.7, and off under a quality target. `target_quality` solves the dial for this mean
    quality at least cost, on `promises` (None: the bundle's own).
    """

    strategy: str = "cost-optimised"
    weights: Weights = Weights()
    trade_usd: float | None = None
    confidence: float | UnsetType | None = UNSET
    target_quality: float | None = None
    promises: Promises | None = None

    def __post_init__(self) -> None:
        """Refuse a strategy that doesn't exist, a dial that isn't positive, and what contradicts a target.

        Raises:
            InvalidInput: one of these.
        """
        if self.strategy not in STRATEGIES:
            raise InvalidInput(
                f"strategy is {self.strategy!r}; expected one of {', '.join(STRATEGIES)}.", field="strategy"
            )
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
        if self.strategy == "quality-first":
            return None
        if isinstance(self.confidence, UnsetType):
            return None if self.target_quality is not None else DEFAULT_CONFIDENCE
        return self.confidence


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
