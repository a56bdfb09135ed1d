"""A conversation brought down to a token budget, by leaving out whole steps of it.

What always stays: every system turn, the last user turn and the step after it that the model is to go on from. What
goes together: a call and all its answers; and an exchange's question with the step that ended it, without which no
other step of that exchange stays. So a trimmed chat begins with a user, alternates where the whole one did, and has no
answer without its call.

The newest two exchanges come first. Older ones are taken by recency and, where an embedding is at hand, by likeness to
the last exchange, for as long as they fit. This order doesn't depend on the budget; so of two budgets the greater
never keeps fewer tokens, and what was trimmed once isn't trimmed again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.chat import Chat, Turn
from pointsman.conversation.exchanges import Exchange, exchanges
from pointsman.conversation.shortening import shortened
from pointsman.errors import InvalidChat

Embed = Callable[[Sequence[str]], npt.NDArray[np.floating[Any]]]

TOKENS_PER_MESSAGE: Final = 4
"""What a message costs beside its text: OpenAI's chat format adds three or four."""
TOKENS_PER_IMAGE: Final = 1_600
"""What an image is taken for: about the most that Anthropic counts for one."""
NEWEST: Final = 2
"""So many exchanges before the last are kept before any older one."""
RECENCY: Final = 0.5
"""What being the newest of the older exchanges counts beside a cosine of 1."""


class Trim(msgspec.Struct, frozen=True):
    """What is left out: `dropped` are places in `messages`, `shortened` the text of those that stay in part."""

    tokens_before: int
    tokens_after: int
    messages: int
    dropped: frozenset[int] = frozenset()
    shortened: Mapping[int, str] = {}

    @property
    def is_untouched(self) -> bool:
        """Whether the chat stays as it is."""
        return not self.dropped and not self.shortened

    @property
    def tokens_saved(self) -> int:
        """Tokens that aren't sent."""
        return self.tokens_before - self.tokens_after

    @property
    def report(self) -> str | None:
        """What was cut, in words for a header; None where nothing was."""
        if self.is_untouched:
            return None
        cuts = [f"dropped {len(self.dropped)} of {self.messages} messages"] if self.dropped else []
        cuts += [f"shortened {len(self.shortened)} tool results"] if self.shortened else []
        return f"{', '.join(cuts)}; {self.tokens_after} of {self.tokens_before} tokens sent"


def trimmed(
    chat: Chat,
    budget_tokens: int,
    count: Callable[[str], int],
    embed: Embed | None = None,
    *,
    shortens: bool = True,
) -> Trim:
    """Return what to leave out so that the messages have at most `budget_tokens`, tool definitions apart.

    `count` gives a text's tokens, more for more text; `embed` one vector a text. Where what has to stay is over the
    budget by itself, the longest tool results of it are cut in their middle (`shortens`).

    Raises:
        InvalidChat: what has to stay doesn't fit even so; the message says by how much.
    """
    tokens = [_tokens(chat, turn, count) for turn in chat.turns]
    messages = sum(turn.place is not None for turn in chat.turns)
    before = sum(tokens)
    if before <= budget_tokens:
        return Trim(before, before, messages)
    system = [index for index, turn in enumerate(chat.turns) if turn.role == "system"]
    parts = exchanges(chat.turns)
    kept = {*system, *_last_words(chat.turns, parts)}
    spent = sum(tokens[index] for index in kept)
    if spent > budget_tokens:
        short = _shortened(chat, kept, tokens, budget_tokens, count) if shortens else {}
        spent -= sum(tokens[index] - _tokens(chat, chat.turns[index], count, text) for index, text in short.items())
        if spent > budget_tokens:
            raise _too_large(chat, kept, spent, budget_tokens, shortens)
        places = {_place(chat.turns[index]): text for index, text in short.items()}
        return Trim(before, spent, messages, _dropped(chat, kept), places)
    for unit, needed in _order(chat, parts, kept, embed):
        cost = sum(tokens[index] for index in unit)
        if spent + cost <= budget_tokens and needed <= kept:
            kept.update(unit)
            spent += cost
    return Trim(before, spent, messages, _dropped(chat, kept))


def _order(
    chat: Chat, parts: list[Exchange], kept: set[int], embed: Embed | None
) -> list[tuple[tuple[int, ...], frozenset[int]]]:
    """Return what may be kept beside the rest, in the order in which it is tried, each with what it needs."""
    order: list[tuple[tuple[int, ...], frozenset[int]]] = []
    for number in (len(parts) - 1, *_ranks(chat.turns, parts, embed)) if parts else ():
        exchange = parts[number]
        if number != len(parts) - 1:
            order.append((exchange.head, frozenset()))
        steps = [step for step in reversed(exchange.steps) if step[0] not in kept]
        order += [(step, frozenset(exchange.head)) for step in steps]
    return order


def _ranks(turns: Sequence[Turn], parts: list[Exchange], embed: Embed | None) -> list[int]:
    """Return the exchanges before the last in the order in which they are tried."""
    others = list(range(len(parts) - 2, -1, -1))
    newest, older = others[:NEWEST], others[NEWEST:]
    if embed is None or not older:
        return others
    texts = [" ".join(turns[index].text for index in parts[number].head) for number in (len(parts) - 1, *older)]
    likeness = _cosines(np.asarray(embed(texts), dtype=np.float64))
    recency = np.linspace(RECENCY, 0.0, len(older))
    best = np.argsort(-(likeness + recency).round(9), kind="stable")
    return [*newest, *(older[index] for index in best.tolist())]


def _cosines(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the cosine of the first vector with each other; 0 where a vector is null or not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines: npt.NDArray[np.float64] = np.nan_to_num(units[1:] @ np.nan_to_num(units[0]))
    return cosines


def _last_words(turns: Sequence[Turn], parts: list[Exchange]) -> set[int]:
    """Return the last user's turn with what it can't be parted from, and what the model is to go on from."""
    if not parts:
        return set()
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    mixed = next((step for step in parts[-1].steps if last_user in step), ())
    return {*parts[-1].head, *mixed}


def _shortened(
    chat: Chat, kept: set[int], tokens: list[int], budget_tokens: int, count: Callable[[str], int]
) -> dict[int, str]:
    results = [index for index in sorted(kept) if _is_one_result(chat.turns[index])]
    room = budget_tokens - sum(tokens[index] for index in kept if index not in results)
    frame = [tokens[index] - count(chat.turns[index].text) for index in results]
    texts = shortened([chat.turns[index].text for index in results], room - sum(frame), count)
    return {index: text for index, text in zip(results, texts, strict=True) if text is not None}


def _is_one_result(turn: Turn) -> bool:
    return turn.role == "tool" and len(turn.answers) == 1 and turn.place is not None


def _tokens(chat: Chat, turn: Turn, count: Callable[[str], int], text: str | None = None) -> int:
    spoken = count(turn.text if text is None else text) + (count(_calls(chat, turn)) if turn.calls else 0)
    return spoken + TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * turn.images


def _calls(chat: Chat, turn: Turn) -> str:
    """Return the calls of a turn as their provider reads them, which is no part of its text."""
    messages = chat.body.get("messages")
    if turn.place is None or not isinstance(messages, list) or turn.place >= len(messages):
        return ""
    message = messages[turn.place]
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    if calls is None and isinstance(message, Mapping) and isinstance(message.get("content"), list):
        calls = [part for part in message["content"] if isinstance(part, Mapping) and part.get("type") == "tool_use"]
    return msgspec.json.encode(calls).decode("utf-8", "replace") if calls else ""


def _dropped(chat: Chat, kept: set[int]) -> frozenset[int]:
    return frozenset(
        turn.place for index, turn in enumerate(chat.turns) if index not in kept and turn.place is not None
    )


def _place(turn: Turn) -> int:
    assert turn.place is not None
    return turn.place


def _too_large(chat: Chat, kept: set[int], spent: int, budget_tokens: int, shortens: bool) -> InvalidChat:
    n_system = sum(chat.turns[index].role == "system" for index in kept)
    advice = "" if shortens else " Long tool results can be shortened (trimming.shortens_tool_results)."
    return InvalidChat(
        f"The messages that have to stay ({n_system} of the system, the last user's and what follows it) have about "
        f"{spent:,} tokens, {spent - budget_tokens:,} more than the {max(budget_tokens, 0):,} there are. Shorten them, "
        f"raise the limit, or allow a model with a longer context.{advice}",
        field="messages",
    )
