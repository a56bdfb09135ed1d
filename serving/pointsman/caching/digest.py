"""A chat → the digest of everything in it that changes the answer."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from pointsman.caching.words import Question
from pointsman.chat import Chat

DIGEST_BYTES: Final = 16
IRRELEVANT: Final = frozenset(
    {
        *("stream", "stream_options", "user", "metadata", "safety_identifier", "service_tier", "store"),
        *("prompt_cache_key", "prompt_cache_retention"),
    }
)
"""Fields of a body that say how an answer travels, who asks, or what the provider keeps: never what is answered."""

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def request_digest(chat: Chat, constraints: str = "") -> bytes:
    """Return 16 bytes that two requests share only where the same answer suits both.

    The protocol is part of it, so that an answer never has to be translated. `constraints` is what bears on the choice
    of a model without standing in the body: routing headers, a plan.
    """
    body = {name: value for name, value in chat.body.items() if value is not None and name not in IRRELEVANT}
    return _digest([chat.protocol, chat.model, constraints, body])


def question_of(chat: Chat, constraints: str = "") -> Question | None:
    """Return the last turn with the place in which it was asked; None where it isn't a user's words and nothing else.

    The place is the request without these words: system prompt, earlier turns, model, tools and all parameters. So a
    conversation is never matched by its last turn alone.
    """
    messages = chat.body.get("messages")
    if not isinstance(messages, list) or not messages or chat.images:
        return None
    last = messages[-1]
    if not isinstance(last, Mapping) or last.get("role") != "user":
        return None
    text = _plain_text(last.get("content"))
    if text is None or not text.strip():
        return None
    body = {name: value for name, value in chat.body.items() if value is not None and name not in IRRELEVANT}
    body["messages"] = [*messages[:-1], {name: value for name, value in last.items() if name != "content"}]
    return Question(_digest([chat.protocol, chat.model, constraints, body]), text)


def seed_question(protocol: str, model: str, system: str, text: str) -> Question:
    """Return the question of a seed: asked of `model` under this system prompt, whatever the parameters."""
    return Question(_digest(["seed", protocol, model, system]), text)


def seed_place(chat: Chat) -> bytes | None:
    """Return the place in which seeds for this chat lie; None in a conversation, and where JSON or tools are asked."""
    turns = [turn for turn in chat.turns if turn.role != "system"]
    if len(turns) != 1 or turns[0].role != "user" or chat.wants_json or chat.has_tools:
        return None
    system = "\n".join(turn.text for turn in chat.turns if turn.role == "system")
    return _digest(["seed", chat.protocol, chat.model, system])


def seed_digest(question: Question) -> bytes:
    """Return the digest under which a seed is kept."""
    return blake2b(question.place + question.text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _digest(parts: Any) -> bytes:
    return blake2b(_ENCODER.encode(parts), digest_size=DIGEST_BYTES).digest()


def _plain_text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        return "\n".join(str(part.get("text", "")) for part in content)
    return None
