"""From a chat to the task that is routed, and to what is changed in the chat on its way to the provider."""

from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.chat import Edit, caches_for_an_hour, input_bound, input_estimate
from pointsman.conversation import needs, routed
from pointsman.gateway.asked import Asked
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
    instruction: str | None = None
    tokens_saved: int = 0
    words: Mapping[str, str] = {}

    def edit(self, upstream_name: str, max_output_tokens: int) -> Edit:
        """Return the changes for one model."""
        return Edit(upstream_name, max_output_tokens, self.dropped, self.shortened, self.instruction)


def planned(asked: Asked, parts: Parts) -> Plan:
    """Return the plan of a request.

    Raises:
        InvalidTask, InvalidChat: nothing in it can be routed, or a wish can't be used.
    """
    chat, wishes = asked.chat, asked.wishes
    read = routed(chat)
    call = Call(
        most_input_tokens=input_bound(chat, asked.body_bytes),
        max_output_tokens=chat.max_output_tokens,
        answers=chat.answers,
        caches_for_an_hour=caches_for_an_hour(chat),
        is_batch=wishes.can_wait,
    )
    task = Task(
        read.text,
        type=wishes.type,
        budget_usd=wishes.budget_usd,
        constraints=_constraints(asked, parts),
        tags=asked.tags,
        call=call,
    )
    return Plan(task)


def _constraints(asked: Asked, parts: Parts) -> Constraints:
    """Return what the caller asks for, and what the chat needs besides."""
    given, chat = asked.wishes.constraints, asked.chat
    return msgspec.structs.replace(
        given,
        capabilities=tuple(dict.fromkeys((*given.capabilities, *needs(chat)))),
        models=given.models if asked.pinned is None else (asked.pinned,),
        exclude=(*given.exclude, *_closed(asked, parts)),
        input_tokens=input_estimate(chat),
    )


def _closed(asked: Asked, parts: Parts) -> tuple[str, ...]:
    """Return the models whose circuit is open; a model that the caller names is tried all the same."""
    if asked.pinned is not None:
        return ()
    return tuple(model for model in parts.fleet.ids if parts.health.is_open(model))
