"""What may be answered from the cache, and what may be kept: by the settings, the request and its `cache-control`."""

from typing import Final

import msgspec

from pointsman.chat import Chat, Reply
from pointsman.settings import CacheSettings

MAX_BODY_BYTES: Final = 256 << 10
"""A longer answer isn't kept: few of them would push out all others."""


class CacheControl(msgspec.Struct, frozen=True):
    """A request's `cache-control`. `max_age_s` is how old an answer may be, `must_hit` that nothing is to be bought."""

    may_read: bool = True
    may_store: bool = True
    max_age_s: float | None = None
    must_hit: bool = False


FREE: Final = CacheControl()


def cache_control(header: str | None) -> CacheControl:
    """Return what a `cache-control` header asks for; directives that aren't known are passed over (RFC 9111, 5.2).

    `no-store` neither reads nor keeps, `no-cache` asks anew and keeps the answer, `max-age=N` takes answers of at most
    N seconds (one that isn't a number counts as 0), `only-if-cached` buys nothing.
    """
    if header is None:
        return FREE
    directives = {}
    for part in header.lower().split(","):
        name, _, value = part.partition("=")
        directives[name.strip()] = value.strip().strip('"')
    age = directives.get("max-age")
    seconds = None if age is None else float(age) if age.isascii() and age.isdigit() else 0.0
    forbids = "no-store" in directives
    return CacheControl(
        may_read=not forbids and "no-cache" not in directives,
        may_store=not forbids,
        max_age_s=seconds,
        must_hit="only-if-cached" in directives,
    )


def may_cache(chat: Chat, settings: CacheSettings) -> bool:
    """Return whether a chat may use the cache at all.

    Not: several answers at once, temperature set above the limit (not set counts as allowed), images (what an address
    shows may change), searches of the web, tools unless `with_tools`.
    """
    if chat.answers != 1 or chat.images or chat.body.get("web_search_options") is not None:
        return False
    if chat.temperature is not None and chat.temperature > settings.max_temperature:
        return False
    return settings.with_tools or not chat.has_tools


def may_keep(chat: Chat, reply: Reply, body: bytes) -> bool:
    """Return whether an answer is complete and good: ended by itself, not empty, and JSON where JSON was asked for."""
    if len(body) > MAX_BODY_BYTES:
        return False
    if reply.finish == "tool_calls":
        return chat.has_tools and reply.calls > 0
    if reply.finish != "stop" or not reply.text.strip():
        return False
    return not chat.wants_json or _is_json(reply.text)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
