"""One judge or several score a text by a rubric; the caller makes the calls, so that their cost is in its budgets."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import combinations
from typing import Final, Literal, get_args

import msgspec

from pointsman.chat import Chat, Reply
from pointsman.errors import InvalidInput, PointsmanError, UpstreamError
from pointsman.verification.judging import read_scores, rubric_prompt
from pointsman.verification.rubrics import Rubric

Method = Literal["mean", "median", "majority"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
Ask = Callable[[str, Chat], Awaitable[Reply]]
"""Calls a model with a chat; raises PointsmanError where that fails."""

MAX_JUDGES: Final = 9
PASS_MARK: Final = 0.5
"""A judge votes for a text that it scores at this or above."""

_MAX_NAME: Final = 255
_Found = dict[str, float] | str | PointsmanError


class Verdict(msgspec.Struct, frozen=True):
    """What judges say of a text: `score`, and how far two of them are apart on average, both in [0, 1].

    `by_judge` are the scores of those who gave one, `by_criterion` means over them; `refused` says why others gave
    none: the code of an error, or of what was wrong with the reply ("off_scale").
    """

    score: float
    disagreement: float
    by_judge: Mapping[str, float]
    by_criterion: Mapping[str, float]
    refused: Mapping[str, str]
    method: Method

    @property
    def judge(self) -> str:
        """Who judged, as outcomes name it: "gpt-4o", "council:median(gpt-4o,o3)"; at most 255 characters."""
        names = sorted(self.by_judge)
        if len(names) == 1:
            return names[0][:_MAX_NAME]
        name = f"council:{self.method}({','.join(names)})"
        return name if len(name) <= _MAX_NAME else f"council:{self.method}({len(names)} judges)"


def aggregate(scores: Mapping[str, float], method: Method) -> tuple[float, float]:
    """Return the score and the disagreement of judges' scores, each in [0, 1].

    "majority" is 1 where more than half of the judges pass the text, 0 where fewer do, 0.5 on a tie. Disagreement is
    the mean distance of two judges; 0 for one.

    Raises:
        InvalidInput: no scores, one out of range, or no such method.
    """
    if method not in METHODS:
        raise InvalidInput(f"method is {method!r:.40}; expected one of {', '.join(METHODS)}.", field="method")
    values = list(scores.values())
    if not values or not all(0 <= value <= 1 for value in values):
        raise InvalidInput(f"there are {len(values)} scores; expected one at least, all from 0 to 1.", field="scores")
    distances = [abs(one - other) for one, other in combinations(values, 2)]
    disagreement = statistics.fmean(distances) if distances else 0.0
    if method == "majority":
        margin = 2 * sum(value >= PASS_MARK for value in values) - len(values)
        return (0.5 if not margin else float(margin > 0)), disagreement
    return (statistics.fmean(values) if method == "mean" else statistics.median(values)), disagreement


async def evaluate(
    text: str,
    rubric: Rubric,
    judges: Sequence[str],
    ask: Ask,
    method: Method = "median",
    *,
    question: str | None = None,
) -> Verdict:
    """Return what judges say of a text, all asked at once.

    A judge whose call fails, or whose reply can't be read, is reported and doesn't count.

    Raises:
        InvalidInput: no text, no judges, one twice or too many, or no such method.
        PointsmanError: no judge gave scores: the first judge's error, or UpstreamError where it replied.
    """
    _check(text, judges, method)
    answers = await _asked(judges, lambda judge: _scored(text, rubric, judge, ask, question))
    shares = {judge: found for judge, found in zip(judges, answers, strict=True) if isinstance(found, dict)}
    failures = {judge: found for judge, found in zip(judges, answers, strict=True) if not isinstance(found, dict)}
    if not shares:
        raise _nobody_judged(failures)
    by_judge = {judge: rubric.total(found) for judge, found in shares.items()}
    score, disagreement = aggregate(by_judge, method)
    return Verdict(
        score=score,
        disagreement=disagreement,
        by_judge=by_judge,
        by_criterion={
            one.name: statistics.fmean(found[one.name] for found in shares.values()) for one in rubric.criteria
        },
        refused={judge: why if isinstance(why, str) else why.code for judge, why in failures.items()},
        method=method,
    )


def _check(text: str, judges: Sequence[str], method: str) -> None:
    if not text.strip():
        raise InvalidInput("the text is empty; expected something to judge.", field="text")
    if not 1 <= len(judges) <= MAX_JUDGES or len(set(judges)) < len(judges):
        raise InvalidInput(
            f"judges are {list(judges)!r:.200}; expected 1 to {MAX_JUDGES} different models.", field="judges"
        )
    if method not in METHODS:
        raise InvalidInput(f"method is {method!r:.40}; expected one of {', '.join(METHODS)}.", field="method")


async def _scored(
    text: str, rubric: Rubric, judge: str, ask: Ask, question: str | None
) -> dict[str, float] | str | PointsmanError:
    try:
        reply = await ask(judge, rubric_prompt(judge, text, rubric, question))
    except PointsmanError as error:
        return error
    return read_scores(reply.text, rubric)


async def _asked(judges: Sequence[str], score: Callable[[str], Awaitable[_Found]]) -> list[_Found]:
    """Return what each judge found; where one ends in a defect, the others are cancelled first."""
    tasks = [asyncio.ensure_future(score(judge)) for judge in judges]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _nobody_judged(failures: Mapping[str, str | PointsmanError]) -> PointsmanError:
    first = next(iter(failures.values()))
    if isinstance(first, PointsmanError):
        return first
    words = ", ".join(f"{judge}: {why if isinstance(why, str) else why.code}" for judge, why in failures.items())
    return UpstreamError(
        f"no judge gave scores that can be used ({words}); expected a JSON object with a number for each criterion. "
        "Try another judge."
    )
