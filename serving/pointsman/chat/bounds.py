"""How many input tokens a chat has: the most that any provider can count, and the number to expect."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.words import Chat

TOKENS_PER_MESSAGE: Final = 16
"""What chat formats add to a message at most (role, separators)."""

TOKENS_FOR_TOOLS: Final = 1_024
"""What a provider's own system prompt for tools adds; once for a request, and once more for each tool whose schema is
the provider's (Anthropic documents 245 to 735 tokens for each of these, and 346 for tools at all)."""

TOKENS_FOR_JSON: Final = 512
"""What the instruction adds that stands for a JSON format where the provider has none."""

MOST_TOKENS_PER_IMAGE: Final = 49_152
"""gpt-4o-mini counts most: 2,833 + 5,667 a tile, and at most 8 tiles (2,048 x 768 pixels): 48,169."""

MOST_TOKENS_PER_DOCUMENT: Final = 10_000_000
"""A file's pages can't be bounded by its compressed bytes: more than any context, to which exposure cuts it."""

EXPECTED_TOKENS_PER_IMAGE: Final = 800
"""An assumption: gpt-4o counts 765 for 1,024 x 1,024 pixels, Anthropic 1,600 at most for a whole screen."""

BYTES_PER_TOKEN: Final = 4
"""An assumption: OpenAI's rule of thumb for English. In bytes, since other scripts need more tokens a character."""


def input_bound(chat: Chat, body_bytes: int) -> int:
    """Return a number of input tokens that no provider counts more of for this chat.

    `body_bytes` is the size of the request's body as JSON. A token stands for at least one byte; base64 payloads of
    images don't count as text, images and documents count as the dearest. Whoever appends an instruction adds its
    bytes.
    """
    payload, documents = 0, 0
    for part in _media(chat.body):
        hidden, is_document = _weigh(part)
        payload += hidden
        documents += is_document
    tokens = max(0, body_bytes - payload) + TOKENS_PER_MESSAGE * (len(chat.turns) + 1)
    tokens += MOST_TOKENS_PER_IMAGE * chat.images + MOST_TOKENS_PER_DOCUMENT * documents
    if chat.has_tools:
        tools = chat.body.get("tools") or ()
        named = sum(tool.get("type") not in (None, "function", "custom") for tool in tools)
        tokens += TOKENS_FOR_TOOLS * (1 + named)
    return tokens + TOKENS_FOR_JSON * chat.wants_json


def input_estimate(chat: Chat) -> int:
    """Return the number of input tokens to expect: a quarter of the bytes of texts, tools and calls, and images."""
    written = sum(_utf8_length(turn.text) for turn in chat.turns)
    if chat.has_tools:
        written += len(msgspec.json.encode([chat.body.get("tools"), chat.body.get("functions")]))
    if any(turn.calls for turn in chat.turns):
        written += sum(_calls_length(message) for message in chat.body["messages"])
    return written // BYTES_PER_TOKEN + EXPECTED_TOKENS_PER_IMAGE * chat.images


def caches_for_an_hour(chat: Chat) -> bool:
    """Return whether the chat asks that its prompt be cached for an hour, which is dearer to write than for minutes."""
    stack: list[Any] = [chat.body]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            control = value.get("cache_control")
            if isinstance(control, dict) and control.get("ttl") == "1h":
                return True
            stack += [child for child in value.values() if isinstance(child, dict | list)]
        else:
            stack += [child for child in value if isinstance(child, dict | list)]
    return False


def _media(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every part of the messages that isn't text, those in tool results included."""
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            yield from _media_parts(content)


def _media_parts(parts: list[Any]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        if part["type"] in ("image_url", "image", "document", "file", "container_upload"):
            yield part
        elif part["type"] == "tool_result" and isinstance(part.get("content"), list):
            yield from _media_parts(part["content"])


def _weigh(part: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the bytes of a part's base64 payload that aren't read as text, and whether it is a document."""
    if part["type"] == "image_url":
        return _base64_length(part["image_url"]["url"]), False
    if part["type"] == "file":
        return _base64_length(part["file"].get("file_data") or ""), True
    source = part.get("source") or {}
    payload = len(source["data"]) if source.get("type") == "base64" else 0
    return payload, part["type"] != "image" and source.get("type") not in ("text", "content")


def _base64_length(url: str) -> int:
    header, mark, payload = url.partition(";base64,")
    return len(payload) if mark and header.startswith("data:") else 0


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _calls_length(message: Mapping[str, Any]) -> int:
    """Return the length of the arguments of a message's tool calls."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else ()
    inputs = [block["input"] for block in blocks if block["type"] == "tool_use"]
    called = [call.get("function") or call.get("custom") for call in message.get("tool_calls") or ()]
    return len(msgspec.json.encode([inputs, called])) if inputs or called else 0
