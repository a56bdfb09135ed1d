"""Whether routing is worth anything: against the one model that does best if every task goes to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.gate.draws import Draws, interval_of
from pointsman_training.metrics import Doubles

Array = npt.NDArray[Any]

DRAWS: Final = 2_000
_ONE_SIDED: Final = 0.05


@dataclass(frozen=True)
class Worth:
    """What routing gains over the best constant `model`: utility per task, quality − cost / trade, on n prompts.

    `lowest` is the bound above which the gain lies with 95 %, one-sided.
    """

    model: str
    gain: Interval
    lowest: float
    prompts: int

    @property
    def figures(self) -> dict[str, Any]:
        """The figures as plain data, for a manifest."""
        return {
            "best_constant": self.model,
            "gain": self.gain.value,
            "gain_low": self.gain.low,
            "gain_high": self.gain.high,
            "lowest_one_sided": self.lowest,
            "prompts": self.prompts,
        }

    @property
    def constant(self) -> str | None:
        """The model to serve always, None where routing has shown that it is worth more."""
        return None if self.lowest > 0 else self.model


def worth_of_routing(models: Sequence[str], utility: Array, outcome_utility: Doubles, draws: Draws) -> Worth:
    """Return what choosing the greatest predicted `utility` (n, m), held out, gains in `outcome_utility` (n, m).

    The constant is the best one on these very rows, so the burden of proof is on routing. Rows with a NaN outcome are
    left out; at least one must have none.
    """
    whole = np.asarray(np.isfinite(outcome_utility).all(axis=1))
    best = int(outcome_utility[whole].mean(axis=0).argmax())
    routed = outcome_utility[np.arange(len(utility)), utility.argmax(axis=1)]
    gains, sizes = draws.totals(np.where(whole, routed - outcome_utility[:, best], 0.0)), draws.totals(whole)
    drawn = np.divide(gains, sizes, out=np.full(len(gains), np.nan), where=sizes > 0)
    lowest = float(np.nanquantile(drawn[1:], _ONE_SIDED))
    return Worth(models[best], interval_of(drawn), lowest, int(whole.sum()))


def worth_words(figures: dict[str, Any]) -> str:
    """Return for a card what routing is worth, from `Worth.figures`."""
    model, lowest = figures["best_constant"], figures["lowest_one_sided"]
    found = (
        f"At the default dial, routing gains {figures['gain']:+.4f} in quality − cost / dial over sending every task "
        f"to {model} (95 % interval {figures['gain_low']:+.4f} to {figures['gain_high']:+.4f}, cross-validated, "
        f"{figures['prompts']:,} prompts)."
    )
    if lowest > 0:
        return found
    return f"**This bundle serves {model} always.** {found} That doesn't show that routing is worth anything."
