"""A question in its plainest dress, the same for two texts that differ in courtesy, spaces and capitals."""

import re
from functools import lru_cache
from typing import Final

from pointsman.prediction.wording import core_text

_CODE: Final = re.compile(r"```|`|\n[ \t]+\S|[{};]\s*\n|=>|::|\bdef \w+\(|\bSELECT\b.*\bFROM\b", re.DOTALL)
_QUOTED: Final = re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|(?<!\w)'[^'\n]+'(?!\w)")
_SPACE: Final = re.compile(r"\s+")
_CACHED: Final = 4096
_LONGEST: Final = 4000


def has_code(text: str) -> bool:
    """Return whether capitals and spaces may matter in a text, because it brings code along."""
    return _CODE.search(text) is not None


def wording(text: str) -> str:
    """Return the text without courtesy, with single spaces, small letters and no mark at its end.

    What stands in quotes keeps its capitals; a text with code, or of more than 4,000 characters, keeps everything.
    """
    return text if len(text) > _LONGEST else _undressed(text)


@lru_cache(_CACHED)
def _undressed(text: str) -> str:
    core = core_text(text).strip()
    if has_code(core):
        return core
    flat = _SPACE.sub(" ", core)
    kept = _QUOTED.findall(flat)
    plain = flat.lower().rstrip(" .?!…")
    return plain if not kept else "\n".join([plain, *kept])
