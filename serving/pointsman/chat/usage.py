"""What providers report of tokens, read with distrust, and written in either protocol."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.errors import RegistryError
from pointsman.registry import TokenUsage

MOST_TOKENS: Final = 100_000_000
"""More than any model reads or writes in one request: a count above it isn't believed."""


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
    return value is None or (type(value) in (int, float) and value >= 0)  # type: ignore[operator]


def _is_plausible(usage: TokenUsage, wrote: bool) -> bool:
    return usage.input_tokens > 0 and (usage.output_tokens > 0 or not wrote) and usage.output_tokens <= MOST_TOKENS
