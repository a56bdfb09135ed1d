"""Whether a turn is a request of its own, a follow-up on the one before, or a courtesy.

Told by counting: words of assent, reference, courtesy and filler are declared in `phrases`; every other word is
content. A request is substantive where it isn't a follow-up:

- more than 14 words or 160 characters, or any code block, is a request;
- no content at all is a follow-up ("continue, please"), unless it is nothing but courtesy ("thanks!");
- so is what begins with yes or no ("no, check the units first");
- at most 2 words of content beside a reference ("why does it fail", "same for staging") is a follow-up;
- so are at most 2 after a continuing first word ("and on Windows?"), at most 4 words after one that only says how
  ("with comments"), and manner alone ("shorter, in French");
- after an assistant that ended in a question, at most 4 words that open no request are its answer ("Postgres").
"""

import re
import unicodedata
from typing import Final, Literal

from pointsman.conversation.phrases import (
    ANSWERING,
    CJK_COURTESY,
    CJK_GO_AHEAD,
    CJK_REFERENCE,
    CONTINUING,
    COURTESY,
    FILLER,
    GO_AHEAD,
    MANNER,
    MODIFYING,
    PRAISE,
    REFERENCE,
    REQUEST_OPENINGS,
)

Standing = Literal["request", "follow_up", "courtesy"]

LONGEST_CHARACTERS: Final = 160
LONGEST_WORDS: Final = 14
MOST_CONTENT: Final = 2
LONGEST_MODIFIER_WORDS: Final = 4
LONGEST_ANSWER_WORDS: Final = 4
_LONGEST_CJK_REST: Final = 6
_QUESTION_WINDOW: Final = 300

_WORD: Final = re.compile(r"[^\s.,!?;:…。，！？、；：\"“”„«»()\[\]{}<>*`~|/\\—–]+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_NOISE: Final = re.compile(r"[\s\W_]+")


def _longest_first(*phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(sorted((re.escape(each) for group in phrases for each in group), key=len, reverse=True)))


_CJK_ASSENT: Final = _longest_first(CJK_GO_AHEAD)
_CJK_REFERENCE: Final = _longest_first(CJK_REFERENCE)
_CJK_COURTESY: Final = _longest_first(CJK_COURTESY)


def asks(text: str) -> bool:
    """Return whether an assistant's turn ended in a question."""
    tail = text[-_QUESTION_WINDOW:]
    return "?" in tail or "？" in tail


def standing(text: str, is_answer: bool) -> Standing:
    """Return what a person's turn is; `is_answer` says that the assistant's turn before it ended in a question."""
    text = text.strip()
    if len(text) > LONGEST_CHARACTERS or "```" in text:
        return "request"
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    if _CJK.search(text):
        return _standing_without_spaces(text)
    words = _WORD.findall(text)
    if len(words) > LONGEST_WORDS:
        return "request"
    content = [word for word in words if word not in _PLAIN and not word.isdigit() and len(word) > 1]
    if _is_courtesy(words, is_answer):
        return "courtesy"
    return "follow_up" if _follows(text, words, content, is_answer) else "request"


_PLAIN: Final = GO_AHEAD | REFERENCE | FILLER | COURTESY | PRAISE


def _is_courtesy(words: list[str], is_answer: bool) -> bool:
    kind = COURTESY if is_answer else COURTESY | PRAISE
    rest = [word for word in words if word not in COURTESY | PRAISE | FILLER]
    return not rest and any(word in kind for word in words)


def _follows(text: str, words: list[str], content: list[str], is_answer: bool) -> bool:
    if not [word for word in content if word not in MANNER]:
        return bool(content) or not _has_digits_alone(words, is_answer)
    if words[0] in ANSWERING:
        return True
    is_short = len(content) <= MOST_CONTENT
    if is_short and any(word in REFERENCE for word in words):
        return True
    if is_short and words[0] in CONTINUING and not _opens_question(words):
        return True
    if words[0] in MODIFYING and len(words) <= LONGEST_MODIFIER_WORDS and "?" not in text:
        return True
    return is_answer and len(words) <= LONGEST_ANSWER_WORDS and "?" not in text and words[0] not in REQUEST_OPENINGS


def _opens_question(words: list[str]) -> bool:
    """Return whether "what" or "how" opens a question of its own, rather than "what about"."""
    return words[0] in ("what", "how") and words[1:2] != ["about"]


def _has_digits_alone(words: list[str], is_answer: bool) -> bool:
    """Return whether the turn is a sum or a number that nobody asked for ("2 + 2")."""
    numbers = [word for word in words if word.isdigit()]
    return len(numbers) > 1 and len(numbers) == len(words) and not is_answer


def _standing_without_spaces(text: str) -> Standing:
    letters = _CJK_NOISE.sub("", text)
    rest = _CJK_COURTESY.sub("", letters)
    if not rest:
        return "courtesy"
    rest = _CJK_ASSENT.sub("", rest)
    if len(rest) <= 1:
        return "follow_up"
    without = _CJK_REFERENCE.sub("", rest)
    refers = without != rest
    return "follow_up" if refers and len(without) <= _LONGEST_CJK_REST else "request"
