"""Write a provider's stream for a caller, in the caller's protocol."""

from collections.abc import Mapping
from typing import Any

from pointsman.chat.error_bodies import error_value
from pointsman.chat.sse import SseEvent, frame
from pointsman.chat.stream_as_anthropic import AsAnthropic
from pointsman.chat.stream_as_openai import AsOpenai
from pointsman.chat.words import Protocol
from pointsman.errors import PointsmanError


class StreamWriter:
    """Turns events of a provider into bytes for a caller; end it with either `finish` or `fail`.

    `model` is the name that the caller is told where the stream is translated, `wants_usage` whether an OpenAI caller
    asked for the chunk with usage, `created_s` the second (since 1970) that translated chunks state.
    """

    def __init__(
        self, source: Protocol, target: Protocol, *, model: str, wants_usage: bool, created_s: int = 0
    ) -> None:
        self._target: Protocol = target
        self._voice: _OpenaiAsIs | _AnthropicAsIs | AsOpenai | AsAnthropic
        if target == "openai":
            same = source == target
            self._voice = _OpenaiAsIs(model, wants_usage) if same else AsOpenai(model, wants_usage, created_s)
        else:
            self._voice = _AnthropicAsIs() if source == target else AsAnthropic(model)

    def write(self, event: SseEvent) -> bytes:
        """Return what to send for an event of a `StreamReader`; empty where it waits for the end."""
        return self._voice.write(event)

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        """Return the end of a stream that is complete, with the metadata as "pointsman" in its last event."""
        return self._voice.finish(metadata)

    def fail(self, error: PointsmanError) -> bytes:
        """Return the event that ends a stream which has begun and can't go on; nothing says that it was complete."""
        return frame(error_value(self._target, error), "error" if self._target == "anthropic" else "")


class _OpenaiAsIs:
    """OpenAI's chunks as they came; from the one with the reason to finish on, the last is held back for metadata."""

    def __init__(self, model: str, wants_usage: bool) -> None:
        self._head: dict[str, Any] = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": model}
        self._has_begun = False
        self._wants_usage = wants_usage
        self._held: SseEvent | None = None

    def write(self, event: SseEvent) -> bytes:
        chunk = event.value
        if chunk is None:
            return b""
        if not self._has_begun:
            self._has_begun = True
            self._head.update({field: chunk[field] for field in self._head if field in chunk})
        choices = chunk.get("choices")
        if chunk.get("usage") and not choices and not self._wants_usage:
            return b""
        is_ending = self._held is not None or any(choice.get("finish_reason") for choice in choices or ())
        if not is_ending and (choices or not chunk.get("usage")):
            return event.raw
        released, self._held = self._held, event
        return released.raw if released is not None else b""

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        last = self._held.value if self._held is not None else {**self._head, "choices": []}
        return frame({**last, "pointsman": metadata}) + b"data: [DONE]\n\n"


class _AnthropicAsIs:
    """Anthropic's events as they came; the last waits for metadata."""

    def write(self, event: SseEvent) -> bytes:
        return b"" if event.value is None or event.value.get("type") == "message_stop" else event.raw

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        return frame({"type": "message_stop", "pointsman": metadata}, "message_stop")
