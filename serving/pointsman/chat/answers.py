"""An answer between the protocols: read from either shape, written in either."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.usage import anthropic_usage, as_anthropic_usage, as_openai_usage, openai_usage, stated_nanousd
from pointsman.chat.words import Finish, Protocol, Reply
from pointsman.errors import UpstreamError
from pointsman.registry import TokenUsage

OPENAI_FINISH: Final[Mapping[object, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
ANTHROPIC_FINISH: Final[Mapping[object, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
AS_OPENAI_FINISH: Final[Mapping[Finish, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "unknown": "stop",
}
AS_ANTHROPIC_FINISH: Final[Mapping[Finish, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "unknown": "end_turn",
}


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a tool; `arguments` is JSON as the model wrote it, which need not be valid."""

    id: str
    name: str
    arguments: str


class Answer(msgspec.Struct, frozen=True):
    """What a model answered, as far as both protocols can say it."""

    id: str
    text: str
    finish: Finish
    calls: tuple[ToolCall, ...] = ()
    usage: TokenUsage | None = None
    model: str | None = None
    stated_nanousd: int | None = None
    tier: str | None = None

    @property
    def reply(self) -> Reply:
        """The answer as the rest of the gateway knows it."""
        usage, model = self.usage, self.model
        return Reply(self.text, self.finish, len(self.calls), usage, model, self.stated_nanousd, self.tier)


def answer_of(protocol: Protocol, value: object) -> Answer:
    """Return the answer that a decoded reply body states.

    Raises:
        UpstreamError: the value isn't an answer of this protocol.

    """
    if not isinstance(value, dict):
        raise no_answer(f"JSON that is {'a list' if isinstance(value, list) else 'no object'}")
    if value.get("error") is not None or value.get("type") == "error":
        raise reported_error(value)
    return _openai_answer(value) if protocol == "openai" else _anthropic_answer(value)


def no_answer(came: str) -> UpstreamError:
    """Return the error of a provider that sent something else than an answer."""
    return UpstreamError(f"The provider sent {came}; expected an answer of its protocol.")


def reported_error(value: Mapping[str, Any]) -> UpstreamError:
    """Return the error that a body reports, by its type alone: its message may repeat a prompt or a key."""
    error = value.get("error")
    stated = (error.get("type") or error.get("code")) if isinstance(error, dict) else None
    is_word = isinstance(stated, str) and len(stated) <= 40 and stated.replace("_", "").isalnum()
    retryable = is_word and stated in ("overloaded_error", "api_error", "rate_limit_error", "server_error")
    return UpstreamError(
        f"The provider reported an error{f' of type {stated}' if is_word else ''} in place of an answer.",
        is_retryable=retryable,
    )


def finish_of(table: Mapping[object, Finish], stated: object, *, has_calls: bool, refused: bool = False) -> Finish:
    """Return why an answer ended; one with tool calls that merely stopped ended for them."""
    finish = table.get(stated, "unknown") if isinstance(stated, str) else "unknown"
    if finish == "stop" and (refused or has_calls):
        return "refusal" if refused else "tool_calls"
    return finish


def _openai_answer(value: Mapping[str, Any]) -> Answer:
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        raise no_answer("no choices")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise no_answer("a choice without a message")
    text, refusal = _content_text(message.get("content")), message.get("refusal")
    refused = isinstance(refusal, str) and not text and bool(refusal)
    calls = _openai_calls(message)
    wrote = bool(text or calls or refused or len(choices) > 1)
    return Answer(
        id=_text(value.get("id")),
        text=refusal if refused and isinstance(refusal, str) else text,
        finish=finish_of(OPENAI_FINISH, choice.get("finish_reason"), has_calls=bool(calls), refused=refused),
        calls=calls,
        usage=openai_usage(value.get("usage"), wrote=wrote),
        model=_text(value.get("model")) or None,
        stated_nanousd=stated_nanousd(value.get("usage")),
        tier=_text(value.get("service_tier")) or None,
    )


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise no_answer("a message whose content is neither text nor parts")
    return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))


def _openai_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    stated = message.get("tool_calls") or ()
    if not isinstance(stated, list | tuple) or not all(isinstance(call, dict) for call in stated):
        raise no_answer("tool calls that aren't a list of objects")
    calls = []
    for call in stated:
        called = call.get("function") or call.get("custom")
        if not isinstance(called, dict):
            raise no_answer("a tool call without a function")
        written = called.get("arguments", called.get("input"))
        calls.append(ToolCall(_text(call.get("id")), _text(called.get("name")), _text(written)))
    older = message.get("function_call")
    if isinstance(older, dict):
        calls.append(ToolCall("function_call", _text(older.get("name")), _text(older.get("arguments"))))
    return tuple(calls)


def _anthropic_answer(value: Mapping[str, Any]) -> Answer:
    content = value.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise no_answer("a message without content blocks")
    text = "".join(_text(block.get("text")) for block in content if block.get("type") == "text")
    calls = tuple(
        ToolCall(_text(block.get("id")), _text(block.get("name")), msgspec.json.encode(block.get("input")).decode())
        for block in content
        if block.get("type") == "tool_use"
    )
    return Answer(
        id=_text(value.get("id")),
        text=text,
        finish=finish_of(ANTHROPIC_FINISH, value.get("stop_reason"), has_calls=bool(calls)),
        calls=calls,
        usage=anthropic_usage(value.get("usage"), wrote=bool(text or calls)),
        model=_text(value.get("model")) or None,
        stated_nanousd=stated_nanousd(value.get("usage")),
    )


def openai_body(answer: Answer, model: str, created_s: int) -> dict[str, Any]:
    """Return an answer as the body of a chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.calls
        ]
    finish = AS_OPENAI_FINISH[answer.finish]
    body = {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
    }
    return body if answer.usage is None else {**body, "usage": as_openai_usage(answer.usage)}


def anthropic_body(answer: Answer, model: str) -> dict[str, Any]:
    """Return an answer as the body of a message."""
    content: list[dict[str, Any]] = [{"type": "text", "text": answer.text}] if answer.text else []
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call_input(call.arguments)}
        for call in answer.calls
    ]
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": AS_ANTHROPIC_FINISH[answer.finish],
        "stop_sequence": None,
        "usage": as_anthropic_usage(answer.usage),
    }


def call_input(arguments: str) -> dict[str, Any]:
    """Return a call's arguments as an object; what isn't one, as models sometimes write, under the key "arguments"."""
    if not arguments.strip():
        return {}
    try:
        decoded = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        decoded = None
    return decoded if isinstance(decoded, dict) else {"arguments": arguments}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
