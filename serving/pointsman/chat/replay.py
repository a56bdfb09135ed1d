"""Say a whole answer as a stream, for callers who asked for one and get an answer from the cache."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.answers import answer_of
from pointsman.chat.replies import decoded, translated_reply
from pointsman.chat.sse import frame
from pointsman.chat.words import Chat, Protocol

_WORD: Final = re.compile(r"\s*\S{1,32}|\s+")
"""A word with the space before it, or part of a long one: they add up to the text."""


def replayed(
    body: bytes, source: Protocol, chat: Chat, metadata: Mapping[str, Any], *, created_s: int = 0
) -> list[bytes]:
    """Return a whole answer as the events of a stream in the chat's protocol, a word each; the last has the metadata.

    Raises:
        UpstreamError: the body isn't an answer.

    """
    model = answer_of(source, decoded(body)).model or chat.model
    value = decoded(translated_reply(body, source, chat.protocol, model, created_s=created_s))
    if chat.protocol == "openai":
        events = [*_openai_chunks(value, chat.wants_usage)]
        events[-1]["pointsman"] = metadata
        return [*map(frame, events), b"data: [DONE]\n\n"]
    return [frame(event, event["type"]) for event in _anthropic_events(value, metadata)]


def _openai_chunks(body: Mapping[str, Any], wants_usage: bool) -> Iterator[dict[str, Any]]:
    head = {field: body[field] for field in ("id", "created", "model", "system_fingerprint") if field in body}
    head["object"] = "chat.completion.chunk"
    for choice in body["choices"]:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            continue
        for delta in _openai_deltas(choice["message"]):
            yield {**head, "choices": [{"index": choice.get("index", 0), "delta": delta, "finish_reason": None}]}
        end = {"index": choice.get("index", 0), "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"}
        if choice.get("logprobs"):
            end["logprobs"] = choice["logprobs"]
        yield {**head, "choices": [end]}
    if wants_usage and body.get("usage") is not None:
        yield {**head, "choices": [], "usage": body["usage"]}


def _openai_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if message.get("content") is None else ""}
    for field in ("reasoning_content", "refusal", "content"):
        if isinstance(message.get(field), str):
            for word in _WORD.findall(message[field]):
                yield {field: word}
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if not isinstance(call, dict):
            continue
        yield {"tool_calls": [{**call, "index": index}]}


def _anthropic_events(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {"input_tokens": 0, "output_tokens": 0}
    start = {**body, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 0}}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(body["content"]):
        empty, deltas = _block_deltas(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": body.get("stop_reason") or "end_turn", "stop_sequence": body.get("stop_sequence")}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop", "pointsman": metadata}


def _block_deltas(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it starts, and the deltas that fill it; kinds without deltas start whole."""
    type_ = block.get("type")
    if type_ == "text" and isinstance(block.get("text"), str):
        return {**block, "text": ""}, [{"type": "text_delta", "text": word} for word in _WORD.findall(block["text"])]
    if type_ == "thinking" and isinstance(block.get("thinking"), str):
        words = [{"type": "thinking_delta", "thinking": word} for word in _WORD.findall(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block.get("signature", "")}
        return {**block, "thinking": "", "signature": ""}, [*words, signed]
    if type_ == "tool_use":
        written = msgspec.json.encode(block.get("input") or {}).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    return dict(block), []
