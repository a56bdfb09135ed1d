"""Takes out of a text what no reader sees, and what nobody but its owner may have: secrets."""

import re
from typing import Final

SECRET: Final = "[SECRET]"
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters but tab, newline and return; marks that turn the direction or hide; surrogates; tag characters.

The joiners U+200C and U+200D stay: Persian, Hindi and emoji are written with them.
"""

_KEY_BEGINS: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS: Final = re.compile(r"-----END [A-Z0-9 ]{0,60}-----")
_TOKENS: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"sk-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, OpenRouter
    r"|pm-[A-Za-z0-9_-]{16,}"  # Pointsman
    r"|(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|ya29\.[A-Za-z0-9_-]{20,}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|whsec_[A-Za-z0-9+/=]{16,}"
    r"|hf_[A-Za-z0-9]{20,}"
    r"|npm_[A-Za-z0-9]{30,}"
    r"|pypi-[A-Za-z0-9_-]{40,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # a JSON web token
    r")"
)
_BEARER: Final = re.compile(r"(?i)\b((?:bearer|basic|token)\s+)[A-Za-z0-9._~+/-]{16,}=*")
_ASSIGNED: Final = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|client[_-]?secret"
    r"|private[_-]?key|account[_-]?key)[\"']?\s{0,3}(?:=>|:=|[:=])\s{0,3})(?:([\"'])[^\"'\n]{4,200}\2|[^\s\"',;\[]{6,200})"
)
_NAMED_TOKEN: Final = re.compile(r"(?i)(\btoken[\"']?\s{0,3}[:=]\s{0,3}[\"']?)[A-Za-z0-9._~+/-]{16,}=*")
_IN_URL: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:)[^\s@/]{1,200}(?=@)")


def sanitised(text: str) -> str:
    """Return the text without unseen characters, and with `[SECRET]` for what has the form of a key or a password."""
    text = _UNSEEN.sub("", text)
    text = _without_private_keys(text)
    text = _TOKENS.sub(SECRET, text)
    text = _IN_URL.sub(rf"\1{SECRET}", text)
    text = _NAMED_TOKEN.sub(rf"\1{SECRET}", text)
    text = _BEARER.sub(rf"\1{SECRET}", text)
    return _ASSIGNED.sub(rf"\1\2{SECRET}\2", text)


def _without_private_keys(text: str) -> str:
    """Return the text with `[SECRET]` for private keys; one that doesn't end goes on to the text's end."""
    parts, at = [], 0
    while begin := _KEY_BEGINS.search(text, at):
        end = _KEY_ENDS.search(text, begin.end())
        parts += [text[at : begin.start()], SECRET]
        at = end.end() if end else len(text)
    return "".join([*parts, text[at:]])
