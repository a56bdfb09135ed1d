"""What providers report of tokens, read with distrust, and written in either protocol."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.words import Reply
from pointsman.errors import RegistryError
from pointsman.money import NANO
from pointsman.registry import TokenUsage

MOST_TOKENS: Final = 100_000_000
"""More than any model reads or writes in one request: a count above it isn't believed."""

CHARACTERS_PER_TOKEN: Final = 24
"""More than a token stands for in any text of some length: English has about 4, and the longest words of a vocabulary
are this long. Runs of one character, of which a token may have a hundred, are counted as three."""

MOST_STATED_USD: Final = 1_000_000
"""A stated cost from here on isn't believed."""
_RUN: Final = re.compile(r"(.)\1{3,}", re.DOTALL)


def openai_usage(reported: object, *, wrote: bool) -> TokenUsage | None:
    """Return the usage that a provider reports in OpenAI's shape, None where it can't be true.

    `prompt_tokens` include cached ones. Where `total_tokens` is more than prompt and completion, the difference was
    written: some providers leave reasoning out of `completion_tokens` (mozilla-ai/any-llm#1290). `wrote` says whether
    the answer has anything in it: nothing written beside it can't be true.
    """
    if not isinstance(reported, dict) or not _is_cost(reported.get("cost")):
        return None
    given = _mapping(reported, "prompt_tokens_details")
    written = _mapping(reported, "completion_tokens_details")
    try:
        prompt = _count(reported, "prompt_tokens", required=True)
        completion = _count(reported, "completion_tokens", required=True)
        total = _count(reported, "total_tokens") or prompt + completion
        cached = _count(given, "cached_tokens") or _count(reported, "prompt_cache_hit_tokens")
        usage = TokenUsage(
            input_tokens=prompt,
            output_tokens=max(completion, total - prompt),
            cached_read_tokens=cached,
            cached_write_tokens=_count(given, "cache_write_tokens"),
            reasoning_tokens=_count(written, "reasoning_tokens"),
        )
    except (RegistryError, _Unbelievable):
        return None
    return usage if total >= prompt + completion and _is_plausible(usage, wrote) else None


def anthropic_usage(reported: object, *, wrote: bool) -> TokenUsage | None:
    """Return the usage that a provider reports in Anthropic's shape, None where it can't be true.

    `input_tokens` exclude those read from the cache or written to it; `cache_creation` splits the written by lifetime.
    """
    if not isinstance(reported, dict) or not _is_cost(reported.get("cost")):
        return None
    lifetimes = _mapping(reported, "cache_creation")
    try:
        hour, minutes = (
            _count(lifetimes, "ephemeral_1h_input_tokens"),
            _count(lifetimes, "ephemeral_5m_input_tokens"),
        )
        created = _count(reported, "cache_creation_input_tokens") or hour + minutes
        read = _count(reported, "cache_read_input_tokens")
        usage = TokenUsage(
            input_tokens=_count(reported, "input_tokens", required=True) + read + created,
            output_tokens=_count(reported, "output_tokens", required=True),
            cached_read_tokens=read,
            cached_write_tokens=created - hour,
            cached_write_hour_tokens=hour,
            reasoning_tokens=_count(_mapping(reported, "output_tokens_details"), "thinking_tokens"),
        )
    except (RegistryError, _Unbelievable):
        return None
    return usage if hour + minutes <= created and _is_plausible(usage, wrote) else None


def stated_nanousd(reported: object) -> int | None:
    """Return the cost that a provider states beside its usage (OpenRouter's `cost`), None where it states none."""
    cost: Any = _stated(reported.get("cost")) if isinstance(reported, dict) else None
    return round(cost * NANO) if _is_amount(cost) else None


def believed(reply: Reply, read: int) -> Reply:
    """Return the answer without its usage where that counts too few tokens for the text that was read and written.

    `read` are the characters of the prompt. Too few by a little can't be told, too few by far can.
    """
    usage = reply.usage
    if usage is None:
        return reply
    counts_output = usage.output_tokens * CHARACTERS_PER_TOKEN >= len(reply.text)
    counts_input = usage.input_tokens * CHARACTERS_PER_TOKEN >= read
    if counts_input and (counts_output or usage.output_tokens * CHARACTERS_PER_TOKEN >= varied(reply.text)):
        return reply
    return msgspec.structs.replace(reply, usage=None)


def varied(text: str) -> int:
    """Return the length of a text in which no character stands more than three times in a row."""
    return len(_RUN.sub(r"\1\1\1", text))


def as_openai_usage(usage: TokenUsage) -> dict[str, Any]:
    """Return a usage in OpenAI's shape; tokens written to any cache are one number there."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_read_tokens,
            "cache_write_tokens": usage.cached_write_tokens + usage.cached_write_hour_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def as_anthropic_usage(usage: TokenUsage | None) -> dict[str, Any]:
    """Return a usage in Anthropic's shape, which has no way to say that none is known: zeros."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    written = usage.cached_write_tokens + usage.cached_write_hour_tokens
    report: dict[str, Any] = {
        "input_tokens": usage.fresh_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_read_tokens,
        "cache_creation_input_tokens": written,
    }
    if usage.cached_write_hour_tokens:
        report["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cached_write_tokens,
            "ephemeral_1h_input_tokens": usage.cached_write_hour_tokens,
        }
    if usage.reasoning_tokens:
        report["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return report


class _Unbelievable(Exception):
    """A count isn't one."""


def _count(report: Mapping[str, Any], field: str, *, required: bool = False) -> int:
    value = report.get(field)
    if value is None and not required:
        return 0
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise _Unbelievable
    return value


def _mapping(report: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = report.get(field)
    return value if isinstance(value, dict) else {}


def _is_cost(value: object) -> bool:
    """Return whether a stated cost is absent or an amount; anything else tells that the report can't be trusted."""
    stated = _stated(value)
    return stated is None or _is_amount(stated)


def _stated(value: object) -> Any:
    """Return the sum of a stated cost, which Perplexity breaks down."""
    return value.get("total_cost") if isinstance(value, dict) else value


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < MOST_STATED_USD


def _is_plausible(usage: TokenUsage, wrote: bool) -> bool:
    return usage.input_tokens > 0 and (usage.output_tokens > 0 or not wrote) and usage.output_tokens <= MOST_TOKENS
