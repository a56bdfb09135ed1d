"""From a chat to the task that is routed, and to what is changed in the chat on its way to the provider."""

from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.chat import Chat, Edit, caches_for_an_hour, input_bound, input_estimate
from pointsman.conversation import needs, routed
from pointsman.conversation.affinity import cache_saving_nanousd
from pointsman.conversation.trimming import Trim
from pointsman.gateway.asked import Asked
from pointsman.gateway.fitting import Limits, answer_limits, trim_of
from pointsman.gateway.parts import Parts
from pointsman.types import Call, Constraints, Task

_NOTHING: Final[Mapping[int, str]] = {}


class Plan(msgspec.Struct, frozen=True):
    """What is routed, and what is changed in the chat whichever model gets it.

    `words` are told in the answer's headers; `tokens_saved` are input tokens that trimming left out.
    """

    task: Task
    dropped: frozenset[int] = frozenset()
    shortened: Mapping[int, str] = _NOTHING
    limits: Limits = Limits(None)
    tokens_saved: int = 0
    words: Mapping[str, str] = {}

    def edit(self, upstream_name: str, max_output_tokens: int, *, is_batch: bool = False) -> Edit:
        """Return the changes for one model, and whether it is asked for at its batch price."""
        return Edit(upstream_name, max_output_tokens, self.dropped, self.shortened, self.limits.instruction, is_batch)


def planned(asked: Asked, parts: Parts) -> Plan:
    """Return the plan of a request.

    Raises:
        InvalidTask, InvalidChat: nothing in it can be routed, or a wish can't be used.
    """
    chat, wishes = asked.chat, asked.wishes
    trim = trim_of(asked, parts)
    saved = 0 if trim is None else trim.tokens_saved
    task = Task(
        routed(chat, parts.boilerplate).text,
        type=wishes.type,
        budget_usd=wishes.budget_usd,
        constraints=_constraints(asked, parts, saved),
        tags=asked.tags,
    )
    limits = answer_limits(asked, parts, task)
    bound = input_bound(chat, asked.body_bytes) + len((limits.instruction or "").encode())
    call = Call(
        most_input_tokens=bound if trim is None else min(bound, _trimmed_bound(chat, trim)),
        max_output_tokens=limits.tokens,
        answers=chat.answers,
        hour_models=hour_models(chat, parts),
        batch_models=parts.batch_models() if asked.can_wait else (),
        cost_changes_nanousd=_warm(asked, parts),
        is_made_here=True,
    )
    task = msgspec.structs.replace(task, call=call)
    if trim is None:
        return Plan(task, limits=limits)
    told = {} if trim.report is None else {"trimmed": trim.report}
    return Plan(task, trim.dropped, trim.shortened, limits, saved, told)


def hour_models(chat: Chat, parts: Parts) -> tuple[str, ...]:
    """Return the models at which a prompt may be cached for an hour: a translated chat doesn't ask for it."""
    if not caches_for_an_hour(chat):
        return ()
    return tuple(model for model in parts.fleet.ids if parts.protocol(model) == chat.protocol)


def _trimmed_bound(chat: Chat, trim: Trim) -> int:
    """Return a number of tokens that what is left of a chat can't exceed: its bytes, and those of everything else."""
    gone = sum(len(turn.text.encode("utf-8", "surrogatepass")) for turn in chat.turns if turn.place in trim.dropped)
    whole = sum(len(turn.text.encode("utf-8", "surrogatepass")) for turn in chat.turns)
    return input_bound(chat, whole) - gone


def _warm(asked: Asked, parts: Parts) -> dict[str, int]:
    """Return what the prompts that models have cached take off their expected cost."""
    chat = asked.chat
    warm = parts.conversations.warmth(asked.who.tenant, chat) if len(chat.turns) > 1 else {}
    if not warm:
        return {}
    tokens = input_estimate(chat)
    return {name: -cache_saving_nanousd(parts.card(name).price, one, tokens) for name, one in warm.items()}


def _constraints(asked: Asked, parts: Parts, tokens_saved: int) -> Constraints:
    """Return what the caller asks for, and what the chat needs besides."""
    given, chat = asked.wishes.constraints, asked.chat
    return msgspec.structs.replace(
        given,
        capabilities=tuple(dict.fromkeys((*given.capabilities, *needs(chat)))),
        models=given.models if asked.pinned is None else (asked.pinned,),
        exclude=(*given.exclude, *_left_out(asked, parts)),
        input_tokens=max(1, input_estimate(chat) - tokens_saved),
    )


def _left_out(asked: Asked, parts: Parts) -> tuple[str, ...]:
    """Return the models whose circuit is open, and those whose bill for the hour's cache nobody could tell.

    Where no other is left, circuits speak for themselves, and so does whoever holds money. A named model is tried.
    """
    if asked.pinned is not None:
        return ()
    hour = hour_models(asked.chat, parts)
    unpriced = tuple(model for model in hour if not parts.card(model).price.has_hour_rates)
    shut = tuple(model for model in parts.fleet.ids if model not in unpriced and parts.health.is_open(model))
    either = (*unpriced, *shut)
    return next((models for models in (either, unpriced) if len(models) < len(parts.fleet.ids)), ())
