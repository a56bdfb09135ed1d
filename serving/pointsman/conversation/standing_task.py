"""A task that stands in the system prompt alone: "You are a translator", and the user's turn is the text.

A system prompt isn't the task: a harness's names every task there is. It gives the task where all of this holds: it is
short, the chat has no tools, a sentence of it names something that is done to a text, and the user's turn asks for
nothing itself, or the prompt says that whatever comes is to be treated so. Those sentences then go before the turn.
"""

import re
from typing import Final

from pointsman.conversation.phrases import REQUEST_OPENINGS

LONGEST_SYSTEM: Final = 4_000
LONGEST_INSTRUCTION: Final = 300
_EDGE: Final = 400

_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]?")
_DONE_TO_TEXT: Final = re.compile(
    r"\b(?:translat|summar|condens|extract|classif|categori|label|tag |rewrit|rephras|paraphras|proofread|proof-read"
    r"|correct the|fix the|convert|transcrib|transliterat|redact|anonymi|moderat|sentiment|normali|pars(?:e|ing)"
    r"|review|grade|grading|scor(?:e|ing)|rate |simplif|explain|caption|title|headline|transform|format"
    r"|sql|unit tests?|docstring|commit message|generate|write|debug|refactor|annotat|detect|identif|complete)",
    re.IGNORECASE,
)
_DONE_TO_ANYTHING: Final = re.compile(
    r"\b(?:translat|summar|condens|extract|classif|categori|proofread|proof-read|transliterat|transcrib|redact|anonymi"
    r"|moderat|sentiment|detect the language)",
    re.IGNORECASE,
)
_MATERIAL: Final = (
    r"(?:message|text|input|sentence|line|turn|document|article|email|code|function|class|file|query|trace"
    r"|snippet|diff|review|ticket|comment|transcript|topic|record|note)s?"
)
_WHATEVER_COMES: Final = re.compile(
    rf"\b(?:(?:every|each|any|all) (?:of the |the )?(?:user(?:'s|s)? )?(?:\w+ )?{_MATERIAL}\b"
    r"|(?:everything|anything|what|whatever) (?:the user|you|that|i)\b"
    rf"|(?:the )?user(?:'s)? {_MATERIAL}\b|(?:the )?users?(?: will)? (?:send|give|provide|paste|submit|write)s?\b"
    rf"|(?:the )?(?:following|given|provided|incoming|pasted|supplied) (?:\w+ )?{_MATERIAL}\b"
    rf"|{_MATERIAL} (?:you are|you're|that is|the user) (?:given|provided|sent|gives?|sends?|provides?|pastes?)"
    r"|(?:translator|translation engine|summari[sz]er|classifier|extractor|proofreader|parser|moderator)\b)",
    re.IGNORECASE,
)
_ASKS_POLITELY: Final = re.compile(
    r"\b(?:please|can you|could you|would you|i want|i need|i'd like|help me|tell me|show me|give me)\b", re.IGNORECASE
)
_FIRST_WORD: Final = re.compile(r"[\w']+")


def standing_task(system: str, text: str) -> str | None:
    """Return the sentences of a system prompt that say what to do with the user's text, None where the text says it."""
    if not system or len(system) > LONGEST_SYSTEM:
        return None
    task = _instruction(system)
    if task is None:
        return None
    return task if _WHATEVER_COMES.search(system) or is_data(text) else None


def takes_whatever_comes(system: str) -> bool:
    """Return whether a system prompt does one thing to every turn, so that "yes" and "continue" are material too."""
    if not system or len(system) > LONGEST_SYSTEM:
        return False
    task = _instruction(system)
    return bool(task and _DONE_TO_ANYTHING.search(task) and _WHATEVER_COMES.search(task))


def is_data(text: str) -> bool:
    """Return whether a text asks for nothing: neither its first nor its last words are a question or a request."""
    edges = (text[:_EDGE].strip(), text[-_EDGE:].strip())
    if edges[1].endswith(("?", "？")) or any(_ASKS_POLITELY.search(edge) for edge in edges):
        return False
    lines = [line for line in (edges[0].split("\n")[0], edges[1].split("\n")[-1]) if line.strip()]
    for line in lines:
        first = _FIRST_WORD.search(line)
        if line.rstrip().endswith(("?", "？")) or (first and first.group().lower() in REQUEST_OPENINGS):
            return False
    return True


def _instruction(system: str) -> str | None:
    """Return the sentences that name what is done to a text, at most `LONGEST_INSTRUCTION` characters of them."""
    sentences = [str(each).strip() for each in _SENTENCE.findall(system) if _DONE_TO_TEXT.search(each)]
    return " ".join(sentences)[:LONGEST_INSTRUCTION] if sentences else None
