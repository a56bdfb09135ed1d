"""Answers that are given before anybody asks: questions of a help page, with the words that were approved for them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pointsman.caching.digest import seed_digest, seed_question
from pointsman.caching.words import Answer, Entry
from pointsman.chat import PROTOCOLS, Protocol
from pointsman.errors import InvalidInput
from pointsman.json_lines import read_lines
from pointsman.registry import TokenUsage

ANY_MODEL: Final = "auto"
_FORM: Final = '{"prompt" or "messages", "answer", "model"?}'
_FIELDS: Final = frozenset({"prompt", "messages", "answer", "model"})


class Seed(msgspec.Struct, frozen=True):
    """One question with its answer, for requests that ask for `model`; `system` is the system prompt, "" for none."""

    text: str
    answer: str
    system: str = ""
    model: str = ANY_MODEL


def seed_from_dict(data: object, place: str = "seed") -> Seed:
    """Return the seed of decoded JSON; `messages` are at most a system prompt and one user turn.

    Raises:
        InvalidInput: what can't be used; the message begins with `place`.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{place} is {type(data).__name__}; expected an object: {_FORM}.")
    if unknown := sorted(set(data) - _FIELDS):
        raise InvalidInput(f"{place} has the unknown field {unknown[0]!r}; expected {_FORM}.")
    if ("prompt" in data) == ("messages" in data):
        raise InvalidInput(f"{place} needs prompt or messages, and not both; expected {_FORM}.")
    answer, model = _words(data, "answer", place), _words({"model": ANY_MODEL} | dict(data), "model", place)
    if "prompt" in data:
        return Seed(_words(data, "prompt", place), answer, model=model)
    system, text = _asked(data["messages"], place)
    return Seed(text, answer, system, model)


def read_seeds(path: str) -> list[Seed]:
    """Return the seeds of a JSON Lines file.

    Raises:
        InvalidFile, InvalidInput: what can't be used, with file and line.
    """
    return [seed_from_dict(line.data, line.place) for line in read_lines(path)]


def seed_entries(seeds: Iterable[Seed], tenant: str, now_us: int) -> list[Entry]:
    """Return the entries of seeds, one for each protocol, made at `now_us`: they live as long as other answers."""
    return [_entry(seed, tenant, protocol, now_us) for seed in seeds for protocol in PROTOCOLS]


def _entry(seed: Seed, tenant: str, protocol: Protocol, now_us: int) -> Entry:
    question = seed_question(protocol, seed.model, seed.system, seed.text)
    digest = seed_digest(question)
    body = _openai(seed, digest.hex(), now_us) if protocol == "openai" else _anthropic(seed, digest.hex())
    answer = Answer(msgspec.json.encode(body), protocol, seed.model, TokenUsage(0, 0), 0, now_us)
    return Entry(tenant, digest, answer, question)


def _openai(seed: Seed, name: str, now_us: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": seed.answer, "refusal": None}
    return {
        "id": f"chatcmpl-seed-{name}",
        "object": "chat.completion",
        "created": now_us // 1_000_000,
        "model": seed.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def _anthropic(seed: Seed, name: str) -> dict[str, Any]:
    return {
        "id": f"msg_seed_{name}",
        "type": "message",
        "role": "assistant",
        "model": seed.model,
        "content": [{"type": "text", "text": seed.answer}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _asked(messages: Any, place: str) -> tuple[str, str]:
    turns = messages if isinstance(messages, list) else []
    roles = [turn.get("role") if isinstance(turn, Mapping) else None for turn in turns]
    if roles not in (["user"], ["system", "user"]):
        raise InvalidInput(
            f"{place}: messages are {roles}; expected one user turn, with a system prompt before it or not."
        )
    system = "" if len(turns) == 1 else _words(turns[0], "content", place)
    return system, _words(turns[-1], "content", place)


def _words(data: Mapping[str, Any], name: str, place: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{place}: {name} is {type(value).__name__ if value != '' else 'empty'}; expected text.")
    return value
