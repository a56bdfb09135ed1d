"""One attempt: money is held, the model is called, the bill is posted. Whole answers."""

from typing import Final

import msgspec

from pointsman.chat import (
    Chat,
    Edit,
    Protocol,
    Reply,
    believed,
    input_bound,
    read_reply,
    whole_chat,
    wire_body,
)
from pointsman.chat.wire import BATCH_TIER
from pointsman.errors import UpstreamError
from pointsman.events import Attempt, Purpose
from pointsman.gateway.course import Course
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import Plan, hour_models
from pointsman.gateway.till import Held, Till
from pointsman.types import Call, Decision

_BAD_REQUEST: Final = 400
_TOO_MANY: Final = 429


class Tried(msgspec.Struct, frozen=True):
    """An answer at hand, in its provider's protocol."""

    model: str
    body: bytes
    protocol: Protocol
    reply: Reply
    cost_nanousd: int


class Attempting:
    """Makes the attempts of one request, and notes each in its course."""

    def __init__(self, parts: Parts, course: Course, plan: Plan, till: Till) -> None:
        self.parts, self.course, self.plan, self.till = parts, course, plan, till
        self._full_price: set[str] = set()

    @property
    def chat(self) -> Chat:
        """What the caller asks."""
        return self.course.asked.chat

    @property
    def decision(self) -> Decision:
        """What was decided: the models to ask, in their order."""
        return self.till.decision

    def believed(self, reply: Reply) -> Reply:
        """Return an answer to the caller's chat, without its usage where that can't be true."""
        gone, turns = self.plan.dropped | self.plan.shortened.keys(), self.chat.turns
        return believed(reply, sum(len(turn.text) for turn in turns if turn.place not in gone))

    async def answer(self, model: str) -> Tried:
        """Return the whole answer of a model to the caller's chat.

        Raises:
            LedgerError: its cost may not be held; nothing was sent.
            InvalidChat: the chat can't be said in the provider's protocol; nothing was sent.
            UpstreamError: it gave none; what it may have billed is posted.
        """
        self.admit(model)
        try:
            return await self._asked(model, "answer")
        except UpstreamError as error:
            if not self.refuses_batch(model, error):
                raise
        self._full_price.add(model)
        return await self._asked(model, "answer")

    async def again(self, model: str) -> Tried:
        """Return another answer of a model to the caller's chat, to be compared. Raises as `answer`."""
        return await self._asked(model, "sample")

    async def aside(self, model: str, chat: Chat, purpose: Purpose) -> Tried:
        """Return a model's answer to another chat that this request needs, such as a judge's. Raises as `answer`."""
        call = Call(
            most_input_tokens=input_bound(chat, len(msgspec.json.encode(chat.body))),
            max_output_tokens=chat.max_output_tokens,
            hour_models=hour_models(chat, self.parts),
        )
        self.admit(model)
        held = await self.till.hold(self.parts.card(model), call)
        edit = Edit(self.parts.where[model].upstream_name, held.max_output_tokens)
        return await self._sent(model, held, self.body(model, chat, edit, held), purpose)

    def asks_batch(self, model: str) -> bool:
        """Return whether a model is asked for at its batch price: where the request can wait, until it refuses."""
        can_wait = self.course.asked.can_wait
        return can_wait and model not in self._full_price and self.parts.has_batch_price(model)

    def refuses_batch(self, model: str, error: UpstreamError) -> bool:
        """Return whether a model refuses its batch price, where there is no capacity for it or it has none."""
        if not (error.is_unbilled and self.asks_batch(model)):
            return False
        return error.status == _TOO_MANY or (error.status == _BAD_REQUEST and "service_tier" in error.message)

    def edit(self, model: str, held: Held) -> Edit:
        """Return the changes in the caller's chat on its way to a model."""
        name = self.parts.where[model].upstream_name
        return self.plan.edit(name, held.max_output_tokens, is_batch=self.asks_batch(model))

    def pay(self, model: str, held: Held, reply: Reply) -> int | None:
        """Post what an answer costs; at the batch price where its provider says that it served it so."""
        is_batch = reply.tier == BATCH_TIER and self.parts.has_batch_price(model)
        return self.till.pay(held, self.parts.card(model), reply, is_batch=is_batch)

    def admit(self, model: str) -> None:
        """Refuse a model whose circuit is open, unless the caller named it.

        Raises:
            UpstreamError: the circuit is open; nothing was sent.
        """
        if self.course.asked.pinned is None and not self.parts.health.admits(model):
            raise UpstreamError(f"{model} kept failing and isn't tried just now.", is_unbilled=True)

    async def held(self, model: str) -> Held:
        """Return the money for an attempt on this model.

        Raises:
            LedgerError: there is no room for it, or nobody can tell.
        """
        try:
            return await self.till.hold(self.parts.card(model))
        except BaseException:
            self.parts.health.not_called(model)
            raise

    def body(self, model: str, chat: Chat, edit: Edit, held: Held) -> bytes:
        """Return what is sent.

        Raises:
            InvalidChat: the chat can't be said in the provider's protocol; what was held is let go.
        """
        try:
            return wire_body(chat, self.parts.protocol(model), edit)
        except BaseException:
            self.parts.health.not_called(model)
            self.till.release(held, was_sent=False)
            raise

    async def _asked(self, model: str, purpose: Purpose) -> Tried:
        held = await self.held(model)
        return await self._sent(
            model, held, self.body(model, whole_chat(self.chat), self.edit(model, held), held), purpose
        )

    async def _sent(self, model: str, held: Held, body: bytes, purpose: Purpose) -> Tried:
        parts, protocol = self.parts, self.parts.protocol(model)
        started, status = parts.clock(), None
        try:
            answer = await parts.upstreams.complete(parts.where[model].provider, body, self.course.asked.headers)
            status = answer.status
            reply = read_reply(protocol, answer.body)
        except UpstreamError as error:
            self.failed(model, held, error, purpose, status)
            raise
        except BaseException:
            self.parts.health.not_called(model)
            self.till.presume(held)
            raise
        finally:
            self.course.upstream_s += parts.clock() - started
        parts.health.succeeded(model)
        reply = reply if purpose == "judge" else self.believed(reply)
        paid = self.pay(model, held, reply)
        self.note(model, held, reply, paid, purpose, first_ms=answer.first_ms, total_ms=answer.total_ms)
        return Tried(model, answer.body, protocol, reply, held.held_nanousd if paid is None else paid)

    def failed(
        self, model: str, held: Held, error: UpstreamError, purpose: Purpose = "answer", status: int | None = None
    ) -> None:
        """Settle and note an attempt that gave no answer."""
        if self.refuses_batch(model, error):
            self.parts.health.not_called(model)
        else:
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
