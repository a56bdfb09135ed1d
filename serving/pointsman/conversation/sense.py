"""Which text of a conversation is the task: what people wrote, with what a short follow-up goes on from."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from pointsman.chat import Chat, Turn
from pointsman.conversation.boilerplate import Boilerplate
from pointsman.conversation.followups import asks, standing
from pointsman.conversation.harnesses import HARNESSES
from pointsman.conversation.standing_task import standing_task, takes_whatever_comes

Reading = Literal["request", "follow_up", "standing", "nothing"]

MOST_CHARACTERS: Final = 200_000
"""Of a longer text its two ends are read, half of this each."""
MOST_READ: Final = 1_000_000
"""No turn is read before the last so many characters that users sent."""
_ONLY_IMAGES: Final = "Look at the image and answer."
_NOTHING: Final = "Go on."


class Routed(msgspec.Struct, frozen=True):
    """The text that is routed, and how it was found.

    `reading` is "request" where the last thing a person wrote is the task; "follow_up" where that goes on from an
    earlier request, which `text` then begins with; "standing" where the system prompt gives the task; "nothing" where
    no person wrote anything, so that `text` is the harness's own. `place` is the message that the demand comes from,
    None for "nothing". `in_tools` says that the conversation waits for what follows tool results. `rules` took
    boilerplate off what was read.
    """

    text: str
    reading: Reading
    place: int | None = None
    in_tools: bool = False
    rules: tuple[str, ...] = ()

    @property
    def follow_up(self) -> bool:
        """Whether the demand is inherited."""
        return self.reading == "follow_up"


class _Written(msgspec.Struct, frozen=True):
    """What a person wrote in one turn; `is_answer`: the assistant had asked something."""

    text: str
    place: int | None
    is_answer: bool
    rules: tuple[str, ...]


def routed(chat: Chat, rules: Boilerplate = HARNESSES) -> Routed:
    """Return the text that is routed; it is never blank, and reading stops at the request it comes from."""
    in_tools = bool(chat.turns) and bool(chat.turns[-1].answers)
    written = _written(chat, rules)
    last = next(written, None)
    if last is None:
        return _nothing(chat, in_tools)
    system = "" if chat.has_tools else "\n".join(turn.text for turn in chat.turns if turn.role == "system")
    kind = standing(last.text, last.is_answer)
    if kind == "follow_up" and not takes_whatever_comes(system):
        for earlier in written:
            if standing(earlier.text, earlier.is_answer) == "request":
                text = f"{earlier.text}\n\n{last.text}"
                return Routed(text, "follow_up", earlier.place, in_tools, _merged(last.rules, earlier.rules))
    task = standing_task(system, last.text)
    if task is not None:
        return Routed(f"{task}\n\n{last.text}", "standing", last.place, in_tools, last.rules)
    return Routed(last.text, "request", last.place, in_tools, last.rules)


def needs(chat: Chat) -> tuple[str, ...]:
    """Return what a model must be able to do for this chat, of `types.CAPABILITIES`: for `Constraints`.

    Tools are needed where the chat offers some, and where it has called some before: the provider refuses their calls
    and answers of a model that can't drive tools.
    """
    has_tools = chat.has_tools or any(turn.calls or turn.answers for turn in chat.turns)
    wanted = {"vision": chat.images > 0, "tools": has_tools, "json_mode": chat.wants_json}
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def _written(chat: Chat, rules: Boilerplate) -> Iterator[_Written]:
    """Yield what people wrote, newest first; turns of nothing but boilerplate and tool results are passed over."""
    left = MOST_READ
    for index in range(len(chat.turns) - 1, -1, -1):
        turn = chat.turns[index]
        if turn.role != "user" or left <= 0:
            continue
        texts = [_ends(text) for text in _texts(chat, turn)]
        left -= sum(map(len, texts))
        stripped = rules.stripped(*texts)
        if stripped.text.strip():
            before = chat.turns[index - 1] if index else None
            is_answer = before is not None and before.role == "assistant" and asks(before.text)
            yield _Written(stripped.text.strip(), turn.place, is_answer, stripped.rules)


def _ends(text: str) -> str:
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]}\n{text[-half:]}"


def _texts(chat: Chat, turn: Turn) -> list[str]:
    """Return the texts of a user's message part by part, without the tool results among them."""
    messages = chat.body.get("messages")
    if turn.place is None or not isinstance(messages, list) or turn.place >= len(messages):
        return [turn.text]
    content = messages[turn.place].get("content") if isinstance(messages[turn.place], Mapping) else None
    if not isinstance(content, list):
        return [turn.text]
    parts = [part for part in content if isinstance(part, Mapping) and part.get("type") in ("text", "input_text")]
    return [part["text"] for part in parts if isinstance(part.get("text"), str)]


def _nothing(chat: Chat, in_tools: bool) -> Routed:
    spoken = [turn.text for turn in chat.turns if turn.role != "tool" and turn.text.strip()]
    return Routed(spoken[-1] if spoken else _ONLY_IMAGES if chat.images else _NOTHING, "nothing", None, in_tools)


def _merged(*rules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in rules for name in each))
