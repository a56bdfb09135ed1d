"""Runs chats: decides, holds, calls, falls back, settles. Whole answers; `streaming` has those sent piece by piece."""

import msgspec

from pointsman.chat import translated_reply
from pointsman.errors import InvalidChat, LedgerError, PointsmanError, UpstreamError, http_status
from pointsman.gateway.asked import Asked
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.gateway.course import Course
from pointsman.gateway.health import is_callers_fault
from pointsman.gateway.later import Later
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import planned
from pointsman.gateway.till import Till


class Answered(msgspec.Struct, frozen=True):
    """A whole answer in the caller's protocol, what there is to say of it by header without prefix, and its course."""

    body: bytes
    facts: dict[str, str]
    course: Course


class Executor:
    """Runs chats on the parts of a gateway. Use it from one event loop; `close` before that ends."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.later = Later()

    async def answer(self, asked: Asked) -> Answered:
        """Return the answer of the chosen model, or of the first fallback that gives one.

        Raises:
            InvalidInput, UnknownModel, NoEligibleModel: it can't be routed.
            BudgetExceeded, FrozenScope, LedgerUnavailable: it may not be paid.
            UpstreamError: no provider gave an answer.
        """
        parts = self.parts
        course = self.begun(asked)
        try:
            body = await self._body(course)
        except PointsmanError as error:
            course.error, course.status = error.code, http_status(error)
            raise
        finally:
            self.ended(course)
        return Answered(body, course.facts(parts.clock()), course)

    def begun(self, asked: Asked) -> Course:
        """Return the course of a request that comes in."""
        return Course(asked, self.parts.clock(), self.parts.wall_us())

    def ended(self, course: Course) -> None:
        """Write a request into the log."""

    async def decided(self, course: Course) -> Attempting:
        """Decide and hold; return what makes the attempts.

        Raises:
            PointsmanError: it can't be routed, or may not be paid; nothing is held.
        """
        parts, asked = self.parts, course.asked
        plan = planned(asked, parts)
        course.tokens_saved += plan.tokens_saved
        course.words.update(plan.words)
        decision = await parts.router_of(asked.who.tenant).route_async(plan.task)
        course.decision = decision
        treasury = parts.router_of(asked.who.tenant).treasury
        assert treasury is not None
        return Attempting(parts, course, plan, Till(treasury, plan.task, decision, self.later))

    async def _body(self, course: Course) -> bytes:
        attempting = await self.decided(course)
        try:
            tried = await first_answer(attempting, course)
        finally:
            attempting.till.close()
        course.ended_by(tried.model, tried.reply, self.parts.fleet)
        if tried.protocol == course.asked.chat.protocol:
            return tried.body
        return translated_reply(tried.body, tried.protocol, course.asked.chat.protocol, tried.model)


def falls_back(error: UpstreamError) -> bool:
    """Return whether another model may take what this one refused: not where the request itself is wrong."""
    return not is_callers_fault(error) or error.upstream_code == "context_length_exceeded"


async def first_answer(attempting: Attempting, course: Course) -> Tried:
    """Return the answer of the chosen model, or of the first fallback that gives one.

    Raises:
        PointsmanError: the last provider's error where none gave one; a request that none would take isn't sent on.
    """
    decision = course.decision
    assert decision is not None
    failure: PointsmanError | None = None
    for model in (decision.model, *decision.fallbacks):
        try:
            return await attempting.whole(model, course.asked)
        except UpstreamError as error:
            failure = error
            if not falls_back(error):
                break
        except (InvalidChat, LedgerError) as error:
            failure = failure or error
    assert failure is not None
    raise failure
