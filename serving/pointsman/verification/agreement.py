"""Whether several answers to one task say the same: where samples of a model disagree, it guesses."""

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Embed = Callable[[Sequence[str]], npt.NDArray[np.floating]]
"""Texts to vectors, (n, d)."""

SHORT_CHARACTERS: Final = 60
"""Answers up to this long are compared as they stand, not by meaning."""

_FINAL: Final = re.compile(
    r"\\boxed\{([^{}]{1,60})\}|####[ \t]*([^\n]{1,60})|"
    r"\b(?:final |correct )?answer(?: is)?[ \t]*[:=]?[ \t]*\**[ \t]*\(?([^\n.;*]{1,60}(?:\.\d+)?)",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"[-−+]?(?:\d[\d, ]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DRESS: Final = re.compile(r"[\s\"'`*_$().,:;!?\\]+")
_ARTICLE: Final = re.compile(r"^(?:the|a|an) ")


def agreement(texts: Sequence[str], embed: Embed | None = None) -> float | None:
    r"""Return how far the other answers agree with the first, in [0, 1]; None where that can't be told.

    Short answers, and final answers that are marked as such ("answer: 12", \\boxed{12}), agree where they are the same
    number or the same words; else it is the mean cosine, without `embed` None.
    """
    if len(texts) < 2:
        return None
    finals = [final_answer(text) for text in texts]
    if all(finals):
        return sum(one == finals[0] for one in finals[1:]) / (len(finals) - 1)
    if embed is None:
        return None
    vectors = np.asarray(embed(texts), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    if not lengths.all():
        return None
    cosines = vectors[1:] @ vectors[0] / (lengths[1:] * lengths[0])
    return float(np.clip(cosines, 0, 1).mean())


def majority(texts: Sequence[str]) -> int | None:
    """Return the place of the first answer of those that most agree on; None where not all have a final answer."""
    finals = [final_answer(text) for text in texts]
    if not finals or not all(finals):
        return None
    return max(range(len(finals)), key=lambda place: (finals.count(finals[place]), -place))


def final_answer(text: str) -> str | None:
    """Return what an answer comes down to, in a form that can be compared; None where that isn't plain."""
    marked = list(_FINAL.finditer(text))
    if marked:
        return _normal(next(group for group in marked[-1].groups() if group is not None)) or None
    plain = text.strip()
    return (_normal(plain) or None) if len(plain) <= SHORT_CHARACTERS and "\n" not in plain else None


def _normal(answer: str) -> str:
    bare = answer.strip().strip("$€£%").strip().rstrip(".")
    if _NUMBER.fullmatch(bare.strip("() $*")):
        digits = re.sub(r"[, ]", "", bare.strip("() $*")).replace("−", "-")
        return f"{float(digits):.12g}"
    return _ARTICLE.sub("", _DRESS.sub(" ", answer).strip().casefold())
