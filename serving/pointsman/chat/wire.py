"""The body that is sent to a provider: the caller's own, or translated to the provider's protocol."""

import re
from typing import Any, Final

import msgspec

from pointsman.chat.editing import edited
from pointsman.chat.to_anthropic import to_anthropic
from pointsman.chat.to_openai import to_openai
from pointsman.chat.words import Chat, Edit, Protocol
from pointsman.errors import InvalidChat

_TRANSLATORS: Final = {"openai": to_openai, "anthropic": to_anthropic}
BATCH_TIER: Final = "flex"
"""OpenAI's service tier that is slower, and billed at the prices of its Batch API. What was served is in the answer's
`service_tier`, which may be another (OpenAI, "Flex processing")."""

_REASONING_NAME: Final = re.compile(r"(?:^|/)(?:o\d|gpt-[5-9])")
"""OpenAI's models that refuse `max_tokens` and ask for `max_completion_tokens` (langflow-ai/openrag#398)."""


LEAST_THINKING: Final = 1_024
"""Anthropic's least `thinking.budget_tokens`, which must also be below `max_tokens`."""


def wire_body(chat: Chat, protocol: Protocol, edit: Edit) -> bytes:
    """Return the body, as JSON, that asks a provider which speaks `protocol` for this chat.

    In the caller's protocol every field stays as it came, but the model, the output limit, what the edit changes, and
    that OpenAI's streams are asked for their usage. In the other, only what can be said there is sent; hints that don't
    change what is asked (seed, prompt cache keys, reasoning effort, thinking) are left out.

    Raises:
        InvalidChat: the chat can't be said in the protocol, or has text that isn't Unicode.

    """
    try:
        return msgspec.json.encode(_wire(chat, protocol, edit))
    except UnicodeEncodeError:
        raise InvalidChat(
            "The body has half of a surrogate pair, which no UTF-8 text can have; send whole characters.", field="body"
        ) from None


def _wire(chat: Chat, protocol: Protocol, edit: Edit) -> dict[str, Any]:
    body = edited(chat, edit)
    if protocol != chat.protocol:
        body = _TRANSLATORS[protocol](body)
    body["model"] = edit.upstream_name
    if protocol == "openai":
        _limit_openai(body, edit)
        if edit.is_batch:
            body["service_tier"] = BATCH_TIER
        if chat.is_stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    else:
        body["max_tokens"] = edit.max_output_tokens
        _fit_thinking(body, edit.max_output_tokens)
    return body


def translatable(chat: Chat, protocol: Protocol) -> bool:
    """Return whether a provider that speaks `protocol` can be asked for this chat."""
    if protocol == chat.protocol:
        return True
    try:
        _TRANSLATORS[protocol](dict(chat.body))
    except (InvalidChat, UnicodeEncodeError):
        return False
    return True


def _limit_openai(body: dict[str, Any], edit: Edit) -> None:
    is_newer = body.pop("max_completion_tokens", None) is not None
    body.pop("max_tokens", None)
    is_newer = is_newer or _REASONING_NAME.search(edit.upstream_name) is not None
    body["max_completion_tokens" if is_newer else "max_tokens"] = edit.max_output_tokens


def _fit_thinking(body: dict[str, Any], limit: int) -> None:
    """Keep a thinking budget below the output limit, which counts it; without thinking where that is too little."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if not isinstance(thinking, dict) or type(budget) is not int or budget < limit:
        return
    if limit > LEAST_THINKING:
        body["thinking"] = {**thinking, "budget_tokens": limit - 1}
    else:
        del body["thinking"]
