"""What a request's headers say: the key that is shown, and how the body is packed."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from pointsman.errors import InvalidInput

Headers = Sequence[tuple[bytes, bytes]]

_SINGLE: Final = frozenset({b"authorization", b"x-api-key", b"api-key", b"content-length", b"content-encoding"})
_MAX_LENGTH_DIGITS: Final = 18


class InvalidHeaders(InvalidInput):
    """Headers that contradict each other, or that no HTTP client sends."""

    code = "invalid_headers"


class UnsupportedEncoding(InvalidInput):
    """The body is compressed: it isn't unpacked, since a few kilobytes may become gigabytes."""

    code = "unsupported_encoding"


def singles(headers: Headers) -> dict[bytes, bytes]:
    """Return the headers that a request may have once, by name.

    Raises:
        InvalidHeaders: one of them twice, or a line break in any; no value is repeated.
        UnsupportedEncoding: a compressed body.
    """
    found: dict[bytes, bytes] = {}
    together = b"".join(chain.from_iterable(headers))
    if b"\n" in together or b"\r" in together or b"\0" in together:
        raise InvalidHeaders("a header has a line break or a zero byte; send each header on one line.")
    for name, value in headers:
        if name in _SINGLE:
            if name in found:
                raise InvalidHeaders(f"the header {name.decode()} came twice; send it once.", field=name.decode())
            found[name] = value
    if not _is_length(found.get(b"content-length", b"0")):
        raise InvalidHeaders("Content-Length is no number of bytes.", field="content-length")
    encoding = found.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise UnsupportedEncoding(
            f"Content-Encoding is {encoding.decode('latin-1')!r:.40}; expected an uncompressed body. "
            "Send it without Content-Encoding.",
            field="content-encoding",
        )
    return found


def _is_length(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _MAX_LENGTH_DIGITS


def token_in(found: dict[bytes, bytes]) -> str | None:
    """Return the key that is shown: as `Authorization: Bearer`, `x-api-key` (Anthropic's clients) or `api-key`.

    Raises:
        InvalidHeaders: two that differ.
    """
    scheme, _, bearer = found.get(b"authorization", b"").partition(b" ")
    by_scheme = bearer if scheme.lower() == b"bearer" else b""
    shown = None
    for value in (by_scheme, found.get(b"x-api-key", b""), found.get(b"api-key", b"")):
        stripped = value.strip()
        if stripped and shown is not None and stripped != shown:
            raise InvalidHeaders("the headers show two different keys; send one.", field="authorization")
        shown = stripped or shown
    return None if shown is None else shown.decode("latin-1")
