"""Runs chats: decides, holds, calls, falls back, settles. Whole answers; `streaming` has those sent piece by piece."""

import asyncio
from collections.abc import Awaitable
from typing import Final

import msgspec

from pointsman.chat import translated_reply
from pointsman.errors import PointsmanError, http_status
from pointsman.gateway.asked import Asked
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.gateway.cascading import Cascading
from pointsman.gateway.course import Course
from pointsman.gateway.deciding import Deciding
from pointsman.gateway.falling_back import first_of
from pointsman.gateway.keeping import found, keep
from pointsman.gateway.later import Later
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import Plan, planned
from pointsman.gateway.rollout import rolled_out
from pointsman.gateway.till import Till
from pointsman.gateway.waiting import Waiting
from pointsman.types import Decision

CALLER_LEFT: Final = 499
"""The status in the log of a request that nobody waited for to its end, as nginx writes it."""


class Answered(msgspec.Struct, frozen=True):
    """A whole answer in the caller's protocol, what there is to say of it by header without prefix, and its course."""

    body: bytes
    facts: dict[str, str]
    course: Course


class Engine:
    """Runs chats on the parts of a gateway. Use it from one event loop, within `running`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.later = Later()
        self.deciding = Deciding(self.later)
        self.waiting = Waiting(self)

    async def answer(self, asked: Asked) -> Answered:
        """Return an answer: one that was given before, the chosen model's, or that of the first fallback to give one.

        Raises:
            InvalidInput, UnknownModel, NoEligibleModel: it can't be routed.
            BudgetExceeded, FrozenScope, LedgerUnavailable: it may not be paid.
            Overloaded: it can wait, and too many do.
            UpstreamError: no provider gave an answer.
        """
        course = self.begun(asked)
        concluded = self.concluded(course, self.tried(course))
        return await (self.waiting.attended(concluded) if asked.can_wait else concluded)

    async def concluded(self, course: Course, tried: Awaitable[Tried]) -> Answered:
        """Return what was tried as an answer to the caller, and write the request into the log. Raises as `answer`."""
        try:
            body = said(await tried, course.asked)
        except PointsmanError as error:
            course.error, course.status = error.code, http_status(error)
            raise
        except asyncio.CancelledError:
            course.error, course.status = "cancelled", CALLER_LEFT
            raise
        finally:
            self.ended(course)
        return Answered(body, course.facts(self.parts.clock()), course)

    def begun(self, asked: Asked) -> Course:
        """Return the course of a request that comes in.

        Raises:
            Forbidden: it names another payer than its key does.
        """
        parts = self.parts
        return Course(rolled_out(asked, parts), parts, asked.tags, parts.clock(), parts.wall_us())

    def ended(self, course: Course) -> None:
        """Write a request into the log, and say what it used."""
        if course.asked.spent is not None:
            course.asked.spent(course.tokens)
        if course.parts.log is not None:
            course.parts.log.add(course.event(self.parts.clock()))

    async def tried(self, course: Course) -> Tried:
        """Return the answer to a request, in its provider's protocol. Raises as `answer`."""
        if course.asked.can_wait:
            return await self.waiting.tried(course)
        if (known := found(course)) is not None:
            return known
        return await self.carried_out(course, await self.decided(course))

    async def carried_out(self, course: Course, attempting: Attempting) -> Tried:
        """Return the answer to a request that was decided. Raises as `answer`."""
        try:
            if course.is_cascade:
                tried = await Cascading(attempting, course.parts.router.trade_usd).answer()
            else:
                tried = await first_of(attempting.decision, attempting.answer)
        finally:
            attempting.till.close()
        course.ended_by(tried.model, tried.reply)
        keep(course, tried)
        return tried

    async def decided(self, course: Course) -> Attempting:
        """Decide and hold; return what makes the attempts.

        Raises:
            PointsmanError: it can't be routed, or may not be paid; nothing is held.
        """
        plan = self.plan(course)
        decision = await self.deciding.decision(course.parts.tenants.of(course.asked.who.tenant), plan.task)
        return self.attempting(course, plan, decision)

    def plan(self, course: Course) -> Plan:
        """Return what is routed and sent. Raises as `planned`."""
        plan = planned(course.asked, course.parts)
        course.planned(plan)
        return plan

    def attempting(self, course: Course, plan: Plan, decision: Decision) -> Attempting:
        """Return what makes the attempts of a decision."""
        course.decision = decision
        treasury = course.parts.tenants.treasury_of(course.asked.who.tenant)
        return Attempting(course.parts, course, plan, Till(treasury, plan.task, decision, self.later))


def said(tried: Tried, asked: Asked) -> bytes:
    """Return the answer's body in the caller's protocol."""
    if tried.protocol == asked.chat.protocol:
        return tried.body
    return translated_reply(tried.body, tried.protocol, asked.chat.protocol, tried.model)
