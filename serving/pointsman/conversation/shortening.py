"""Long texts cut in their middle to a number of tokens, the longest first."""

from collections.abc import Callable, Sequence
from typing import Final

MARKER: Final = "\n[... {} characters cut ...]\n"
_PARTS: Final = 64
"""How finely a text is cut: to a 64th of its length."""


def shortened(texts: Sequence[str], budget_tokens: int, count: Callable[[str], int]) -> list[str | None]:
    """Return each text cut so that together they have at most `budget_tokens`, None where it stays whole.

    The longest are cut to one length, and the others stay. Where even their markers don't fit, all are cut to markers:
    the caller has to count again.
    """
    tokens = [count(text) for text in texts]
    level = _level(tokens, budget_tokens)
    return [None if each <= level else _cut(text, level, count) for text, each in zip(texts, tokens, strict=True)]


def _level(tokens: Sequence[int], budget_tokens: int) -> int:
    """Return the greatest whole number L for which the sum of min(tokens, L) is within the budget."""
    left = max(budget_tokens, 0)
    for position, each in enumerate(sorted(tokens)):
        share = left // (len(tokens) - position)
        if each > share:
            return share
        left -= each
    return max(tokens, default=0)


def _cut(text: str, level: int, count: Callable[[str], int]) -> str | None:
    """Return the longest cut of 64 that has at most `level` tokens; the marker alone where none has."""
    low, high = 0, _PARTS - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(_cut_to(text, middle)) <= level else (low, middle - 1)
    cut = _cut_to(text, low)
    return cut if len(cut) < len(text) else None


def _cut_to(text: str, parts: int) -> str:
    kept = len(text) * parts // _PARTS
    head = (kept + 1) // 2
    tail = kept - head
    return text[:head] + MARKER.format(len(text) - kept) + (text[-tail:] if tail else "")
