"""How each model does: a circuit that opens where it keeps failing, and an availability learned from live calls."""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from pointsman.errors import InvalidChat, UpstreamError
from pointsman.gateway.upstreams.failures import EMPTY_ACCOUNT
from pointsman.settings import Retries

OUTCOME_WEIGHT: Final = 0.02
"""How much the newest call counts in the availability: the last 34 calls weigh half of it."""

HALF_LIFE_S: Final = 600.0
"""How long it takes, without calls, until half of what was learned has given way to the card's own figure."""

CALLERS_FAULT: Final = frozenset({400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 416, 422, 431, 451})
OUR_FAULT: Final = frozenset({401, 402, 403})
"""Statuses that no call to this model escapes until somebody changes a key, an account or an address."""

State = Literal["closed", "open", "half-open"]


class ModelHealth(msgspec.Struct, frozen=True):
    """What is known of a model; `retry_in_s` is until an open circuit lets one call try, `reason` why it opened."""

    state: State
    availability: float
    failures_in_a_row: int
    retry_in_s: float | None = None
    reason: str | None = None


class _Circuit:
    """What changes with each call of a model."""

    __slots__ = ("failures", "prior", "reason", "score", "scored_at", "trial_until", "until")

    def __init__(self, prior: float, now: float) -> None:
        self.prior = self.score = prior
        self.scored_at = now
        self.failures = 0
        self.until: float | None = None
        self.trial_until: float | None = None
        self.reason: str | None = None


class Health:
    """The fleet's health; thread-safe, O(1) for each call, and no I/O.

    `models` has the availability of each model's card. A circuit opens after `retries.open_after` failures in a row,
    or at once where no call can succeed (a wrong key, an empty account), for `retries.open_for_s` or as long as the
    provider asks for, whichever is more. Then it is half-open: `admits` lets one call through, which closes it or
    opens it again.

    What the caller's request is to blame for (400, 413, 422) is no failure of the model, and no success: else one
    tenant could close a model to all. 404 counts where it means the model or the path, 403 not where the provider's
    moderation refused the words.
    """

    def __init__(self, models: Mapping[str, float], retries: Retries, *, clock: Callable[[], float]) -> None:
        self._retries = retries
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits = {model: _Circuit(prior, clock()) for model, prior in models.items()}

    def refit(self, models: Mapping[str, float]) -> None:
        """Take on another fleet; what was learned of the models that stay is kept."""
        with self._lock:
            kept, now = self._circuits, self._clock()
            self._circuits = {model: kept.get(model) or _Circuit(prior, now) for model, prior in models.items()}
            for model, prior in models.items():
                self._circuits[model].prior = prior

    def is_open(self, model: str) -> bool:
        """Return whether a call of the model would be refused; asking changes nothing, so it serves to filter."""
        circuit = self._circuits.get(model)
        return circuit is not None and circuit.until is not None and self._is_shut(circuit, self._clock())

    def admits(self, model: str) -> bool:
        """Return whether a call may be made now; while the circuit is half-open, one caller is told so at a time.

        Who is admitted says how it went by `succeeded`, `failed` or `not_called`; where nobody does, the next is
        admitted after `open_for_s`.
        """
        circuit = self._circuits.get(model)
        if circuit is None or circuit.until is None:
            return True
        with self._lock:
            now = self._clock()
            if self._is_shut(circuit, now):
                return False
            circuit.trial_until = now + self._retries.open_for_s
            return True

    def not_called(self, model: str) -> None:
        """Note that an admitted call wasn't made, so that another may be."""
        circuit = self._circuits.get(model)
        if circuit is not None:
            with self._lock:
                circuit.trial_until = None

    def availability(self, model: str) -> float:
        """Return the learned share of calls that succeed; a model that isn't of the fleet counts as always there."""
        circuit = self._circuits.get(model)
        return 1.0 if circuit is None else self._faded(circuit, self._clock())

    def succeeded(self, model: str) -> None:
        """Note that a call was answered; this closes the circuit."""
        circuit = self._circuits.get(model)
        if circuit is not None:
            with self._lock:
                self._learn(circuit, 1.0)
                circuit.failures, circuit.until, circuit.trial_until, circuit.reason = 0, None, None, None

    def failed(self, model: str, error: Exception) -> None:
        """Note that a call failed, and open the circuit where that is due."""
        circuit = self._circuits.get(model)
        if circuit is None:
            return
        with self._lock:
            was_trial, circuit.trial_until = circuit.until is not None, None
            if is_callers_fault(error):
                return
            self._learn(circuit, 0.0)
            circuit.failures += 1
            if was_trial or circuit.failures >= self._retries.open_after or is_hopeless(error):
                asked = getattr(error, "retry_after_s", None) or 0.0
                circuit.until = self._clock() + max(self._retries.open_for_s, asked)
                circuit.reason = str(error)

    def snapshot(self) -> dict[str, ModelHealth]:
        """Return the health of each model, as of one moment."""
        with self._lock:
            now = self._clock()
            return {model: self._health(circuit, now) for model, circuit in self._circuits.items()}

    def _health(self, circuit: _Circuit, now: float) -> ModelHealth:
        availability = self._faded(circuit, now)
        if circuit.until is None:
            return ModelHealth("closed", availability, circuit.failures)
        left = max(0.0, circuit.until - now)
        state: State = "open" if left else "half-open"
        return ModelHealth(state, availability, circuit.failures, left, circuit.reason)

    def _is_shut(self, circuit: _Circuit, now: float) -> bool:
        until, trial_until = circuit.until, circuit.trial_until
        return until is not None and (now < until or (trial_until is not None and now < trial_until))

    def _faded(self, circuit: _Circuit, now: float) -> float:
        left = math.exp2(-max(0.0, now - circuit.scored_at) / HALF_LIFE_S)
        return circuit.prior + (circuit.score - circuit.prior) * left

    def _learn(self, circuit: _Circuit, outcome: float) -> None:
        now = self._clock()
        before = self._faded(circuit, now)
        circuit.score = before + OUTCOME_WEIGHT * (outcome - before)
        circuit.scored_at = now


def is_callers_fault(error: Exception) -> bool:
    """Return whether another request to the same model may well succeed."""
    if isinstance(error, InvalidChat):
        return True
    if not isinstance(error, UpstreamError):
        return False
    if error.status == 403:
        return "moderation" in error.message.lower() or "flagged" in error.message.lower()
    return error.status in CALLERS_FAULT and not _means_no_model(error)


def is_hopeless(error: Exception) -> bool:
    """Return whether no request to the model can succeed until somebody changes the configuration or the account."""
    if not isinstance(error, UpstreamError):
        return False
    return error.status in OUR_FAULT or error.upstream_code in EMPTY_ACCOUNT or _means_no_model(error)


def _means_no_model(error: UpstreamError) -> bool:
    """Return whether a 404 is of the model or the path; files and ids that callers name are theirs."""
    if error.status != 404:
        return False
    return error.upstream_code in (None, "model_not_found") or "(not_found_error): model:" in error.message
