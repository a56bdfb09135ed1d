"""Words → their roots: plural, tense and spelling taken off, words of one meaning made one."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pointsman.caching.vocabulary import IRREGULAR, OPPOSITE_PAIRS, SAME_CLASSES

_VOWELS: Final = frozenset("aeiouy")
_SHORTEST: Final = 3


@lru_cache(65_536)
def root(word: str) -> str:
    """Return the root of a lower-case word, which stands for all words of its class."""
    stem = stemmed(word)
    return SAME.get(stem, stem)


def stemmed(word: str) -> str:
    """Return the word without plural or tense; rough, and meant for comparing only."""
    if word in IRREGULAR:
        word = IRREGULAR[word]
        return word.removesuffix("e") if len(word) > _SHORTEST else word
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) > _SHORTEST and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = _singular(word)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST and _VOWELS & set(word[: -len(ending)]):
            word = word.removesuffix(ending)
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > _SHORTEST else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > _SHORTEST + 1:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _same() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for words in SAME_CLASSES:
        first = found.get(stemmed(words[0]), stemmed(words[0]))
        for word in words:
            found.setdefault(stemmed(word), first)
    return found


def _opposites() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in OPPOSITE_PAIRS:
        found.setdefault(root(one), set()).add(root(other))
        found.setdefault(root(other), set()).add(root(one))
    return {word: frozenset(others) for word, others in found.items()}


SAME: Final[Mapping[str, str]] = _same()
OPPOSITES: Final[Mapping[str, frozenset[str]]] = _opposites()
"""The roots of words that say the opposite."""
