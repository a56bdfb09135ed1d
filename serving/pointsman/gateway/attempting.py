"""One attempt: money is held, the model is called, the bill is posted. Whole answers."""

import msgspec

from pointsman.chat import Protocol, Reply, read_reply, wire_body
from pointsman.errors import UpstreamError
from pointsman.events import Attempt, Purpose
from pointsman.gateway.asked import Asked
from pointsman.gateway.course import Course
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import Plan
from pointsman.gateway.till import Held, Till


class Tried(msgspec.Struct, frozen=True):
    """An answer at hand, in its provider's protocol."""

    model: str
    body: bytes
    protocol: Protocol
    reply: Reply


class Attempting:
    """Makes the attempts of one request, and notes each in its course."""

    def __init__(self, parts: Parts, course: Course, plan: Plan, till: Till) -> None:
        self.parts, self.course, self.plan, self.till = parts, course, plan, till

    async def whole(self, model: str, asked: Asked, purpose: Purpose = "answer") -> Tried:
        """Return the whole answer of a model.

        Raises:
            LedgerError: its cost may not be held; nothing was sent.
            InvalidChat: the chat can't be said in the provider's protocol; nothing was sent.
            UpstreamError: it gave none; what it may have billed is posted.
        """
        parts, card = self.parts, self.parts.card(model)
        where, protocol = parts.where[model], parts.protocol(model)
        held = await self.till.hold(card)
        try:
            body = wire_body(asked.chat, protocol, self.plan.edit(where.upstream_name, held.max_output_tokens))
        except BaseException:
            self.till.release(held, was_sent=False)
            raise
        started, status = parts.clock(), None
        try:
            answer = await parts.upstreams.complete(where.provider, body)
            status = answer.status
            reply = read_reply(protocol, answer.body)
        except UpstreamError as error:
            self.course.upstream_s += parts.clock() - started
            self.failed(model, held, error, purpose, status)
            raise
        self.course.upstream_s += parts.clock() - started
        parts.health.succeeded(model)
        paid = self.till.pay(held, card, reply.usage, is_batch=asked.wishes.can_wait)
        self.note(model, held, reply, paid, purpose, first_ms=answer.first_ms, total_ms=answer.total_ms)
        return Tried(model, answer.body, protocol, reply)

    def failed(
        self, model: str, held: Held, error: UpstreamError, purpose: Purpose = "answer", status: int | None = None
    ) -> None:
        """Settle and note an attempt that gave no answer."""
        self.parts.health.failed(model, error)
        if error.is_unbilled:
            self.till.release(held, was_sent=error.status is not None)
        else:
            self.till.presume(held)
        self.course.attempts.append(
            Attempt(
                model,
                "failed",
                purpose,
                hold_id=held.hold_id,
                held_nanousd=held.held_nanousd,
                cost_nanousd=0 if error.is_unbilled else None,
                status=error.status or status,
                error=error.code,
            )
        )

    def note(
        self,
        model: str,
        held: Held,
        reply: Reply,
        cost_nanousd: int | None,
        purpose: Purpose = "answer",
        *,
        first_ms: float | None = None,
        total_ms: float | None = None,
        error: UpstreamError | None = None,
    ) -> None:
        """Note an attempt that was answered, if only in part."""
        usage = reply.usage
        self.course.attempts.append(
            Attempt(
                model,
                "answered" if error is None else "cut",
                purpose,
                hold_id=held.hold_id,
                held_nanousd=held.held_nanousd,
                cost_nanousd=cost_nanousd,
                input_tokens=usage.input_tokens if usage else None,
                output_tokens=usage.output_tokens if usage else None,
                cached_tokens=usage.cached_read_tokens if usage else 0,
                latency_ms=total_ms,
                first_ms=first_ms,
                status=200,
                error=None if error is None else error.code,
            )
        )
