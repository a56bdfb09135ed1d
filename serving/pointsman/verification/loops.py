"""Answers that turn in circles, or give the question back."""

import re
from typing import Final

_TAIL: Final = 48
_FEWEST_TURNS: Final = 3
_LINE: Final = 16
_ECHOED: Final = 40
_MOST_COMPARED: Final = 20_000
_SPACE: Final = re.compile(r"\W+")


def loop_share(text: str) -> float:
    """Return the share of the text that repeats what stands before it: a tail said over and over, or equal lines.

    Under three turns is no loop: songs and tables repeat themselves too.
    """
    return max(_looping_tail(text), _equal_lines(text))


def _looping_tail(text: str) -> float:
    tail = text[-_TAIL:]
    if len(text) < _FEWEST_TURNS * _TAIL:
        return 0.0
    before = text.rfind(tail, 0, len(text) - 1)
    if before < 0:
        return 0.0
    period = len(text) - _TAIL - before
    turn, turns, end = text[-period:], 0, len(text)
    while end >= period and text[end - period : end] == turn:
        turns, end = turns + 1, end - period
    covered = turns * period
    return covered / len(text) if covered >= _FEWEST_TURNS * max(period, _TAIL) else 0.0


def _equal_lines(text: str) -> float:
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) >= _LINE]
    if len(lines) < 2 * _FEWEST_TURNS:
        return 0.0
    repeated = sum(map(len, lines)) - sum(map(len, set(lines)))
    share = repeated / sum(map(len, lines))
    return share if share > 0.5 else 0.0


def is_echo(question: str, text: str) -> bool:
    """Return whether the answer is the question again, with a fifth of its length added at most."""
    if len(text) > 2 * len(question) + _ECHOED or len(question) > _MOST_COMPARED:
        return False
    asked, said = (_SPACE.sub(" ", one).strip().lower() for one in (question, text))
    return len(asked) >= _ECHOED and len(said) <= 1.2 * len(asked) and asked in said
