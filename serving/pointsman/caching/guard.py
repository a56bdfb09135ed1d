"""Whether two questions that look alike differ in something that changes the answer.

An embedding can't tell: "enable" and "disable", 10 and 100, A to B and B to A lie as near as true paraphrases do
(docs/cache.md has the figures). So the cosine only proposes, and the words decide: numbers, names, code, negation, the
question asked and the direction must be the same, and every word of weight must have its like on the other side.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from pointsman.caching.roots import OPPOSITES, root
from pointsman.caching.vocabulary import DIRECTIONS, EMPTY_WORDS, NEGATIONS, NUMBER_WORDS, PHRASES, QUESTION_WORDS
from pointsman.caching.wording import has_code
from pointsman.prediction.wording import core_text

THRESHOLD: Final = 0.8
"""The least cosine of a semantic hit, with the embedding at depth "deep": chosen on the tune half (docs/cache.md)."""

_CACHED: Final = 8192
_CODE: Final = re.compile(r"```.*?(?:```|$)|`[^`\n]+`", re.DOTALL)
_QUOTE: Final = re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|«[^»\n]+»|(?<!\w)'[^'\n]+'(?!\w)|(?<!\w)‘[^’\n]+’(?!\w)")
_IDENTIFIER: Final = re.compile(
    r"(?<![\w.])(?:https?://\S+|[~.]{0,2}/[\w./-]+|--?[A-Za-z][\w-]*(?=\s|$)|[#@$]\w+|[A-Za-z_][\w-]*(?:[._/\\:@=&|]+\w+)+"
    r"|\w+\(\w*\)|\w*_\w+|[a-z]+[A-Z]\w*|[A-Za-z]\+\+|[A-Za-z]#|\.NET|[A-Za-z]+\d[\w-]*)"
)
_NUMBER: Final = re.compile(r"[-−]?\d+(?:[.,:/]\d+)*")
_SYMBOL: Final = re.compile(r"[=<>≤≥≠±×÷%€$£¥°§+*^|&~@#]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_PHRASES: Final = tuple((re.compile(pattern), words) for pattern, words in PHRASES)
_APOSTROPHES: Final = str.maketrans("", "", "'’")


class Reading(msgspec.Struct, frozen=True):
    """What the guard compares; `words` are the words of weight in their order, as roots.

    `directed` is which word follows "from", where one does.
    """

    code: tuple[str, ...]
    quotes: tuple[str, ...]
    identifiers: tuple[str, ...]
    numbers: tuple[str, ...]
    symbols: tuple[str, ...]
    negations: int
    question: tuple[str, ...]
    words: tuple[str, ...]
    directed: tuple[str, ...]
    has_direction: bool


_EQUAL: Final = ("code", "quotes", "identifiers", "numbers", "symbols", "negations", "question", "directed")


def difference(kept: str, asked: str) -> str | None:
    """Return in what two questions differ so that one's answer may not suit the other; None where in nothing known."""
    one, other = reading(kept), reading(asked)
    for kind in _EQUAL:
        if getattr(one, kind) != getattr(other, kind):
            return kind
    left, right = Counter(one.words) - Counter(other.words), Counter(other.words) - Counter(one.words)
    if any(OPPOSITES.get(word, frozenset()) & right.keys() for word in left):
        return "antonym"
    if left or right:
        return "words"
    return None if _is_same_order(one, other) else "order"


@lru_cache(_CACHED)
def reading(text: str) -> Reading:
    """Return what the guard reads in a text."""
    core = core_text(text)
    if has_code(core) and "`" not in core:
        return Reading((core,), (), (), (), (), 0, (), (), (), False)
    taken: dict[str, tuple[str, ...]] = {}
    for kind, pattern in (("code", _CODE), ("quotes", _QUOTE), ("identifiers", _IDENTIFIER), ("numbers", _NUMBER)):
        taken[kind] = tuple(sorted(found.strip("`\"'“”«»‘’") for found in pattern.findall(core)))
        core = pattern.sub(" , ", core)
    symbols = tuple(sorted(_SYMBOL.findall(core)))
    named = {word.lower() for word in _names(core)}
    flat = " ".join(core.lower().replace("’", "'").split())
    for pattern, words in _PHRASES:
        flat = pattern.sub(words, flat)
    words = [_base(word) for word in _WORD.findall(flat)]
    numbers = tuple(sorted([*taken["numbers"], *(NUMBER_WORDS[word] for word in words if word in NUMBER_WORDS)]))
    weighty = [
        word if word in named else root(word)
        for word in words
        if word in named or word not in EMPTY_WORDS | NEGATIONS | QUESTION_WORDS and word not in NUMBER_WORDS
    ]
    return Reading(
        code=taken["code"],
        quotes=taken["quotes"],
        identifiers=taken["identifiers"],
        numbers=numbers,
        symbols=symbols,
        negations=sum(word in NEGATIONS for word in words),
        question=tuple(sorted({word for word in words if word in QUESTION_WORDS} - {"what", "which"})),
        words=tuple(weighty),
        directed=tuple(_after_from(words)),
        has_direction=any(word in DIRECTIONS for word in words),
    )


def _base(word: str) -> str:
    """Return the word without what an apostrophe joins to it; "n't" stays, as in "dont"."""
    if word.endswith("n't"):
        return word.translate(_APOSTROPHES)
    return word.partition("'")[0]


def _names(text: str) -> Iterator[str]:
    """Yield the words in capitals that would count as nothing in small letters, such as IT and US."""
    if text.isupper():
        return
    for word in _WORD.findall(text):
        if len(word) > 1 and word.isupper() and word.lower() in EMPTY_WORDS:
            yield word


def _after_from(words: list[str]) -> Iterator[str]:
    for place, word in enumerate(words):
        if word == "from":
            yield next((root(one) for one in words[place + 1 :] if one not in EMPTY_WORDS), "")


def _is_same_order(one: Reading, other: Reading) -> bool:
    if one.words == other.words:
        return True
    if one.has_direction or other.has_direction:
        return False
    doubled = one.words * 2
    return any(doubled[start : start + len(other.words)] == other.words for start in range(len(one.words)))
