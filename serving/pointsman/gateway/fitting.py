"""How much of a chat is sent, and how much may come back: what plan, settings and the models' windows allow."""

from collections.abc import Callable
from typing import Final, NamedTuple

from pointsman.budget.exposure import TOKENS_PER_MESSAGE
from pointsman.chat import Chat, input_bound, input_estimate
from pointsman.conversation import conversation_key
from pointsman.conversation.concise import VERSION, instruction
from pointsman.conversation.output import output_limit
from pointsman.conversation.trimming import Trim, trimmed
from pointsman.gateway.asked import Asked
from pointsman.gateway.parts import Parts
from pointsman.types import TASK_TYPES, Task

CHARACTERS_PER_TOKEN: Final = 4
_ANSWER_SHARE: Final = 8
"""An eighth of a window is left for the answer."""


def trim_of(asked: Asked, parts: Parts) -> Trim | None:
    """Return what is left out of a chat that is too long; None where all of it is sent.

    Raises:
        InvalidChat: what has to stay is too long by itself.
    """
    if not parts.trimming.enabled:
        return None
    room, chat, trim = _room(asked, parts), asked.chat, None
    estimate = input_estimate(chat)
    if estimate > room:
        trim = trimmed(chat, room - _beside(chat, estimate, _estimate), _estimate, parts.embed)
    plan = parts.tenants.treasury_of(asked.who.tenant).rules.plan(asked.tags.get("user"))
    most = None if plan is None else plan.max_input_tokens
    if most is not None and (bound := input_bound(chat, asked.body_bytes)) > most:
        tighter = trimmed(chat, most - _beside(chat, bound, _bound), _bound, parts.embed)
        trim = tighter if trim is None or len(tighter.dropped) > len(trim.dropped) else trim
    return None if trim is None or trim.is_untouched else trim


def _room(asked: Asked, parts: Parts) -> int:
    """Return the tokens that may be sent: by the settings, and by the largest window that could take it."""
    models = parts.fleet.ids if asked.pinned is None else (asked.pinned,)
    windows = [parts.card(model).context_tokens for model in models]
    largest = max(windows) - max(windows) // _ANSWER_SHARE
    most = parts.trimming.max_input_tokens
    return largest if most is None else min(most, largest)


def _beside(chat: Chat, tokens: int, count: Callable[[str], int]) -> int:
    """Return what of the tokens isn't the text of messages: tools, and the JSON around it all."""
    return max(0, tokens - sum(count(turn.text) for turn in chat.turns))


def _estimate(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _bound(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + TOKENS_PER_MESSAGE


class Limits(NamedTuple):
    """What an answer is limited to.

    `tokens` is None where nothing limits it. `instruction` shortens it, and `version` names the text in the log, "none"
    for a request that it is compared with; `conversation` is what it was assigned by.
    """

    tokens: int | None
    instruction: str | None = None
    version: str | None = None
    conversation: str | None = None


def answer_limits(asked: Asked, parts: Parts, task: Task) -> Limits:
    """Return what the answer is limited to by caller, task type and predicted length."""
    settings, asked_tokens = parts.output, asked.chat.max_output_tokens
    if not (settings.predicted or settings.max_tokens_by_type or settings.concise):
        return Limits(asked_tokens)
    kind, predicted = _foreseen(parts, task)
    limit = output_limit(settings, kind, asked=asked_tokens, predicted_tokens=predicted)
    if not settings.concise:
        return Limits(limit)
    unit = conversation_key(asked.who.tenant, asked.chat, asked.wishes.conversation)
    words = instruction(kind, settings, unit)
    return Limits(limit, words, VERSION if words else "none", unit)


def _foreseen(parts: Parts, task: Task) -> tuple[str, float]:
    """Return the type of the task, and the length of the longest answer that a model is expected to give."""
    candidates = parts.router.candidates([task], "fast")
    kind = task.type or TASK_TYPES[int(parts.router.predictor.read([task.description], "fast").type.argmax())]
    return kind, float(candidates.output_tokens.max())
