"""What can be told from an answer alone, in microseconds and for nothing."""

import math
from typing import Final

import msgspec

from pointsman.chat import Chat, Reply
from pointsman.verification.demands import demands, is_met
from pointsman.verification.formats import (
    asked_schema,
    code_brokenness,
    has_code,
    is_cut_block,
    is_valid,
    json_brokenness,
)
from pointsman.verification.languages import is_other_language
from pointsman.verification.loops import is_echo, loop_share
from pointsman.verification.refusal import hedging, is_refusal
from pointsman.verification.signals import Signals

CODE_TYPES: Final = frozenset(("code_generation", "refactoring", "testing"))
"""Task types whose answers have code in them."""

CHARACTERS_PER_TOKEN: Final = 4
_USUAL_FACTOR: Final = 1.0


class Expectation(msgspec.Struct, frozen=True):
    """What the router expects of the answer: its tokens, and the type of the task; None where it doesn't say."""

    output_tokens: float | None = None
    task_type: str | None = None


NOTHING_EXPECTED: Final = Expectation()


def check(chat: Chat, reply: Reply, expectation: Expectation = NOTHING_EXPECTED) -> Signals:
    """Return the signs that can be seen without asking anyone.

    Of an answer that calls tools, or has several choices, only what the protocol says is looked at.

    Raises:
        MissingExtra: a JSON schema was asked for, and jsonschema-rs isn't installed.
    """
    ended_refused = reply.finish in ("refusal", "content_filter")
    cut = 1.0 if reply.finish == "length" else 0.0
    if reply.calls:
        return Signals(empty=0.0, refusal=float(ended_refused), truncated=cut)
    text = reply.text
    if not text.strip():
        return Signals(empty=1.0, refusal=float(ended_refused), truncated=cut)
    question = last_request(chat)
    json_broken, schema_broken = _json(chat, text)
    prose = not chat.wants_json
    short_by, long_by = _length(reply, expectation)
    return Signals(
        empty=0.0,
        refusal=float(ended_refused or (prose and is_refusal(text))),
        hedging=hedging(text),
        truncated=max(cut, 0.5 if is_cut_block(text) else 0.0),
        json_broken=json_broken,
        schema_broken=schema_broken,
        code_missing=float(not has_code(text)) if prose and expectation.task_type in CODE_TYPES else None,
        code_broken=code_brokenness(text) if prose else None,
        loops=loop_share(text),
        echo=float(is_echo(question, text)),
        wrong_language=_number(is_other_language(question, text) if prose else None),
        demands_broken=_demands_broken(question, text) if prose else None,
        short_by=short_by,
        long_by=long_by,
    )


def last_request(chat: Chat) -> str:
    """Return the text of the last thing a person said, empty where there is none."""
    return next((turn.text for turn in reversed(chat.turns) if turn.role == "user" and turn.text), "")


def _number(claim: bool | None) -> float | None:
    return None if claim is None else float(claim)


def _json(chat: Chat, text: str) -> tuple[float | None, float | None]:
    if not chat.wants_json:
        return None, None
    broken, value = json_brokenness(text)
    schema = asked_schema(chat.body)
    if schema is None or broken == 1:
        return broken, None
    fits = is_valid(value, schema)
    return broken, None if fits is None else float(not fits)


def _demands_broken(question: str, text: str) -> float | None:
    asked = demands(question)
    return sum(not is_met(demand, text) for demand in asked) / len(asked) if asked else None


def _length(reply: Reply, expectation: Expectation) -> tuple[float | None, float | None]:
    if not expectation.output_tokens or expectation.output_tokens <= 0:
        return None, None
    tokens = reply.usage.output_tokens if reply.usage else len(reply.text) / CHARACTERS_PER_TOKEN
    beyond = math.log(max(tokens, 1) / expectation.output_tokens)
    return max(-beyond - _USUAL_FACTOR, 0.0), max(beyond - _USUAL_FACTOR, 0.0)
