"""Say OpenAI's stream in Anthropic's events."""

from collections.abc import Mapping
from typing import Any

from pointsman.chat.answers import AS_ANTHROPIC_FINISH, OPENAI_FINISH, finish_of
from pointsman.chat.openai_whole import CallSlots
from pointsman.chat.sse import SseEvent, frame
from pointsman.chat.usage import as_anthropic_usage, openai_usage


class AsAnthropic:
    """Events for a caller of Anthropic's protocol: one block for each stretch of text and each tool call.

    Of several answers the first is said.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._has_begun = False
        self._open: int | None = None
        self._blocks = 0
        self._slots = CallSlots()
        self._block_by_slot: dict[int, int] = {}
        self._usage: Any = None
        self._stop: Any = None
        self._has_text = False
        self._has_refused = False

    def write(self, event: SseEvent) -> bytes:
        """Return the events that say a chunk."""
        if event.value is None:
            return b""
        written = b"" if self._has_begun else self._begin(event.value)
        if event.value.get("usage") is not None:
            self._usage = event.value["usage"]
        for choice in event.value.get("choices") or ():
            if choice.get("index", 0) == 0:
                written += self._choice(choice)
        return written

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        """Return the end of the stream, with the metadata in the last event."""
        written = b"" if self._has_begun else self._begin({})
        written += self._end_block()
        has_calls = bool(self._block_by_slot)
        finish = finish_of(OPENAI_FINISH, self._stop, has_calls=has_calls, refused=self._has_refused)
        usage = openai_usage(self._usage, wrote=self._has_text or has_calls)
        delta = {"stop_reason": AS_ANTHROPIC_FINISH[finish], "stop_sequence": None}
        written += _event({"type": "message_delta", "delta": delta, "usage": as_anthropic_usage(usage)})
        return written + _event({"type": "message_stop", "pointsman": metadata})

    def _begin(self, chunk: Mapping[str, Any]) -> bytes:
        self._has_begun = True
        message: dict[str, Any] = {
            "id": f"msg_{chunk.get('id') or ''}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": as_anthropic_usage(None),
        }
        return _event({"type": "message_start", "message": message})

    def _choice(self, choice: Mapping[str, Any]) -> bytes:
        written = b""
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for field in ("content", "refusal"):
                if isinstance(delta.get(field), str) and delta[field]:
                    self._has_refused = field == "refusal"
                    written += self._text(delta[field])
            for call in delta.get("tool_calls") or ():
                written += self._call(call)
        self._stop = choice.get("finish_reason") or self._stop
        return written

    def _text(self, text: str) -> bytes:
        written = b""
        if not self._has_text or self._open is None or self._open in self._block_by_slot.values():
            written = self._begin_block({"type": "text", "text": ""})
        self._has_text = True
        return written + self._delta(self._blocks - 1, {"type": "text_delta", "text": text})

    def _call(self, call: Mapping[str, Any]) -> bytes:
        slot, is_new = self._slots.slot(call)
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        written = b""
        if is_new:
            named = {"id": call.get("id") or f"call_{slot}", "name": function.get("name") or ""}
            written = self._begin_block({"type": "tool_use", **named, "input": {}})
            self._block_by_slot[slot] = self._blocks - 1
        if isinstance(function.get("arguments"), str) and function["arguments"]:
            delta = {"type": "input_json_delta", "partial_json": function["arguments"]}
            written += self._delta(self._block_by_slot[slot], delta)
        return written

    def _begin_block(self, block: Mapping[str, Any]) -> bytes:
        ended = self._end_block()
        self._open = self._blocks
        self._blocks += 1
        return ended + _event({"type": "content_block_start", "index": self._open, "content_block": block})

    def _end_block(self) -> bytes:
        if self._open is None:
            return b""
        ended, self._open = self._open, None
        return _event({"type": "content_block_stop", "index": ended})

    def _delta(self, index: int, delta: Mapping[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": index, "delta": delta})


def _event(value: Mapping[str, Any]) -> bytes:
    return frame(value, value["type"])
