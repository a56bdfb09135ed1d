"""Texts that are judged: every judge's call runs as a request of its own, held, billed, budgeted and logged."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from pointsman.access import ANONYMOUS, Principal
from pointsman.chat import Chat, Reply
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.gateway.asked import Asked, Wishes
from pointsman.gateway.course import Course
from pointsman.gateway.engine import Engine
from pointsman.gateway.planning import planned
from pointsman.money import usd
from pointsman.outcomes import Outcome
from pointsman.treasury.settling import refuse_voided
from pointsman.types import Constraints
from pointsman.verification import GENERAL_RUBRIC, Method, Rubric, Verdict, rubric_prompt
from pointsman.verification import evaluate as judged
from pointsman.verification.council import MAX_JUDGES

_NO_TAGS: Final[Mapping[str, str]] = {}


class Evaluation(msgspec.Struct, frozen=True):
    """What is judged, by what and by whom.

    `judges` are models of the fleet, or how many the router is to choose; those in `exclude` it leaves out, as it does
    the model that decision `decision_id` chose. The score is stored as an outcome of that decision. `question` is what
    the text answers. `tags` (project, agent) say what the calls count for.
    """

    text: str
    rubric: Rubric = GENERAL_RUBRIC
    question: str | None = None
    judges: tuple[str, ...] | int = 1
    method: Method = "median"
    decision_id: str | None = None
    exclude: tuple[str, ...] = ()
    tags: Mapping[str, str] = _NO_TAGS


class Evaluated(msgspec.Struct, frozen=True):
    """What judges say of a text, and what asking them cost.

    `score` and `disagreement`, the mean distance of two judges, are in [0, 1]. `by_judge` are the scores of those who
    gave one, `by_criterion` means over them; `refused` says why others gave none. `judge` is the name under which an
    outcome was stored, if `is_stored`. `cost_nanousd` is all judges together, failed ones included.
    """

    score: float
    disagreement: float
    method: Method
    judge: str
    by_judge: Mapping[str, float]
    by_criterion: Mapping[str, float]
    refused: Mapping[str, str]
    cost_nanousd: int
    cost_usd: float
    is_stored: bool


async def evaluate(
    engine: Engine,
    evaluation: Evaluation,
    who: Principal = ANONYMOUS,
    spent: Callable[[int], None] | None = None,
) -> Evaluated:
    """Ask judges to score a text by a rubric, all at once, and store the score where a decision is named.

    `spent` is told the tokens that each judge used.

    Raises:
        InvalidInput: no text, no judges, one twice or too many, or fewer that can judge than the router is to choose.
        UnknownModel: a judge that the fleet doesn't have; nobody was asked.
        UnknownHold, HoldConflict: the decision held no money, or was voided; nobody was asked.
        PointsmanError: no judge gave scores: the first judge's error.
    """
    author = None if evaluation.decision_id is None else await _author(engine, evaluation.decision_id, who)
    judges = _judges(engine, evaluation, who, author)
    courses: list[Course] = []

    async def ask(_: str, chat: Chat) -> Reply:
        course = engine.begun(msgspec.structs.replace(_asked(chat, evaluation, who), spent=spent))
        courses.append(course)
        await engine.concluded(course, engine.tried(course))
        assert course.reply is not None
        return course.reply

    verdict = await judged(
        evaluation.text, evaluation.rubric, judges, ask, evaluation.method, question=evaluation.question
    )
    if evaluation.decision_id is not None:
        await _store(engine, evaluation.decision_id, verdict, who)
    cost = sum(course.cost_nanousd for course in courses)
    return Evaluated(
        **msgspec.structs.asdict(verdict),
        judge=verdict.judge,
        cost_nanousd=cost,
        cost_usd=usd(cost),
        is_stored=evaluation.decision_id is not None,
    )


def _asked(chat: Chat, evaluation: Evaluation, who: Principal, exclude: Sequence[str] = ()) -> Asked:
    wishes = Wishes(tags=evaluation.tags, constraints=Constraints(exclude=tuple(exclude)))
    return Asked(chat, len(msgspec.json.encode(chat.body)), who, wishes, "evaluate")


async def _author(engine: Engine, decision_id: str, who: Principal) -> str:
    """Return the model that a decision chose, once it is sure that an outcome can be stored for it."""
    hold = await asyncio.to_thread(engine.parts.tenants.treasury_of(who.tenant).hold_of, decision_id)
    refuse_voided(hold)
    return hold.model


async def _store(engine: Engine, decision_id: str, verdict: Verdict, who: Principal) -> None:
    outcome = Outcome(decision_id, quality=verdict.score, judge=verdict.judge)
    await asyncio.to_thread(engine.parts.tenants.of(who.tenant).settle, outcome)


def _judges(engine: Engine, evaluation: Evaluation, who: Principal, author: str | None) -> tuple[str, ...]:
    """Return the judges that are named, or those that the router would choose first for judging."""
    fleet, wanted = engine.parts.fleet, evaluation.judges
    if not isinstance(wanted, int):
        for judge in wanted:
            fleet.card(judge)
        return wanted
    if not 1 <= wanted <= MAX_JUDGES:
        raise InvalidInput(f"judges is {wanted}; expected 1 to {MAX_JUDGES}, or a list of models.", field="judges")
    exclude = {*evaluation.exclude, *([author] if author in fleet.ids else [])}
    if len(exclude) >= len(fleet.ids):
        raise _too_few(wanted, ())
    prompt = rubric_prompt("auto", evaluation.text, evaluation.rubric, evaluation.question)
    plan = planned(_asked(prompt, evaluation, who, sorted(exclude)), engine.parts)
    decision = engine.parts.tenants.unpaid.route(plan.task)
    able = (decision.model, *decision.fallbacks)
    if len(able) < wanted:
        raise _too_few(wanted, able)
    return able[:wanted]


def _too_few(wanted: int, able: Sequence[str]) -> PointsmanError:
    return InvalidInput(
        f"judges is {wanted}, and {', '.join(able) or 'no model'} can judge this; ask for fewer, or name models.",
        field="judges",
    )
