"""Chats and answers for the tests of the cache, made by hand."""

from pointsman.caching.words import Answer
from pointsman.chat import Chat, Reply, Turn
from pointsman.registry import TokenUsage

GOOD = Reply("Right.", "stop", 0, TokenUsage(20, 5))


def chat(text="How do I reset my password?", *, system=None, earlier=(), body=None, protocol="openai", **fields):
    """Return a chat that ends with this user turn; `body` adds to, or replaces, fields of the request."""
    messages = [] if system is None else [{"role": "system", "content": system}]
    messages += [{"role": role, "content": words} for role, words in earlier]
    messages.append({"role": "user", "content": text})
    turns = tuple(Turn(one["role"], one["content"], place) for place, one in enumerate(messages))
    model = (body or {}).get("model", "auto")
    return Chat(protocol, {"model": model, "messages": messages, **(body or {})}, turns, model, **fields)


def answer(text="Under Settings.", *, created_us=0, protocol="openai"):
    return Answer(text.encode(), protocol, "small", TokenUsage(20, 5), 700, created_us)
