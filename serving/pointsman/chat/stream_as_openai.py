"""Say Anthropic's stream in OpenAI's chunks."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.chat.answers import ANTHROPIC_FINISH, AS_OPENAI_FINISH, finish_of
from pointsman.chat.sse import SseEvent, frame
from pointsman.chat.usage import anthropic_usage, as_openai_usage


class AsOpenai:
    """Chunks for a caller of OpenAI's protocol; thinking, which it can't say, is left out."""

    def __init__(self, model: str, wants_usage: bool, created_s: int) -> None:
        self._head = {"id": "chatcmpl-", "object": "chat.completion.chunk", "created": created_s, "model": model}
        self._wants_usage = wants_usage
        self._call_by_block: dict[object, int] = {}
        self._without_arguments: set[object] = set()
        self._usage: dict[str, Any] = {}
        self._stop: Any = None
        self._has_text = False

    def write(self, event: SseEvent) -> bytes:
        """Return the chunks that say an event."""
        value = event.value or {}
        match value.get("type"):
            case "message_start":
                return self._begin(value["message"])
            case "content_block_start":
                return self._begin_block(value["index"], value["content_block"])
            case "content_block_delta":
                return self._continue_block(value["index"], value["delta"])
            case "content_block_stop" if value.get("index") in self._without_arguments:
                return self._arguments(value["index"], "{}")
            case "message_delta":
                self._stop = value["delta"].get("stop_reason") or self._stop
                self._keep_usage(value)
        return b""

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        """Return the end of the stream, with the metadata in the last chunk."""
        finish = finish_of(ANTHROPIC_FINISH, self._stop, has_calls=bool(self._call_by_block))
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": AS_OPENAI_FINISH[finish]}
        chunks: list[dict[str, Any]] = [{**self._head, "choices": [choice]}]
        usage = anthropic_usage(self._usage, wrote=self._has_text or bool(self._call_by_block))
        if self._wants_usage and usage is not None:
            chunks.append({**self._head, "choices": [], "usage": as_openai_usage(usage)})
        chunks[-1]["pointsman"] = metadata
        return b"".join(map(frame, chunks)) + b"data: [DONE]\n\n"

    def _begin(self, message: Mapping[str, Any]) -> bytes:
        self._head["id"] = f"chatcmpl-{message.get('id', '')}"
        self._keep_usage(message)
        return self._delta({"role": "assistant", "content": ""})

    def _keep_usage(self, event: Mapping[str, Any]) -> None:
        reported = event.get("usage")
        if isinstance(reported, dict):
            self._usage.update({key: value for key, value in reported.items() if value is not None})

    def _begin_block(self, index: object, block: Mapping[str, Any]) -> bytes:
        if block.get("type") == "text" and block.get("text"):
            return self._text(str(block["text"]))
        if block.get("type") != "tool_use":
            return b""
        self._call_by_block[index] = place = len(self._call_by_block)
        written = msgspec.json.encode(block["input"]).decode() if block.get("input") else ""
        if not written:
            self._without_arguments.add(index)
        function = {"name": block.get("name", ""), "arguments": written}
        call = {"index": place, "id": block.get("id", ""), "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def _continue_block(self, index: object, delta: Mapping[str, Any]) -> bytes:
        if delta.get("type") == "text_delta" and delta.get("text"):
            return self._text(str(delta["text"]))
        if delta.get("type") == "input_json_delta" and delta.get("partial_json") and index in self._call_by_block:
            return self._arguments(index, str(delta["partial_json"]))
        return b""

    def _text(self, text: str) -> bytes:
        self._has_text = True
        return self._delta({"content": text})

    def _arguments(self, index: object, written: str) -> bytes:
        self._without_arguments.discard(index)
        return self._delta({"tool_calls": [{"index": self._call_by_block[index], "function": {"arguments": written}}]})

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return frame({**self._head, "choices": [choice]})
