"""Text counts: the named numbers that stand beside the embedding, one definition for training and serving.

They are taken from a text's core (`wording`), and none of them sees capitals: how a task is typed should change little.

Every text gives finite numbers in bounded time: at most the first and the last `WINDOW` characters are read, and the
true length enters as a number of its own. A change of meaning, order or number of the counts raises `FEATURE_VERSION`;
a bundle trained on another version is refused.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pointsman.prediction.vocabulary import WORD_CLASSES

Floats = npt.NDArray[np.float32]

FEATURE_VERSION: Final = 2
WINDOW: Final = 4_000

_BYTE_CLASSES: Final = {
    "digits": b"0123456789",
    "tabs": b"\t",
    "question_marks": b"?",
    "full_stops": b".",
    "commas": b",",
    "colons": b":",
    "semicolons": b";",
    "quotes": b"\"'",
    "backticks": b"`",
    "round_brackets": b"(",
    "square_brackets": b"[",
    "braces": b"{",
    "angles": b"<>",
    "dollars": b"$",
    "backslashes": b"\\",
    "underscores": b"_",
    "carets": b"^",
    "percents": b"%",
    "equals": b"=",
    "plus_minus": b"+-",
    "times_over": b"*/",
    "pipes_ampersands": b"|&",
    "control_characters": bytes(range(9)) + bytes(range(14, 32)) + b"\x7f",
    "utf8_latin": bytes(range(0xC2, 0xCE)),
    "utf8_cyrillic": bytes(range(0xD0, 0xD4)),
    "utf8_semitic": bytes(range(0xD6, 0xDC)),
    "utf8_indic": b"\xe0\xe1",
    "utf8_symbols": b"\xe2",
    "utf8_east_asian": bytes(range(0xE3, 0xEE)),
    "utf8_astral": bytes(range(0xF0, 0xF5)),
}
_NUMBER_CLASSES: Final = (
    "numbers_1_digit",
    "numbers_2_digits",
    "numbers_3_digits",
    "numbers_4_digits",
    "numbers_long",
    "decimals",
)
_SHAPES: Final = (
    "characters",
    "words",
    "distinct_words",
    "long_words",
    "word_length",
    "longest_word",
    "words_per_sentence",
    "digit_share",
    "symbol_share",
    "non_ascii_share",
    "nesting_depth",
    "indented_lines",
    "list_items",
    "answer_options",
    "code_fences",
    "longest_line",
    "ends_with_question",
)
_WORD_CLASS_NAMES: Final = tuple(f"words_{name}" for name in WORD_CLASSES)

FEATURE_NAMES: Final[tuple[str, ...]] = (*_SHAPES, *_BYTE_CLASSES, *_NUMBER_CLASSES, *_WORD_CLASS_NAMES)

_UNCOUNTED: Final = (b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b" \n", b")]}")
_LETTER, _SPACE, _CLOSING, _CONTINUATION, _OTHER = range(len(_BYTE_CLASSES), len(_BYTE_CLASSES) + 5)
_CLASS_OF_BYTE: Final = bytearray([_OTHER] * 128 + [_CONTINUATION] * 128)
for _index, _members in enumerate((*_BYTE_CLASSES.values(), *_UNCOUNTED)):
    for _byte in _members:
        _CLASS_OF_BYTE[_byte] = _index
_OPENING: Final = slice(list(_BYTE_CLASSES).index("round_brackets"), list(_BYTE_CLASSES).index("braces") + 1)
_NON_ASCII_FROM: Final = list(_BYTE_CLASSES).index("utf8_latin")
_BRACKET_STEP: Final = np.zeros(256, dtype=np.int8)
_BRACKET_STEP[list(b"([{")] = 1
_BRACKET_STEP[list(b")]}")] = -1

_CLASS_OF_WORD: Final = {
    word: len(_NUMBER_CLASSES) + index for index, words in enumerate(WORD_CLASSES.values()) for word in words.split()
}
_WORD_SLOTS: Final = len(_NUMBER_CLASSES) + len(WORD_CLASSES)
_WORD: Final = re.compile(r"\\?[^\W\d_]+|\d[\d.,]*")
_LIST_ITEM: Final = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_OPTIONS: Final = tuple(f"\n{letter}. " for letter in "ABCDEFGHIJ")
_LONG_WORD: Final = 9
_SHARES: Final = (
    "word_length",
    "digit_share",
    "symbol_share",
    "non_ascii_share",
    "ends_with_question",
)
_IS_COUNT: Final = np.array([name not in _SHARES for name in FEATURE_NAMES])


def text_counts(text: str) -> Floats:
    """Return the counts of one text, float32 (n_features,), in the order of `FEATURE_NAMES`, each finite.

    Counts are log1p-scaled, shares lie in [0, 1]. No text is refused.
    """
    window = text if len(text) <= 2 * WINDOW else text[:WINDOW] + "\n" + text[-WINDOW:]
    raw = window.encode("utf-8", "replace")
    by_class = np.bincount(np.frombuffer(raw.translate(_CLASS_OF_BYTE), np.uint8), minlength=_OTHER + 1).tolist()
    words = _WORD.findall(window.lower())
    shapes = _shape_counts(text, window, raw, by_class, words)
    counts = np.array([*shapes, *by_class[: len(_BYTE_CLASSES)], *_word_class_counts(words)], dtype=np.float32)
    np.log1p(counts, out=counts, where=_IS_COUNT)
    return counts


def text_counts_of(texts: Sequence[str]) -> Floats:
    """Return `text_counts` of every text, float32 (n_texts, n_features)."""
    if not texts:
        return np.zeros((0, len(FEATURE_NAMES)), dtype=np.float32)
    return np.stack([text_counts(text) for text in texts])


def _word_class_counts(words: list[str]) -> list[int]:
    slots = [0] * _WORD_SLOTS
    class_of = _CLASS_OF_WORD.get
    for word in words:
        slot = class_of(word)
        if slot is not None:
            slots[slot] += 1
        elif word[0].isdigit():
            slots[_number_class(word)] += 1
    return slots


def _number_class(number: str) -> int:
    number = number.rstrip(".,")
    if "." in number:
        return 5
    return min(len(number.replace(",", "")), 5) - 1


def _nesting_depth(raw: bytes) -> int:
    depths = np.cumsum(_BRACKET_STEP[np.frombuffer(raw, np.uint8)], dtype=np.int32)
    return max(int(depths.max()), 0)


def _shape_counts(text: str, window: str, raw: bytes, by_class: list[int], words: list[str]) -> tuple[float, ...]:
    n_words = len(words)
    n_bytes = max(len(raw), 1)
    digits, letters = by_class[0], by_class[_LETTER]
    non_ascii = sum(by_class[_NON_ASCII_FROM : len(_BYTE_CLASSES)]) + by_class[_CONTINUATION]
    has_brackets = by_class[_CLOSING] or any(by_class[_OPENING])
    lengths = [len(word) for word in words]
    sentences = 1 + window.count(". ") + window.count("? ") + window.count("! ")
    lines = window.split("\n")
    return (
        len(text),
        n_words,
        len(set(words)),
        len([length for length in lengths if length >= _LONG_WORD]),
        sum(lengths) / n_words if n_words else 0.0,
        max(lengths, default=0),
        n_words / sentences,
        digits / n_bytes,
        1.0 - (letters + by_class[_SPACE] + digits + non_ascii) / n_bytes,
        non_ascii / n_bytes,
        _nesting_depth(raw) if has_brackets else 0,
        len([line for line in lines if line[:2].isspace()]),
        len(_LIST_ITEM.findall(window)),
        len([option for option in _OPTIONS if option in window]) if len(lines) > 1 else 0,
        window.count("```"),
        max(map(len, lines)),
        window.endswith(("?", "？")),
    )
