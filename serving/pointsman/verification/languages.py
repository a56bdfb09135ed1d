"""Whether an answer is in the language of its question: by script, and by small words where the script is Latin."""

import re
from collections import Counter
from typing import Final

CHARACTERS_READ: Final = 600
_FEWEST_LETTERS: Final = 40
_FEWEST_WORDS: Final = 4
_CLEAR: Final = 2.0

_SCRIPTS: Final = {
    "latin": re.compile("[A-Za-zÀ-ɏ]"),
    "cyrillic": re.compile("[Ѐ-ӿ]"),
    "greek": re.compile("[Ͱ-Ͽ]"),
    "arabic": re.compile("[؀-ۿ]"),
    "hebrew": re.compile("[֐-׿]"),
    "devanagari": re.compile("[ऀ-ॿ]"),
    "thai": re.compile("[฀-๿]"),
    "hangul": re.compile("[가-힣]"),
    "kana": re.compile("[぀-ヿ]"),
    "han": re.compile("[一-鿿]"),
}
_SMALL_WORDS: Final = {
    "en": "the and of to is that this with for are was what how you it which from have can",
    "de": "der die das und ist nicht ein eine mit für auf wie was ich sie wird sind den dem von",
    "fr": "le la les des est et une dans pour que qui pas avec sur vous nous du comment quelle sont",
    "es": "el los las una es que para con por del cómo qué son está pero más como su y",
    "it": "il di che è una per con del della non sono come gli cosa più questo alla nel",
    "pt": "o os uma que é para com não do da como são em mais por você isso dos",
    "nl": "de het een en van is dat niet met voor op zijn hoe wat ik je worden naar",
}
_LANGUAGES: Final[dict[str, tuple[str, ...]]] = {}
for _language, _words in _SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGES[_word] = (*_LANGUAGES.get(_word, ()), _language)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_OTHER_LANGUAGE_WANTED: Final = re.compile(
    r"\btranslat|\bübersetz|\btradui|\btraduz|\btraduc|\bvertaal|перевед|翻译|翻訳|번역|"
    r"\b(?:in|into|to|auf|en|em|på) (?:english|german|french|spanish|italian|portuguese|dutch|chinese|japanese|korean|"
    r"russian|arabic|hindi|polish|turkish|latin|greek|deutsch|englisch|französisch|spanisch|anglais|allemand|espagnol|"
    r"inglés|alemán|francés|inglês|inglese)\b",
    re.IGNORECASE,
)


def language(text: str) -> str | None:
    """Return the language (of seven in Latin script) or else the script of a text; None where that isn't clear."""
    letters = _CODE.sub(" ", text[: 2 * CHARACTERS_READ])[:CHARACTERS_READ]
    if letters.isascii():
        return _by_small_words(letters)
    counts = {name: len(pattern.findall(letters)) for name, pattern in _SCRIPTS.items()}
    script = max(counts, key=counts.__getitem__)
    if counts["kana"] > 0.1 * counts["han"]:
        script = "kana" if script == "han" else script
    weight = 4 if script in ("han", "kana", "hangul") else 1
    if counts[script] * weight < _FEWEST_LETTERS or counts[script] < 0.6 * sum(counts.values()):
        return None
    return _by_small_words(letters) if script == "latin" else "japanese" if script == "kana" else script


def _by_small_words(letters: str) -> str | None:
    found = Counter(one for word in letters.lower().split() for one in _LANGUAGES.get(word.strip(".,;:!?\"'()"), ()))
    ranked = [*found.most_common(2), ("", 0), ("", 0)]
    (first, most), (_, second) = ranked[:2]
    return first if most >= _FEWEST_WORDS and most >= _CLEAR * second else None


def is_other_language(question: str, text: str) -> bool | None:
    """Return whether the answer is clearly in another language; None where either isn't clear, or another was asked."""
    ends = f"{question[:CHARACTERS_READ]} {question[CHARACTERS_READ:][-CHARACTERS_READ:]}"
    if _OTHER_LANGUAGE_WANTED.search(ends):
        return None
    asked = language(question)
    said = language(text) if asked else None
    return asked != said if asked and said else None
