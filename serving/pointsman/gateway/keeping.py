"""Answers that were given before: looked up before a request is routed, kept after it was answered."""

import msgspec

from pointsman.caching.words import Answer
from pointsman.chat import read_reply
from pointsman.errors import PointsmanError
from pointsman.gateway.asked import NO_WISHES, Asked, Wishes
from pointsman.gateway.attempting import Tried
from pointsman.gateway.course import Course
from pointsman.gateway.parts import Parts
from pointsman.gateway.planning import planned
from pointsman.types import ANYTHING, Decision


def found(course: Course) -> Tried | None:
    """Return the answer that was given to the same request, or to one that means the same; None where none was.

    Raises:
        NotCached: there is none, and the caller wants no other.
    """
    asked, answers = course.asked, course.parts.answers
    if answers is None:
        return None
    wishes = asked.wishes
    known = answers.lookup(
        asked.chat, asked.who.tenant, wishes.cache_control or None, constraints=constraints_of(wishes)
    )
    course.cache = "miss" if known is None else known.kind
    if known is None:
        return None
    reply = read_reply(known.protocol, known.body)
    course.decision = _read(course)
    course.reused(known.model, msgspec.structs.replace(reply, usage=known.usage))
    return Tried(known.model, known.body, known.protocol, reply, 0)


def _read(course: Course) -> Decision | None:
    """Return how the request would be routed, without money: what the answer says of complexity and confidence."""
    try:
        return course.parts.tenants.unpaid.route(planned(course.asked, course.parts).task)
    except PointsmanError:
        return None


def place(asked: Asked, parts: Parts) -> bytes | None:
    """Return what requests share of which one answer will do for all; None where each needs its own."""
    if parts.answers is None:
        return None
    wishes = asked.wishes
    header, constraints = wishes.cache_control or None, constraints_of(wishes)
    return parts.answers.place(asked.chat, asked.who.tenant, header, constraints=constraints)


def keep(course: Course, tried: Tried) -> None:
    """Keep an answer, where it may be."""
    asked, answers = course.asked, course.parts.answers
    if answers is None:
        return
    answer = Answer(tried.body, tried.protocol, tried.model, tried.reply.usage, tried.cost_nanousd, course.at_us)
    wishes = asked.wishes
    tenant = asked.who.tenant
    header, constraints = wishes.cache_control or None, constraints_of(wishes)
    answers.put(asked.chat, tenant, answer, tried.reply, header, constraints=constraints)


def constraints_of(wishes: Wishes) -> str:
    """Return what bears on the choice of a model beside the chat itself, as one text."""
    if wishes is NO_WISHES:
        return ""
    said = (wishes.type, wishes.budget_usd, None if wishes.constraints == ANYTHING else wishes.constraints)
    return "" if not any(said) else msgspec.json.encode(said, order="deterministic").decode()
