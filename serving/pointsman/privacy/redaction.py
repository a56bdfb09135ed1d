"""Puts a placeholder of its kind in the place of personal data that has a form: addresses, numbers, accounts.

Forms are found by patterns and confirmed by checksums, with `phonenumbers` and `python-stdnum` (extra `privacy`).
Names of people and streets have no form and stay.
"""

import importlib.util
import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final

from pointsman.errors import MissingExtra
from pointsman.privacy.sanitising import sanitised

Span = tuple[int, int, str]

REGIONS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "AU")
"""Where a phone number may be from that is written without its country."""

_EMAIL: Final = re.compile(
    r"(?<![\w.+%-])[\w.+%-][\w.+%'-]{0,63}(?:@|%40|\s?[\[(]at[\])]\s?)"
    r"(?:[\w-]{1,63}(?:\.|\s?[\[(]dot[\])]\s?)){1,6}[^\W\d_]{2,24}\b"
)
_CARD: Final = re.compile(r"(?<![\d.-])(?:\d(?:[ -]?\d){12,18}|(?:\d{4}\.){3}\d{4})(?![\d-])")
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_SSN: Final = re.compile(r"(?<![\d-])\d{3}([- ])\d{2}\1\d{4}(?![\d-])")
_BARE_SSN: Final = re.compile(r"(?i)\b(?:ssn|social security(?: number)?)\b\W{0,5}(?:is\W{1,3})?(\d{9})\b")
_IPV4: Final = re.compile(
    r"(?<![\d.])(?<!==)(?<!\bv)(?<!version )(?<!chapter )(?<!section )(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"
)
_IPV6: Final = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,32}(?:\.\d{1,3}){0,3}(?![\w:])")
_POSTCODE: Final = re.compile(r"\d{5}-\d{4}")
_PHONE_IS_SAID: Final = re.compile(r"(?i)\b(?:phone|tel|telephone|mobile|cell|call|text|whatsapp|fax)\b[^\d\n]{0,12}$")


def redacted(text: str) -> str:
    """Return the sanitised text with [EMAIL], [PHONE], [CARD], [IBAN], [SSN] and [IP] for what has these forms.

    What the patterns find and miss is measured in docs/log.md.

    Raises:
        MissingExtra: `phonenumbers` or `python-stdnum` isn't installed.
    """
    check_extra()
    text = sanitised(text)
    for find in _FINDERS:
        text = _replaced(text, find(text))
    return text


def check_extra() -> None:
    """Refuse to redact without the libraries.

    Raises:
        MissingExtra: `phonenumbers` or `python-stdnum` isn't installed.
    """
    if importlib.util.find_spec("phonenumbers") is None or importlib.util.find_spec("stdnum") is None:
        raise MissingExtra("Storing redacted text", "privacy")


def _replaced(text: str, spans: Iterator[Span]) -> str:
    parts, at = [], 0
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            parts += [text[at:start], f"[{kind}]"]
            at = end
    return "".join([*parts, text[at:]])


def _emails(text: str) -> Iterator[Span]:
    return ((found.start(), found.end(), "EMAIL") for found in _EMAIL.finditer(text))


def _ibans(text: str) -> Iterator[Span]:
    from stdnum import iban

    for found in _IBAN.finditer(text):
        candidate = found[0]
        while candidate:  # words that follow may have been taken for groups of the number
            if iban.is_valid(candidate, check_country=False):
                yield found.start(), found.start() + len(candidate), "IBAN"
                break
            candidate = candidate.rpartition(" ")[0]


def _cards(text: str) -> Iterator[Span]:
    from stdnum import luhn

    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if digits[0] in "23456" and len(set(digits)) > 1 and luhn.is_valid(digits):
            yield found.start(), found.end(), "CARD"


def _security_numbers(text: str) -> Iterator[Span]:
    from stdnum.us import ssn

    spans = [(found.span(), found[0]) for found in _SSN.finditer(text)]
    spans += [(found.span(1), found[1]) for found in _BARE_SSN.finditer(text)]
    for (start, end), number in spans:
        if ssn.is_valid(number.replace(" ", "-")):
            yield start, end, "SSN"


def _addresses(text: str) -> Iterator[Span]:
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(found[0].rstrip(":"))
            except ValueError:
                continue
            if not (address.is_loopback or address.is_unspecified):
                yield found.start(), found.end(), "IP"


def _phones(text: str) -> Iterator[Span]:
    import phonenumbers

    asked = [(None, phonenumbers.Leniency.POSSIBLE), *((region, phonenumbers.Leniency.VALID) for region in REGIONS)]
    for region, leniency in asked:
        for found in phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency):
            if _is_phone(found.raw_string, text[: found.start][-24:]):
                yield found.start, found.end, "PHONE"


def _is_phone(written: str, before: str) -> bool:
    """Whether it is written as phone numbers are: digits alone, as of an order or a moment, only where it is said."""
    if _POSTCODE.fullmatch(written):
        return False
    return not written.isdecimal() or written.startswith("0") or _PHONE_IS_SAID.search(before) is not None


_FINDERS: Final[tuple[Callable[[str], Iterator[Span]], ...]] = (
    _emails,
    _ibans,
    _cards,
    _security_numbers,
    _addresses,
    _phones,
)
