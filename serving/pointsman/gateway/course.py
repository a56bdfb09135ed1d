"""One request on its way through the gateway: what was decided, what was tried, what it cost, how long it took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pointsman.chat import Reply
from pointsman.conversation.affinity import cached_prefix
from pointsman.events import Attempt, CacheUse, Event
from pointsman.gateway.asked import Asked
from pointsman.gateway.fitting import Limits
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import Plan
from pointsman.money import NANO
from pointsman.registry import TokenUsage
from pointsman.treasury.treasury import new_id
from pointsman.types import Decision

_DIGITS: Final = 9


@dataclass(slots=True)
class Course:
    """What is known of a request so far.

    `started`, `upstream_s` and `waited_s` are seconds of the monotonic clock, the last those that a request which can
    wait stood in its queue; `at_us` is when it came, microseconds since 1970.
    `error` is the code of the refusal that ended it.
    """

    asked: Asked
    parts: Parts
    tags: Mapping[str, str]
    started: float
    at_us: int
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    upstream_s: float = 0.0
    waited_s: float = 0.0
    model: str | None = None
    reply: Reply | None = None
    usage: TokenUsage | None = None
    cache: CacheUse = "off"
    tokens_saved: int = 0
    baseline: str | None = None
    baseline_nanousd: int | None = None
    words: dict[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    text: str | None = None
    error: str | None = None
    status: int = 200
    _own_id: str | None = None

    @property
    def cost_nanousd(self) -> int:
        """What all attempts cost; those whose bill nobody knows count as held."""
        return sum(one.held_nanousd if one.cost_nanousd is None else one.cost_nanousd for one in self.attempts)

    @property
    def tokens(self) -> int:
        """What all attempts read and wrote, as far as their providers said."""
        return sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in self.attempts)

    @property
    def is_cascade(self) -> bool:
        """Whether answers are judged, and others asked for: not where the caller names the model."""
        settings, asked = self.parts.cascade, self.asked
        return settings.enabled and asked.pinned is None and (settings.streams or not asked.chat.is_stream)

    def planned(self, plan: Plan) -> None:
        """Note what is routed and sent."""
        self.tokens_saved = plan.tokens_saved
        self.words.update(plan.words)
        self.limits = plan.limits
        if self.parts.privacy.text != "none":
            self.text = plan.task.description

    def ended_by(self, model: str, reply: Reply) -> None:
        """Note the answer that the caller gets, and that its model has read the chat."""
        self.model, self.reply, self.usage = model, reply, reply.usage
        self._compare()
        if reply.usage is not None and not self.tokens_saved:
            cached = cached_prefix(reply.usage, is_automatic=self.parts.protocol(model) == "openai")
            self.parts.conversations.remember(self.asked.who.tenant, self.asked.chat, model, *cached)

    def reused(self, model: str, reply: Reply) -> None:
        """Note an answer that was given before."""
        self.model, self.reply, self.usage = model, reply, reply.usage
        self._compare()
        if reply.usage is not None:
            self.tokens_saved = reply.usage.input_tokens + reply.usage.output_tokens

    def _compare(self) -> None:
        """Note what the baseline model would have cost for as many tokens, without a cache of prompts."""
        fleet, usage = self.parts.fleet, self.usage
        if fleet.baseline is not None and usage is not None:
            self.baseline = fleet.baseline
            plain = TokenUsage(usage.input_tokens, usage.output_tokens)
            self.baseline_nanousd = fleet.card(fleet.baseline).price.bill_nanousd(plain)

    def facts(self, now: float) -> dict[str, str]:
        """Return what every answer says of itself, by name without the prefix "x-pointsman-"."""
        found = {"model": self.model or "", "cache": self.cache, "cost-usd": dollars(self.cost_nanousd)}
        if self.baseline_nanousd is not None:
            found["saved-usd"] = dollars(self.baseline_nanousd - self.cost_nanousd)
        found |= self.known()
        found["overhead-ms"] = f"{self.overhead_ms(now):.3f}"
        return found

    def known(self) -> dict[str, str]:
        """Return what can be said before the answer: that goes into the headers of a stream."""
        found = dict(self.words)
        decision = self.decision
        if decision is not None:
            found |= {
                "complexity": decision.complexity.label,
                "confidence": f"{decision.confidence:.4f}",
                "strategy": decision.strategy,
            }
        found["decision-id"] = self.decision_id
        return found

    @property
    def decision_id(self) -> str:
        """What the answer, its holds and its line of the log go by; where nothing was held, an id of its own."""
        if self.decision is not None and self.decision.decision_id:
            return self.decision.decision_id
        if self._own_id is None:
            self._own_id = new_id()
        return self._own_id

    def overhead_ms(self, now: float) -> float:
        """Return the milliseconds that weren't spent waiting for a provider or, where it can wait, in the queue."""
        return max(0.0, (now - self.started - self.upstream_s - self.waited_s) * 1000)

    def event(self, now: float) -> Event:
        """Return the line of the log."""
        asked, usage = self.asked, self.usage
        event = Event(
            decision_id=self.decision_id,
            at_us=self.at_us,
            kind=asked.kind,
            tenant=asked.who.tenant,
            key=asked.who.key,
            tags=self.tags,
            model=self.model,
            requested_model=asked.chat.model,
            is_routed=asked.pinned is None,
            cost_nanousd=self.cost_nanousd,
            baseline=self.baseline,
            baseline_nanousd=self.baseline_nanousd,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            tokens_saved=self.tokens_saved,
            cache=self.cache,
            is_stream=asked.chat.is_stream,
            attempts=tuple(self.attempts),
            latency_ms=(now - self.started) * 1000,
            overhead_ms=self.overhead_ms(now),
            status=self.status,
            error=self.error,
            instruction=None if self.limits is None else self.limits.version,
            conversation=None if self.limits is None else self.limits.conversation,
            text=self.text,
        )
        return event if self.decision is None else msgspec.structs.replace(event, **_decided(self.decision))


def dollars(nanousd: int) -> str:
    """Return nano-USD as plain dollars, exactly: -0.00042."""
    sign, rest = "-" if nanousd < 0 else "", abs(nanousd)
    text = f"{sign}{rest // NANO}.{rest % NANO:0{_DIGITS}d}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "task_type": decision.type,
        "complexity": decision.complexity.label,
        "complexity_probability": decision.complexity.probability,
        "strategy": decision.strategy,
        "profile": decision.profile,
        "quality": decision.quality,
        "confidence": decision.confidence,
        "propensity": decision.propensity,
        "escalated_from": decision.escalated_from,
        "degradation": decision.degradation,
        "is_degraded": decision.degradation is not None,
        "novelty": decision.novelty,
        "bundle": decision.bundle,
        "features": decision.features,
        "qualities": {one.model: one.quality for one in decision.candidates},
        "expected_nanousd": decision.cost_nanousd,
    }
