"""How a call to the provider that stands in goes: what it answers, and what goes wrong, where."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Mark = Literal["request", "answer", "headers", "usage", "done"]
Then = Literal["hang", "wait", "reset", "cut", "half", "end", "error"]


class Act(msgspec.Struct, frozen=True):
    """One call. The default answers at once with the words of the last user message.

    What is answered: `text`, or `words` many; a `refusal`; `status` with an error of `code` and `message`, and
    `headers` (Retry-After, Location); or `body` as it is, with its `content_type`. `cached_read`, `cached_write`,
    `cached_write_hour` and `reasoning` tokens are part of the true usage. `tier` is the service tier that is served and
    billed where the request names one (None: the one it names). `usage` is what is reported instead of the truth (None
    as a value leaves a key out, {} reports none at all), `cost` the reported dollars.

    How: `delay_s` before the headers, `every_s` between pieces, at most `piece_bytes` a write. `length_lie` is added to
    the content-length; `gzip` compresses the body whether that was asked for or not.

    What goes wrong: at `at`, `then` happens. `at` is "request" (before the request is read), "answer" (read, nothing
    sent), "headers" (these are sent), a number of pieces of a stream (or of bytes of a whole answer), "usage" (before
    the event that has it) or "done" (before the last event). `then` is "hang" (until the client leaves), "wait" (until
    `Provider.release`), "reset" (RST), "cut" (the connection ends), "half" (the same in the midst of an event), "end"
    (a clean end of the body) or "error" (an error event, and a clean end).

    `is_billed` overrides who pays: by default rejected and unread calls are free and all others are billed for what was
    generated, a whole answer in full even where it never arrived.
    """

    text: str | None = None
    words: int | None = None
    refusal: str | None = None
    status: int = 200
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    content_type: str = "application/json"
    cached_read: int = 0
    cached_write: int = 0
    cached_write_hour: int = 0
    reasoning: int = 0
    tier: str | None = None
    usage: Mapping[str, Any] | None = None
    cost: float | None = None
    delay_s: float = 0.0
    every_s: float = 0.0
    piece_bytes: int | None = None
    length_lie: int = 0
    gzip: bool = False
    at: Mark | int | None = None
    then: Then = "hang"
    is_billed: bool | None = None

    @property
    def is_plain(self) -> bool:
        """Whether everything is written at once."""
        return self.at is None and not self.delay_s and not self.every_s and not self.piece_bytes


PLAIN = Act()
HTML = Act(body=b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>", content_type="text/html")
BROKEN_UTF8 = Act(body=b'{"choices": [{"message": {"content": "\xff\xfe\xc3"}}]}')
TRUNCATED_JSON = Act(body=b'{"id": "x", "choices": [{"message": {"content": "Hel')
CONTEXT_TOO_LONG = Act(status=400, code="context_length_exceeded", message="maximum context length is 128000 tokens")
RESET_BEFORE = Act(at="request", then="reset")
RESET_AFTER = Act(at="answer", then="reset")
HANG = Act(at="answer", then="hang")


def rate_limited(retry_after: str | None = "1") -> Act:
    """Return a 429, with Retry-After where there is one."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Act(status=429, code="rate_limit_exceeded", message="Rate limit reached", headers=headers)


def gzip_bomb(size: int) -> Act:
    """Return an answer that is small on the wire and `size` zero bytes unpacked."""
    return Act(body=bytes(size), gzip=True)
