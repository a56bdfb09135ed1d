"""What the log keeps of a request: who asked, what was decided and why, what each attempt cost, how it ended."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

CacheUse = Literal["off", "miss", "exact", "semantic"]
Purpose = Literal["answer", "verify", "judge", "sample"]
AttemptEnd = Literal["answered", "judged_poor", "failed", "cut", "not_sent"]

_NOTHING: Final[Mapping[str, str]] = {}


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of one model for a request.

    `cost_nanousd` is what was posted for it, None where its hold was presumed at `held_nanousd`. `latency_ms` is to the
    end of the answer, `first_ms` to its first byte. `error` is the code of what went wrong. `quality` is the verifier's
    P(good) where the answer was judged.
    """

    model: str
    end: AttemptEnd
    purpose: Purpose = "answer"
    hold_id: str | None = None
    held_nanousd: int = 0
    cost_nanousd: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    latency_ms: float | None = None
    first_ms: float | None = None
    status: int | None = None
    error: str | None = None
    quality: float | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request from its arrival to its end; a line of the log.

    `at_us` is microseconds since 1970 (UTC). `kind` is what was asked ("chat", "execute", "route", "evaluate").
    `is_routed` is False where the caller named a model. `quality` is the predicted quality of the chosen model,
    `confidence` the calibrated chance that it does the task well, `propensity` the probability with which it was
    chosen, `features` the numbers (no text) that a router can learn from: `events.features` makes them.
    `cost_nanousd` is all attempts together, judges and failed ones included;
    `baseline_nanousd` what the baseline model would have cost with the same tokens, None without a baseline.
    `tokens_saved` are input tokens that trimming or the cache didn't send. `error` is the code of the refusal, where
    there was one. While short answers are compared, `instruction` is the version of what was asked for, "none" for
    those it is compared with, and `conversation` the digest that the request was assigned by. `text` is None unless the
    configuration asks for text.
    """

    decision_id: str
    at_us: int
    kind: str
    tenant: str = "default"
    key: str | None = None
    tags: Mapping[str, str] = _NOTHING
    task_type: str | None = None
    complexity: str | None = None
    complexity_probability: float | None = None
    model: str | None = None
    requested_model: str | None = None
    is_routed: bool = True
    strategy: str | None = None
    profile: str | None = None
    quality: float | None = None
    confidence: float | None = None
    propensity: float | None = None
    escalated_from: str | None = None
    degradation: str | None = None
    novelty: float | None = None
    bundle: str | None = None
    features: tuple[float, ...] = ()
    qualities: Mapping[str, float] = {}
    expected_nanousd: int | None = None
    cost_nanousd: int = 0
    baseline: str | None = None
    baseline_nanousd: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    tokens_saved: int = 0
    cache: CacheUse = "off"
    is_stream: bool = False
    is_degraded: bool = False
    attempts: tuple[Attempt, ...] = ()
    latency_ms: float | None = None
    overhead_ms: float | None = None
    status: int = 200
    error: str | None = None
    instruction: str | None = None
    conversation: str | None = None
    text: str | None = None
