"""What a provider's failure means: its words without secrets, whether to try again, and whether it was billed.

What providers document: a request answered with an error status costs nothing (OpenAI, Anthropic). Gateways between
us and them answer for them where they were too slow (408, 499, 504, Cloudflare's 52x): the model may have worked, and
nobody can tell, so that those count as billed and aren't sent again.
"""

import email.utils
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pointsman.errors import UpstreamError, UpstreamTimeout

RETRIED: Final = frozenset({429, 500, 502, 503, 529})
"""Statuses that reject a call before any work and may be other next time."""

BILLING_UNKNOWN: Final = frozenset({408, 499, 504, *range(520, 528)})
EMPTY_ACCOUNT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low"})
"""Codes of a 429 or 403 that waiting doesn't cure: the account has no money."""

MAX_MESSAGE: Final = 300
MAX_ERROR_BYTES: Final = 64 << 10
_LEAST_SECRET: Final = 4
_QUOTED_WORDS: Final = 5
_LONG_TOKEN: Final = 40
_KEYS: Final = re.compile(r"\b(?:sk|pk|rk|pm|gsk|xai|key|AIza)[-_][\w*.\-]{4,}|\bAIza[\w-]{20,}|\bBearer\s+\S+", re.I)


def rejection(name: str, status: int, headers: Mapping[str, str], body: bytes, wording: "Wording") -> UpstreamError:
    """Return the error of an answer whose status isn't 2xx."""
    code, message = read_error(body)
    is_empty = code in EMPTY_ACCOUNT
    said = f"{name} answered {status}" + (f" ({wording.clean(code)})" if code else "")
    said += f": {wording.clean(message)}" if message else "."
    if 300 <= status < 400:
        said += " Redirects aren't followed; set the provider's base_url to where it ends."
    kind = UpstreamTimeout if status in (408, 504, 522, 524) else UpstreamError
    error = kind(
        said,
        status=status,
        is_retryable=status in RETRIED and not is_empty,
        is_unbilled=status >= 400 and status not in BILLING_UNKNOWN,
        retry_after_s=retry_after_s(headers),
    )
    error.upstream_code = code
    return error


def read_error(body: bytes) -> tuple[str | None, str]:
    """Return the code and the message of an error's body, in any of the shapes that providers use."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[:2000].decode("utf-8", "replace").strip()
        return None, "it is a page of HTML, not JSON." if text.startswith("<") else text
    error = told.get("error", told) if isinstance(told, dict) else told
    if isinstance(error, str):
        return None, error
    if not isinstance(error, dict):
        return None, ""
    code = error.get("code") or error.get("type")
    message = error.get("message") or error.get("detail") or ""
    return (code if isinstance(code, str) else None), message if isinstance(message, str) else str(message)


def retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Return the seconds a provider asks to wait: retry-after-ms, or Retry-After in seconds or as a date.

    A date counts from the answer's own Date header (or `now_s`, seconds since 1970), so that clocks needn't agree.
    """
    for header, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(headers[header]) / per_second
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait) and wait >= 0:
            return wait
    then, now = _seconds(headers.get("retry-after")), _seconds(headers.get("date")) or now_s
    return None if then is None or now is None else max(0.0, then - now)


def _seconds(date: str | None) -> float | None:
    parsed = email.utils.parsedate_tz(date or "")
    if parsed is None:
        return None
    try:
        return float(email.utils.mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None


class Wording:
    """Makes a provider's words fit to be shown and logged: one short line, without keys and without the prompt."""

    def __init__(self, secrets: Iterable[str | None], sent: bytes = b"") -> None:
        self._secrets = sorted({s for s in secrets if s and len(s) >= _LEAST_SECRET}, key=len, reverse=True)
        self._sent = sent

    def of(self, sent: bytes) -> "Wording":
        """Return the same for the error of a request with this body."""
        return Wording(self._secrets, sent)

    def clean(self, text: str) -> str:
        """Return the text without secrets, without what it quotes of the request, on one line of `MAX_MESSAGE`."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        words = _KEYS.sub("[key]", text[: 8 * MAX_MESSAGE]).split()
        line = "".join(char if char.isprintable() else " " for char in " ".join(self._without_quotes(words)))
        return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"

    def _without_quotes(self, words: list[str]) -> list[str]:
        """Leave out every run of words that the request has too: providers quote prompts in what they refuse."""
        if not self._sent:
            return words
        sent, quoted = self._sent.decode("utf-8", "replace"), set[int]()
        for start in range(len(words) - _QUOTED_WORDS + 1):
            span = range(start, start + _QUOTED_WORDS)
            if " ".join(words[place].strip("\"'`") for place in span) in sent:
                quoted.update(span)
        quoted.update(place for place, word in enumerate(words) if len(word) >= _LONG_TOKEN and word in sent)
        kept = ["[…]" if place in quoted else word for place, word in enumerate(words)]
        return [word for place, word in enumerate(kept) if word != "[…]" or place == 0 or kept[place - 1] != "[…]"]
