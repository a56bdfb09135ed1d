"""What a task asks for, without how it is dressed: greeting, courtesy, thanks, emphasis and white space are taken off.

They say nothing about which model a task needs, yet a greeting alone moved one decision in five while it was read. The
rules are English, few and declared here; whatever they don't know stays.
"""

import re
from typing import Final

_GREETING: Final = (
    r"(?:hi|hello|hey|greetings|good (?:morning|afternoon|evening|day)|dear [a-z]+)"
    r"(?: (?:there|all|everyone|everybody|team|folks|friends?))?\s*[,.!:;–—-]+\s*"
)
_SOMEBODY: Final = r"(?:you|u|anyone|anybody|someone|somebody)"
_COURTESY: Final = r"(?:please|kindly|pls|plz)"
_REQUEST: Final = (
    rf"(?:(?:could|can|would|will) {_SOMEBODY}(?! rather)(?: {_COURTESY}| possibly)?"
    rf"|would {_SOMEBODY} (?:mind|be able to|be so kind (?:as )?to)"
    rf"|i (?:was|am) wondering (?:if|whether) {_SOMEBODY} (?:could|can|would)"
    r"|i(?:'d| would) (?:like|love|want)(?: (?:you|for you))? to"
    r"|i (?:want|need)(?: you)? to"
    rf"|{_COURTESY},?"
    r"|help me(?: out)?(?: with|to)?(?: (?:the following|this))?:?"
    r"|i(?:'d)?(?: need| want| could use| would like| like)(?: some| your)? help(?: with| in| to)?"
    r"(?: (?:the following|this))?:?"
    r"|(?:here(?:'s| is)|below is|this is) (?:my|a|the|another) (?:question|task|request|problem|prompt)"
    r"(?: for you)?\s*[:.]"
    r"|(?:my |the |your )?(?:question|task|request|prompt|q)(?: is)?\s*:"
    r"|(?:your|the) task is to"
    r"|(?:quick |one )?question[:,]"
    rf"|(?:do|answer|solve|handle) the following(?: (?:question|task|request|problem))?\s*[:.])\s+"
)
_OPENING: Final = re.compile(rf"(?:{_GREETING}|{_REQUEST})+", re.IGNORECASE)
_THANKS: Final = (
    r"(?:(?:many |much )?(?:thanks|thank you|thx|ty|cheers)(?: (?:so|very) much| a (?:lot|million|bunch)| again)?"
    r"(?: in advance)?(?: for (?:your|the|any|all your) (?:help|time|support|effort|assistance))?"
    r"|(?:any|your) help (?:is|would be) (?:greatly |much |very )?appreciated"
    r"|(?:i(?:'d| would)? )?(?:really |greatly )?appreciate (?:it|your help|any help|that)"
    r"|much appreciated|(?:best|kind|warm) (?:regards|wishes)|regards|sincerely|have a (?:nice|good|great) (?:day|one)"
    rf"|{_COURTESY})"
)
_CLOSING: Final = re.compile(rf"(?:(?:^|[\s.!?,;:)(–—-]+){_THANKS}[\s.!?,;:()]*)+$", re.IGNORECASE)
_LONGEST_OPENING: Final = 400
_LONGEST_CLOSING: Final = 160
_CLOSING_HINTS: Final = (
    "thank",
    "thx",
    "cheers",
    "appreciate",
    "regards",
    "wishes",
    "sincerely",
    "have a",
    "please",
    "pls",
)
_SPACE_BEFORE_BREAK: Final = re.compile(r"[ \t]+(?=\n)|\n(?=\n)")
_WIDE_SPACE: Final = re.compile(r"(?<=\S)[ \t]{2,}")
_MARKER: Final = re.compile(r"(?:#{1,6}\s+|>\s*|[-*•]\s+)+")
_QUOTED_LINE: Final = re.compile(r"\n>[ \t]?")
_BOLD: Final = re.compile(r"(?<![\w*])\*\*(?=[^\s*])([^\n*]+)(?<=\S)\*\*(?![\w*])")
_FEWEST_CHARACTERS: Final = 8
"""A text of which less than this would be left is nothing but courtesy, and is read as it is."""


def core_text(text: str) -> str:
    """Return what a text asks for; never empty where the text isn't blank."""
    plain = _unmarked(text.strip())
    opening = _OPENING.match(plain, 0, _LONGEST_OPENING)
    core = plain[opening.end() :] if opening else plain
    core = _without_closing(core)
    return core if len(core) >= _FEWEST_CHARACTERS else plain or text


def _without_closing(text: str) -> str:
    tail = text[-_LONGEST_CLOSING:]
    lower = tail.lower()
    if not any([hint in lower for hint in _CLOSING_HINTS]):
        return text
    closing = _CLOSING.search(tail)
    if not closing:
        return text
    kept = text[: len(text) - len(tail) + closing.start()]
    return kept + ("?" if "?" in closing.group() else tail[closing.start()] if tail[closing.start()] in ".!" else "")


def _unmarked(text: str) -> str:
    if "\n" in text:
        text = _SPACE_BEFORE_BREAK.sub("", text)
    if "  " in text or "\t" in text:
        text = _WIDE_SPACE.sub(" ", text)
    if text[:1] in "#>-*•":
        marker = _MARKER.match(text)
        if marker and text[:1] == ">":
            text = _QUOTED_LINE.sub("\n", text)
        text = text[marker.end() :] if marker else text
    return _BOLD.sub(r"\1", text) if "**" in text else text
