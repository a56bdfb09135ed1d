"""What a router asks of the treasury for one task, and what it gets."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from pointsman.budget import HoldRequest, Limit
from pointsman.budget.exposure import Attempt, Exposure, prompt_bound
from pointsman.registry import ModelCard
from pointsman.types import Task


class Choice(msgspec.Struct, frozen=True):
    """One model that would do, and what it is expected to cost."""

    card: ModelCard
    predicted_nanousd: int


class Ask(msgspec.Struct, frozen=True):
    """A task for which money is to be held: the models that would do, best first.

    `decision_id` is None for a new decision; each further `attempt` of one has a hold of its own.
    """

    task: Task
    type: str
    tier: str
    choices: tuple[Choice, ...]
    decision_id: str | None = None
    attempt: int = 0


class Holding(msgspec.Struct, frozen=True):
    """Money held for the choice at `place`; `affordable` are the places after it that would have fitted too.

    `max_output_tokens` has to be sent with the call: the hold is the most it can cost only with it. `words` say which
    limit the choices before had no room in, None where the first one fitted.
    """

    decision_id: str
    hold_id: str
    held_nanousd: int
    max_output_tokens: int
    expires_at: datetime
    place: int
    affordable: tuple[int, ...]
    words: str | None


class Prepared(msgspec.Struct, frozen=True):
    """An ask with everything that doesn't depend on the choice; `exposures` are in the order of the choices."""

    ask: Ask
    request: HoldRequest
    limits: tuple[Limit, ...]
    exposures: tuple[Exposure, ...]


def prompt_tokens(task: Task) -> int:
    """Return the tokens of the prompt: as the caller counted them, else a number that no tokenizer exceeds."""
    most, given = task.call.most_input_tokens, task.constraints.input_tokens
    if most is not None:
        return most
    return prompt_bound([task.description]) if given is None else given


def attempt_of(task: Task) -> Attempt:
    """Return the call that the task will be, as far as its price needs to know."""
    call = task.call
    asked = task.constraints.max_output_tokens if call.max_output_tokens is None else call.max_output_tokens
    limit = None if asked is None else max(1, asked)
    return Attempt(prompt_tokens(task), limit, call.answers, is_batch=call.is_batch)


def payers(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags as names of payers; blanks around a name don't make another payer."""
    return {kind: name.strip() for kind, name in tags.items() if isinstance(name, str)}
