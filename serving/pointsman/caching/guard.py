"""Whether two questions that look alike differ in something that changes the answer.

An embedding can't tell: "enable" and "disable", 10 and 100, A to B and B to A lie as near as true paraphrases do
(docs/cache.md has the figures). So the cosine only proposes, and the words decide: numbers, names, code, negation, the
question asked and the direction must be the same, and every word of weight must have its like on the other side.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Final

import msgspec

from pointsman.caching.roots import OPPOSITES, SAME, root, stemmed
from pointsman.caching.vocabulary import (
    EMPTY_WORDS,
    MOODS,
    NEGATIONS,
    NUMBER_WORDS,
    ORDERING,
    PAST,
    PERSONS,
    PHRASES,
    QUESTION_WORDS,
)
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
_TERM: Final = re.compile(r"^[Ww]hat (?:is|are) the (?=[A-Z]{2})")
_SYMBOL: Final = re.compile(r"[=<>≤≥≠±×÷%€$£¥°§+*^|&~@#]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_PHRASES: Final = tuple((re.compile(pattern), words) for pattern, words in PHRASES)
_MOODS: Final = tuple((re.compile(pattern), mood) for pattern, mood in MOODS)
_WEIGHTLESS: Final = EMPTY_WORDS | NEGATIONS | QUESTION_WORDS
_PRONOUNS: Final = frozenset({"I", "I'm", "I've", "I'd", "I'll", "I’m", "I’ve", "I’d", "I’ll"})
_SINGULAR: Final = frozenset(("he", "she"))
_MARKERS: Final = frozenset(("from", "if", "because", "than", "after", "before", "until", "unless"))
_FEWEST_TO_TURN: Final = 3
"""Two words that change places are as often another question ("a cat, a dog") as the same ("reset password")."""


class Reading(msgspec.Struct, frozen=True):
    """What the guard compares.

    `words` are the words of weight in their order, as roots; literals stand among them as they are. `spoken` are all
    words in small letters, `names` those with a capital inside a sentence, `persons` those spoken of; `mood` is
    how a yes-or-no question begins. `follows` is
    which word comes after "from", "if" and their like; `has_order` says that a word gives direction.
    """

    code: tuple[str, ...]
    quotes: tuple[str, ...]
    identifiers: tuple[str, ...]
    numbers: tuple[str, ...]
    symbols: tuple[str, ...]
    negations: int
    question: tuple[str, ...]
    follows: Mapping[str, str]
    words: tuple[str, ...]
    spoken: frozenset[str]
    names: frozenset[str]
    persons: frozenset[str]
    is_past: bool
    mood: str | None
    has_order: bool


_EQUAL: Final = ("code", "quotes", "identifiers", "numbers", "symbols", "negations", "question", "is_past")
_LITERALS: Final = (("code", _CODE), ("quotes", _QUOTE), ("identifiers", _IDENTIFIER), ("numbers", _NUMBER))
_MARK: Final = re.compile(r"\x00(\d+)\x00|" + _WORD.pattern)


def difference(kept: str, asked: str) -> str | None:
    """Return in what two questions differ so that one's answer may not suit the other; None where in nothing known."""
    one, other = reading(kept), reading(asked)
    for kind in _EQUAL:
        if getattr(one, kind) != getattr(other, kind):
            return kind
    return _of_words(one, other) or _of_persons(one, other) or _of_direction(one, other)


def _of_words(one: Reading, other: Reading) -> str | None:
    left, right = Counter(one.words) - Counter(other.words), Counter(other.words) - Counter(one.words)
    if any(OPPOSITES.get(word, _NONE) & right.keys() for word in left):
        return "antonym"
    return "words" if left or right else None


def _of_persons(one: Reading, other: Reading) -> str | None:
    left, right = one.persons - other.persons, other.persons - one.persons
    if (left and right) or _SINGULAR & (left | right):
        return "persons"
    return None if one.mood == other.mood or None in (one.mood, other.mood) else "mood"


def _of_direction(one: Reading, other: Reading) -> str | None:
    if any(one.follows[word] != other.follows[word] for word in one.follows.keys() & other.follows.keys()):
        return "direction"
    if not (_stand_in(one.names, other) and _stand_in(other.names, one)):
        return "names"
    return None if _is_same_order(one, other) else "order"


@lru_cache(_CACHED)
def reading(text: str) -> Reading:
    """Return what the guard reads in a text; of a text with unmarked code, the whole text as one literal."""
    core = core_text(text).replace("\x00", " ")
    if has_code(core) and "`" not in core:
        return Reading((core,), (), (), (), (), 0, (), {}, (), _NONE, _NONE, _NONE, False, None, False)
    literals: list[tuple[str, str]] = []
    for kind, pattern in _LITERALS:
        core = pattern.sub(partial(_set_aside, literals, kind), core)
    capitals = frozenset(_capitals(core))
    core = _TERM.sub("explain ", core)
    flat = " ".join(core.replace("’", "'").lower().split())
    for pattern, plain in _PHRASES:
        flat = pattern.sub(plain, flat)
    tokens = [found.group() for found in _MARK.finditer(flat)]
    spoken = [_base(token) for token in tokens if token[0] != "\x00"]
    words = tuple(_weighty(tokens, literals, capitals))
    taken = {kind: tuple(sorted(text for one, text in literals if one == kind)) for kind, _ in _LITERALS}
    taken["numbers"] = tuple(
        sorted([*taken["numbers"], *(NUMBER_WORDS[word] for word in spoken if word in NUMBER_WORDS)])
    )
    return Reading(
        **taken,
        symbols=tuple(sorted(_SYMBOL.findall(core))),
        negations=sum(word in NEGATIONS for word in spoken),
        question=tuple(sorted({word for word in spoken if word in QUESTION_WORDS} - {"what", "which"})),
        follows=dict(_following(tokens, literals)),
        words=words,
        spoken=frozenset(spoken),
        names=frozenset(word.lower() for word in capitals if word.lower() in spoken),
        persons=frozenset(PERSONS[word] for word in spoken if word in PERSONS),
        is_past=not PAST.isdisjoint(spoken),
        mood=next((mood for pattern, mood in _MOODS if pattern.match(flat)), None),
        has_order=not ORDERING.isdisjoint(spoken),
    )


_NONE: Final[frozenset[str]] = frozenset()


def _set_aside(literals: list[tuple[str, str]], kind: str, found: re.Match[str]) -> str:
    literals.append((kind, found.group().strip("`\"'“”«»‘’")))
    return f" \x00{len(literals) - 1}\x00 "


def _weighty(tokens: list[str], literals: list[tuple[str, str]], capitals: frozenset[str]) -> Iterator[str]:
    small = {word.lower() for word in capitals if word.isupper()}
    for token in tokens:
        if token[0] == "\x00":
            yield literals[int(token.strip("\x00"))][1]
            continue
        word = _base(token)
        if word in NUMBER_WORDS:
            yield NUMBER_WORDS[word]
        elif word in small and word in EMPTY_WORDS:
            yield word.upper()
        elif word not in _WEIGHTLESS:
            yield root(word)


def _base(word: str) -> str:
    """Return the word without what an apostrophe joins to it; "n't" stays, as in "dont"."""
    if word.endswith("n't"):
        return word.replace("'", "")
    return word.partition("'")[0]


def _capitals(text: str) -> Iterator[str]:
    """Yield the words with a capital that no start of a sentence explains; none where everything is in capitals."""
    if text.isupper():
        return
    for found in _WORD.finditer(text):
        word = found.group()
        before = text[: found.start()].rstrip(" \n\"'(“")
        if word[0].isupper() and word not in _PRONOUNS and before and before[-1] not in ".!?:":
            yield word


def _following(tokens: list[str], literals: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for place, token in enumerate(tokens):
        if token in _MARKERS:
            yield token, next(_weighty(tokens[place + 1 :], literals, _NONE), "")


def _stand_in(names: frozenset[str], other: Reading) -> bool:
    """Return whether every name stands in the other text letter by letter, or by another of its names."""
    return all(name in other.spoken or stemmed(name) in SAME for name in names)


def _is_same_order(one: Reading, other: Reading) -> bool:
    if one.words == other.words:
        return True
    if not len(set(one.words)) == len(one.words) >= _FEWEST_TO_TURN:
        return False
    if one.has_order or other.has_order:
        return "if" in one.follows.keys() & other.follows.keys() and _is_turned(one.words, other.words)
    return _is_moved(one.words, other.words)


def _is_turned(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether the two clauses of a sentence changed places."""
    return any(one[cut:] + one[:cut] == other for cut in range(1, len(one)))


def _is_moved(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether one run of words stands at another place, and all others follow each other as before."""
    start = next(place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    end = len(one) - next(place for place, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=True)) if a != b)
    left, right = one[start:end], other[start:end]
    return any(left[cut:] + left[:cut] == right for cut in range(1, len(left)))
