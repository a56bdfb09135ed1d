"""How likely an answer is good, given what was seen of it and what was predicted of its model.

Naive Bayes in logits: the predicted quality is the prior, and every sign that applies adds its logarithm of likelihood
ratios, log P(sign | good) / P(sign | bad), in proportion to how strong it is. What signs weigh without data is assumed
(`ASSUMED_SHARES`); `fit_belief` learns it from outcomes, starting from the assumptions.
"""

import math
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidFile, InvalidInput
from pointsman.verification.shared_demand import Doubles
from pointsman.verification.signals import SIGNALS, Signals

ASSUMED_SHARES: Final = {
    "empty": (0.05, 0.0001),
    "refusal": (0.08, 0.002),
    "hedging": (0.06, 0.01),
    "truncated": (0.06, 0.01),
    "json_broken": (0.20, 0.0005),
    "schema_broken": (0.20, 0.0005),
    "code_missing": (0.10, 0.01),
    "code_broken": (0.15, 0.01),
    "loops": (0.03, 0.0001),
    "echo": (0.02, 0.0001),
    "wrong_language": (0.05, 0.002),
    "demands_broken": (0.30, 0.08),
    "short_by": (0.15, 0.06),
    "long_by": (0.15, 0.08),
    "disagreement": (0.60, 0.20),
    "judged_poor": (0.60, 0.15),
}
"""The share of bad answers that show each sign, and of good ones: assumptions, measured on nothing.

They put the signs in an order that few would dispute: what no caller can use (nothing, no JSON where JSON was asked, a
loop) nearly settles it, a refusal outweighs a prior of 0.95, an odd length says little.
"""

MOST_STRENGTH: Final = 3.0
"""A length further off than this many logarithms counts as this far."""

_LEAST: Final = 1e-6


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Beta calibration (Kull et al., 2017): logit of P = a ln p − b ln(1 − p) + c; by default p itself."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def logit(self, chance: Doubles | float) -> Doubles:
        """Return the calibrated logits of chances."""
        kept = np.clip(np.asarray(chance, dtype=np.float64), _LEAST, 1 - _LEAST)
        found: Doubles = self.a * np.log(kept) - self.b * np.log1p(-kept) + self.c
        return found


class Fit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a belief was fitted on, and how good it is on rows that its weights didn't see (cross-fitted).

    `auc` is that of the signs alone, without the prior: what `Outlook.auc` asks for. `ece` is the calibration error in
    ten bins, `prior_ece` that of the prior.
    """

    rows: int
    auc: float
    ece: float
    prior_ece: float


class Belief(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights: for each sign, the logits that it adds where all is well and where it is certain.

    `prior_slope` multiplies the prior's logit. `fit` is None where the weights are the assumed ones.
    """

    well: dict[str, float]
    ill: dict[str, float]
    intercept: float = 0.0
    prior_slope: float = 1.0
    calibration: Calibration = Calibration()
    fit: Fit | None = None

    def good(self, signals: Signals, prior: float) -> float:
        """Return P(good) of an answer; `prior` is the predicted, calibrated quality of its model on this task."""
        logit = self.intercept + self.prior_slope * _logit(prior) + self.evidence(signals)
        if self.calibration == _AS_IT_IS:
            return _chance(logit)
        return _chance(float(self.calibration.logit(_chance(logit))))

    def evidence(self, signals: Signals) -> float:
        """Return the logits that all signs add together."""
        return sum(
            self.well[name] + (self.ill[name] - self.well[name]) * min(value, MOST_STRENGTH)
            for name, value in signals.seen().items()
            if name in self.well
        )

    def to_json(self) -> bytes:
        """Return the weights as JSON."""
        return msgspec.json.encode(self)


_AS_IT_IS: Final = Calibration()


def _assumed() -> Belief:
    ill = {name: math.log(good / bad) for name, (bad, good) in ASSUMED_SHARES.items()}
    well = {name: math.log((1 - good) / (1 - bad)) for name, (bad, good) in ASSUMED_SHARES.items()}
    return Belief(well, ill)


ASSUMED_BELIEF: Final = _assumed()
"""The belief of a deployment that has logged nothing yet."""


def belief_from_json(text: bytes | str) -> Belief:
    """Return the weights that `Belief.to_json` wrote.

    Raises:
        InvalidFile: it isn't such JSON, or has a number that isn't finite or a sign that nobody knows.
    """
    try:
        belief = msgspec.json.decode(text, type=Belief)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidFile(f"a belief can't be read: {error}; expected what Belief.to_json() wrote.") from None
    strange = (set(belief.well) ^ set(belief.ill)) | (set(belief.well) - set(SIGNALS))
    if strange:
        raise InvalidFile(
            f"a belief weighs {sorted(strange)[0]!r}; expected in both halves any of {', '.join(SIGNALS)}."
        )
    return belief


def _logit(chance: float) -> float:
    if not 0 <= chance <= 1:
        raise InvalidInput(f"prior is {chance!r}; expected a probability from 0 to 1.", field="prior")
    kept = min(max(chance, _LEAST), 1 - _LEAST)
    return math.log(kept / (1 - kept))


def _chance(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -500.0), 500.0)))
