"""What a request explicitly demands of the answer's form, in English, and whether the answer meets it.

Read are the commonest demands: so many words, sentences, characters, lines, paragraphs or bullet points; yes or no; one
word; one letter; a number only. A long request is read at its beginning and its end, where demands stand.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

READ_CHARACTERS: Final = 1_500
LOOSE: Final = 1.25
"""A count that is given as such ("in 100 words", "about 100 words") may be missed by this factor."""

_NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
}
_N: Final = rf"(\d{{1,5}}|{'|'.join(_NUMBERS)})"
_UNIT: Final = (
    r"(?:(?:short|brief|concise|single|numbered|complete)[ -])?"
    r"(word|sentence|character|line|paragraph|bullet point|bullet|item)s?\b"
)
_BOUND: Final = (
    r"(at most|no more than|not more than|up to|max(?:imum)?(?: of)?|fewer than|less than|under|within|below|"
    r"at least|no fewer than|no less than|min(?:imum)?(?: of)?|more than|"
    r"exactly|precisely|about|around|approximately|roughly|in|using|with|as)"
)
_COUNT: Final = re.compile(rf"\b{_BOUND} (?:the |a )?{_N}[ -]{_UNIT}", re.IGNORECASE)
_BETWEEN: Final = re.compile(rf"\bbetween {_N} and {_N} {_UNIT}", re.IGNORECASE)
_TO: Final = re.compile(rf"\b(?:in|with|of) {_N}(?: to | ?[-–] ?){_N} {_UNIT}", re.IGNORECASE)
_YES_NO: Final = re.compile(
    r"\b(?:answer|reply|respond|say)(?: only| just| simply)?(?: with)?(?: either| a| only| just)? ?"
    r"[\"']?yes[\"']? or [\"']?no\b",
    re.IGNORECASE,
)
_ONLY: Final = re.compile(
    r"\b(?:answer|reply|respond)(?: with)?(?: only| just)?(?: with)?(?: only| just)? (?:the |a |one |a single )?"
    r"(letter|number)(?: only| alone)?\b",
    re.IGNORECASE,
)
_HINTS: Final = ("word", "sentence", "character", "line", "paragraph", "bullet", "item", "yes", "letter", "number")
_MOST: Final = frozenset(
    ("at most", "no more than", "not more than", "up to", "within", "max", "maximum", "max of", "maximum of")
)
_BELOW: Final = frozenset(("fewer than", "less than", "under", "below"))
_LEAST: Final = frozenset(("at least", "no fewer than", "no less than", "min", "minimum", "min of", "minimum of"))
_EXACT: Final = frozenset(("exactly", "precisely"))

_BULLET: Final = re.compile(r"^[ \t]*(?:[-*•–]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_SENTENCE_END: Final = re.compile(r"(?<![.!?。！？])[.!?。！？]++(?=[\"')\]]*(?:\s|$))")


class Demand(msgspec.Struct, frozen=True):
    """So many units: `unit` is "word", "sentence" …, "yes or no", "letter" or "number", `least` to `most` of them."""

    unit: str
    least: float = 1
    most: float = 1


def demands(request: str) -> tuple[Demand, ...]:
    """Return what a request demands, each once; none where nothing is recognised."""
    if len(request) > 2 * READ_CHARACTERS:
        request = f"{request[:READ_CHARACTERS]}\n{request[-READ_CHARACTERS:]}"
    lowered = request.lower()
    return tuple(dict.fromkeys(_found(lowered))) if any(word in lowered for word in _HINTS) else ()


def _found(request: str) -> Iterator[Demand]:
    if _YES_NO.search(request):
        yield Demand("yes or no")
    for match in _ONLY.finditer(request):
        yield Demand(match.group(1).lower())
    for pattern in (_BETWEEN, _TO):
        for match in pattern.finditer(request):
            low, high = sorted((_number(match.group(1)), _number(match.group(2))))
            yield Demand(_unit(match.group(3)), low, high)
    for match in _COUNT.finditer(request):
        yield _counted(match.group(1).lower(), _number(match.group(2)), _unit(match.group(3)))


def _counted(bound: str, count: int, unit: str) -> Demand:
    if bound in _MOST:
        return Demand(unit, 0, count)
    if bound in _BELOW:
        return Demand(unit, 0, count - 1)
    if bound in _LEAST:
        return Demand(unit, count, float("inf"))
    if bound == "more than":
        return Demand(unit, count + 1, float("inf"))
    if bound in _EXACT or count < 10:
        return Demand(unit, count, count)
    return Demand(unit, count / LOOSE if bound not in ("in", "within") else 0, count * LOOSE)


def _number(word: str) -> int:
    return _NUMBERS.get(word.lower()) or int(word)


def _unit(word: str) -> str:
    return "bullet" if word.lower() in ("bullet point", "item") else word.lower()


def is_met(demand: Demand, text: str) -> bool:
    """Return whether an answer meets a demand."""
    plain = text.strip().strip("*_`\"' ")
    if demand.unit == "yes or no":
        return re.match(r"(?:yes|no)\b", plain, re.IGNORECASE) is not None
    if demand.unit == "letter":
        return re.fullmatch(r"\(?[A-Za-z]\)?[.)]?", plain) is not None
    if demand.unit == "number":
        return re.fullmatch(r"[-+−]?[$€£]?\d[\d,.  ]*%?", plain) is not None
    return demand.least <= _COUNTS[demand.unit](text) <= demand.most


def _bullets(text: str) -> int:
    return len(_BULLET.findall(text))


_COUNTS: Final[dict[str, Callable[[str], int]]] = {
    "word": lambda text: len(text.split()),
    "sentence": lambda text: max(len(_SENTENCE_END.findall(text)), 1 if text.strip() else 0),
    "character": lambda text: len(text.strip()),
    "line": lambda text: sum(1 for line in text.split("\n") if line.strip()),
    "paragraph": lambda text: len(re.findall(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*", text)),
    "bullet": _bullets,
}
