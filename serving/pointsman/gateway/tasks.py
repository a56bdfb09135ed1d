"""Tasks that are run: a description becomes a chat, its answer comes back as text with what it cost."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from pointsman.access import ANONYMOUS, Principal
from pointsman.chat import read_chat
from pointsman.errors import PointsmanError
from pointsman.gateway.asked import Asked, Wishes
from pointsman.gateway.course import Course
from pointsman.gateway.engine import Engine
from pointsman.money import usd
from pointsman.types import Decision, Task


class Work(msgspec.Struct, frozen=True):
    """A task to run: `system` is a system prompt, `model` one to call instead of routing."""

    task: Task
    system: str | None = None
    model: str = "auto"
    max_output_tokens: int | None = None
    temperature: float | None = None
    can_wait: bool = False


class Executed(msgspec.Struct, frozen=True):
    """What came of a task that was run.

    `finish` says how the answer ended ("stop", "length", ...). `cost_nanousd` is all attempts together; `saved_nanousd`
    is against what the baseline model would have cost for as many tokens, None without a baseline.
    """

    text: str
    model: str
    finish: str
    cost_nanousd: int
    cost_usd: float
    saved_nanousd: int | None
    saved_usd: float | None
    input_tokens: int
    output_tokens: int
    attempts: int
    cache: str
    decision: Decision | None
    task_id: str | None = None


Result = Executed | PointsmanError


def work_of(task: Work | Task | str, *, can_wait: bool = False) -> Work:
    """Return a task, or its text, as work; what can wait may, whichever of the two says so."""
    work = task if isinstance(task, Work) else Work(Task(task) if isinstance(task, str) else task)
    return msgspec.structs.replace(work, can_wait=True) if can_wait else work


async def run(
    engine: Engine, work: Work, who: Principal = ANONYMOUS, spent: Callable[[int], None] | None = None
) -> tuple[Executed, dict[str, str]]:
    """Route a task, run it, and return its answer with what there is to say of it by header, without prefix.

    `spent` is told the tokens that were used.

    Raises:
        PointsmanError: as `Engine.answer`.
    """
    answered = await engine.answer(_asked(work, who, spent))
    return _executed(answered.course, work.task.id), answered.facts


async def execute(engine: Engine, work: Work, who: Principal = ANONYMOUS) -> Executed:
    """Return the answer of a task that is run; see `run`."""
    return (await run(engine, work, who))[0]


async def execute_many(
    engine: Engine,
    works: Sequence[Work],
    who: Principal = ANONYMOUS,
    *,
    concurrency: int = 8,
    spent: Callable[[int], None] | None = None,
) -> list[Result]:
    """Run many tasks; each gets its answer, or the error that kept it from one, in its place.

    So many run at once; those that can wait do so in the gateway's queue, where `batching` says how many run.
    """
    turn = asyncio.Semaphore(concurrency)

    async def one(work: Work) -> Result:
        try:
            async with contextlib.nullcontext() if work.can_wait else turn:
                return (await run(engine, work, who, spent))[0]
        except PointsmanError as error:
            return error

    return list(await asyncio.gather(*(one(work) for work in works)))


def _asked(work: Work, who: Principal, spent: Callable[[int], None] | None) -> Asked:
    task = work.task
    messages = [{"role": "system", "content": work.system}] if work.system else []
    messages.append({"role": "user", "content": task.description})
    body: dict[str, object] = {"model": work.model, "messages": messages}
    if work.max_output_tokens is not None:
        body["max_tokens"] = work.max_output_tokens
    if work.temperature is not None:
        body["temperature"] = work.temperature
    size = sum(len(message["content"].encode()) for message in messages)
    wishes = Wishes(task.type, task.budget_usd, task.constraints, task.tags, can_wait=work.can_wait)
    return Asked(read_chat("openai", body), size, who, wishes, "execute", spent=spent)


def _executed(course: Course, task_id: str | None) -> Executed:
    reply, usage = course.reply, course.usage
    assert reply is not None
    cost = course.cost_nanousd
    saved = None if course.baseline_nanousd is None else course.baseline_nanousd - cost
    return Executed(
        text=reply.text,
        model=course.model or "",
        finish=reply.finish,
        cost_nanousd=cost,
        cost_usd=usd(cost),
        saved_nanousd=saved,
        saved_usd=None if saved is None else usd(saved),
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        attempts=len(course.attempts),
        cache=course.cache,
        decision=course.decision,
        task_id=task_id,
    )
