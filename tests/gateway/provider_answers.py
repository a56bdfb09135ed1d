"""What the provider that stands in writes: the same text for the same request, in OpenAI's shape and Anthropic's."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from provider_acts import Act
from provider_bill import Usage

CREATED = 1_700_000_000
LONGEST_ECHO = 64
_encode = msgspec.json.encode
_PIECES = re.compile(r"\s*\S+(?:\s+$)?")


class Choice(msgspec.Struct, frozen=True):
    """One answer: its pieces (a token each), the tool it calls where it does, and why it ended."""

    pieces: list[str]
    tool: str | None
    finish: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Answer(msgspec.Struct, frozen=True):
    """All that a call wrote; `usage` is the truth."""

    call_id: str
    model: str
    choices: list[Choice]
    usage: Usage
    act: Act
    tier: str | None = None


def tier_of(body: Mapping[str, Any], act: Act) -> str | None:
    """Return the service tier that a call is served at; None where none was asked for."""
    asked = body.get("service_tier")
    return None if asked is None else act.tier or asked


def write(call_id: str, body: Mapping[str, Any], act: Act, *, is_anthropic: bool) -> Answer:
    """Return what is answered to a request: a refusal, a tool call, JSON or an echo, cut at its max_tokens."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    room = None if limit is None else max(0, limit - act.reasoning)
    count = 1 if is_anthropic else body.get("n") or 1
    choices = [_choice(body, act, room, index) for index in range(count)]
    reasoning = act.reasoning if limit is None else min(act.reasoning, limit)
    written = sum(len(choice.pieces) for choice in choices) + reasoning * count
    usage = Usage(
        count_input(body), written, act.cached_read, act.cached_write, act.cached_write_hour, reasoning * count
    )
    return Answer(call_id, body["model"], choices, usage, act, tier_of(body, act))


def count_input(body: Mapping[str, Any]) -> int:
    """Return the tokens of a prompt: a quarter of its bytes and four a message; 85 an image."""
    messages = body["messages"]
    said = [_text(message.get("content")) for message in messages] + [_text(body.get("system"))]
    size = sum(len(text.encode("utf-8", "surrogatepass")) // 4 for text in said) + 4 * len(messages)
    parts = [part for message in messages if isinstance(message.get("content"), list) for part in message["content"]]
    images = sum(part.get("type") in ("image", "image_url") for part in parts)
    return size + 85 * images + (len(_encode(body["tools"])) // 4 if body.get("tools") else 0)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part.get("text") or _text(part.get("content")) for part in parts if isinstance(part, dict))


def _choice(body: Mapping[str, Any], act: Act, room: int | None, index: int) -> Choice:
    tool = None if act.refusal is not None or act.text is not None else _tool(body)
    if tool is not None:
        text, finish = json.dumps(_example(_schema(tool))), "tool_calls"
    else:
        text, finish = _said(body, act), "stop" if act.refusal is None else "refusal"
    if index:
        text += f" ({index + 1})"
    pieces = _PIECES.findall(text)
    name = None if tool is None else tool.get("name") or tool["function"]["name"]
    if room is not None and len(pieces) > room:
        return Choice(pieces[:room], name, "length")
    return Choice(pieces, name, finish)


def _said(body: Mapping[str, Any], act: Act) -> str:
    if act.refusal is not None:
        return act.refusal
    if act.text is not None:
        return act.text
    if act.words is not None:
        return " ".join(f"word{number}" for number in range(1, act.words + 1))
    asked = next((_text(m.get("content")) for m in reversed(body["messages"]) if m.get("role") == "user"), "")
    echo = "You said: " + " ".join(asked.split()[:LONGEST_ECHO])
    form = body.get("response_format") or {}
    if form.get("type") == "json_object":
        return json.dumps({"answer": echo})
    return json.dumps(_example(form["json_schema"]["schema"])) if form.get("type") == "json_schema" else echo


def _tool(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the tool to call: the one that is asked for, else the first, until its result is there."""
    choice, last = body.get("tool_choice"), body["messages"][-1]
    kind = choice.get("type") if isinstance(choice, dict) else choice
    has_result = last.get("role") == "tool" or any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in last.get("content") or ()
    )
    if not body.get("tools") or kind == "none" or has_result:
        return None
    wanted = (choice.get("function") or choice).get("name") if isinstance(choice, dict) else None
    named = [tool for tool in body["tools"] if wanted in (None, (tool.get("function") or tool).get("name"))]
    return named[0] if named else None


def _schema(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    return tool.get("input_schema") or (tool.get("function") or {}).get("parameters") or {}


def _example(schema: Mapping[str, Any]) -> Any:
    """Return the simplest value of a JSON schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _example(part) for name, part in (schema.get("properties") or {}).items()}
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(kind)


def _reported(told: dict[str, Any], act: Act) -> dict[str, Any] | None:
    """Return the usage as it is reported: what the act says in place of the truth."""
    if act.usage is not None:
        if not act.usage:
            return None
        told = {name: value for name, value in {**told, **act.usage}.items() if value is not None}
    return told if act.cost is None else {**told, "cost": act.cost}


def openai_usage(answer: Answer) -> dict[str, Any] | None:
    """Return the usage object of /v1/chat/completions; None where none is reported."""
    usage = answer.usage
    details = {"cached_tokens": usage.cached_read, "audio_tokens": 0}
    if usage.cached_write:
        details["cache_write_tokens"] = usage.cached_write
    told = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }
    return _reported(told, answer.act)


def anthropic_usage(answer: Answer, output: int | None = None) -> dict[str, Any] | None:
    """Return the usage object of /v1/messages, whose input excludes cached tokens; None where none is reported."""
    usage = answer.usage
    written = usage.cached_write + usage.cached_write_hour
    told = {
        "input_tokens": usage.input - usage.cached_read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cached_write,
            "ephemeral_1h_input_tokens": usage.cached_write_hour,
        },
        "output_tokens": usage.output if output is None else output,
        "service_tier": "standard",
    }
    return _reported(told, answer.act)


def _openai_finish(choice: Choice) -> str:
    return "stop" if choice.finish == "refusal" else choice.finish


def _openai_message(answer: Answer, choice: Choice) -> dict[str, Any]:
    if choice.tool is not None:
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [_call(answer, choice)]}
    if choice.finish == "refusal":
        return {"role": "assistant", "content": None, "refusal": choice.text}
    return {"role": "assistant", "content": choice.text, "refusal": None}


def _call(answer: Answer, choice: Choice) -> dict[str, Any]:
    function = {"name": choice.tool, "arguments": choice.text}
    return {"id": f"call_{answer.call_id}", "type": "function", "function": function}


def openai_body(answer: Answer) -> bytes:
    """Return the body of a whole answer of /v1/chat/completions."""
    choices = [
        {
            "index": index,
            "message": _openai_message(answer, choice),
            "logprobs": None,
            "finish_reason": _openai_finish(choice),
        }
        for index, choice in enumerate(answer.choices)
    ]
    body = {"id": answer.call_id, "object": "chat.completion", "created": CREATED, "model": answer.model}
    body |= {} if answer.tier is None else {"service_tier": answer.tier}
    usage = openai_usage(answer)
    return _encode({**body, "choices": choices} | ({} if usage is None else {"usage": usage}))


def anthropic_body(answer: Answer) -> bytes:
    """Return the body of a whole answer of /v1/messages."""
    usage = anthropic_usage(answer)
    message = _anthropic_message(answer, [_block(answer, answer.choices[0])], answer.choices[0])
    return _encode(message | ({} if usage is None else {"usage": usage}))


def _anthropic_message(answer: Answer, content: list[Any], choice: Choice | None) -> dict[str, Any]:
    stops = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}
    return {
        "id": answer.call_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": None if choice is None else stops[choice.finish],
        "stop_sequence": None,
    }


def _block(answer: Answer, choice: Choice) -> dict[str, Any]:
    if choice.tool is None:
        return {"type": "text", "text": choice.text}
    try:
        arguments = json.loads(choice.text)
    except ValueError:
        arguments = {}
    return {"type": "tool_use", "id": f"toolu_{answer.call_id}", "name": choice.tool, "input": arguments}


Event = tuple[bytes, int, str | None]
"""The bytes of an event, the tokens it carries, and "usage" or "done" where it is that."""


def openai_events(answer: Answer, *, with_usage: bool) -> Iterator[Event]:
    """Yield the events of a streamed answer of /v1/chat/completions: a piece each, the answers in turn."""
    head = {"id": answer.call_id, "object": "chat.completion.chunk", "created": CREATED, "model": answer.model}
    head |= {} if answer.tier is None else {"service_tier": answer.tier}

    def chunk(choices: list[Any], **more: Any) -> bytes:
        return b"data: " + _encode({**head, "choices": choices, **more}) + b"\n\n"

    def delta(index: int, delta: Any, finish: str | None = None) -> bytes:
        return chunk([{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}])

    for index, choice in enumerate(answer.choices):
        start: dict[str, Any] = {"role": "assistant", "content": None if choice.tool else ""}
        if choice.tool is not None:
            call = _call(answer, choice)
            function = {**call["function"], "arguments": ""}
            start["tool_calls"] = [{"index": 0, **call, "function": function}]
        yield delta(index, start), 0, None
        for piece in choice.pieces:
            yield delta(index, _openai_delta(choice, piece)), 1, None
        yield delta(index, {}, _openai_finish(choice)), 0, None
    usage = openai_usage(answer) if with_usage else None
    if usage is not None:
        yield chunk([], usage=usage), 0, "usage"
    yield b"data: [DONE]\n\n", 0, "done"


def _openai_delta(choice: Choice, piece: str) -> dict[str, Any]:
    if choice.tool is not None:
        return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    return {"refusal" if choice.finish == "refusal" else "content": piece}


def anthropic_events(answer: Answer) -> Iterator[Event]:
    """Yield the events of a streamed answer of /v1/messages: a piece each, usage in the first and the one but last."""

    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: ".encode() + _encode({"type": kind, **more}) + b"\n\n"

    choice = answer.choices[0]
    usage, final = anthropic_usage(answer, output=1), anthropic_usage(answer)
    message = _anthropic_message(answer, [], None) | ({} if usage is None else {"usage": usage})
    yield event("message_start", message=message), 0, None
    block = {**_block(answer, choice), **({"text": ""} if choice.tool is None else {"input": {}})}
    yield event("content_block_start", index=0, content_block=block), 0, None
    yield event("ping"), 0, None
    for piece in choice.pieces:
        delta = {"type": "text_delta", "text": piece}
        if choice.tool is not None:
            delta = {"type": "input_json_delta", "partial_json": piece}
        yield event("content_block_delta", index=0, delta=delta), 1, None
    yield event("content_block_stop", index=0), 0, None
    stop = {"stop_reason": _anthropic_message(answer, [], choice)["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, **({} if final is None else {"usage": final})), 0, "usage"
    yield event("message_stop"), 0, "done"
