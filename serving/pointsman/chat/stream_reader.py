"""Read a provider's stream while it arrives."""

from typing import Any, Final

import msgspec

from pointsman.chat.answers import answer_of, no_answer, reported_error
from pointsman.chat.anthropic_whole import AnthropicWhole
from pointsman.chat.decoding import decoded_json
from pointsman.chat.openai_whole import OpenaiWhole
from pointsman.chat.sse import MOST_EVENT_BYTES, EventSplitter, SseEvent
from pointsman.chat.words import Protocol, Reply
from pointsman.errors import UpstreamError

MOST_ANSWER_BYTES: Final = 64 << 20
"""All events of one answer together; the longest outputs of any model are under 1 MB of text."""


class StreamReader:
    """Cuts a provider's bytes into events, and knows the answer that they make.

    `feed` never raises: what is wrong with the stream is in `error`, after which, as after the last event, nothing
    more is read. `is_complete` tells that the protocol's last event came. Where the bytes end, `close`: a stream that
    ends before its last event was cut.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol: Protocol = protocol
        self.is_complete = False
        self.error: UpstreamError | None = None
        self._splitter = EventSplitter()
        self._whole: OpenaiWhole | AnthropicWhole = OpenaiWhole() if protocol == "openai" else AnthropicWhole()
        self._bytes = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Return the events that end in this chunk, without errors that the provider reports."""
        return self._events(self._splitter.feed(chunk))

    def close(self) -> list[SseEvent]:
        """Say that the stream ended; return its last event where the empty line that should follow it didn't come.

        A stream that isn't complete then was cut, which is its `error`.
        """
        events = self._events(self._splitter.close())
        if self.error is None and not self.is_complete:
            self.error = no_answer("a stream without its last event" if self._bytes else "a stream without events")
        return events

    def reply(self) -> Reply:
        """Return the answer so far; its usage only where it is of the whole answer and can be true."""
        return answer_of(self.protocol, self.body()).reply

    def body(self) -> dict[str, Any]:
        """Return the answer so far as the body of a whole one."""
        return self._whole.body()

    def _events(self, frames: list[tuple[str, bytes]]) -> list[SseEvent]:
        events: list[SseEvent] = []
        for name, data in frames:
            if self.error is not None or self.is_complete:
                break
            try:
                event = self._read(name, data)
            except UpstreamError as error:
                self.error = error
                break
            events.append(event)
        if self._splitter.is_overfull and self.error is None and not self.is_complete:
            self.error = no_answer(f"an event of more than {MOST_EVENT_BYTES >> 20} MB")
        return events

    def _read(self, name: str, data: bytes) -> SseEvent:
        self._bytes += len(data)
        if self._bytes > MOST_ANSWER_BYTES:
            raise no_answer(f"a stream of more than {MOST_ANSWER_BYTES >> 20} MB")
        if self.protocol == "openai" and data.strip() == b"[DONE]":
            self.is_complete = True
            return SseEvent(name, data)
        try:
            value = decoded_json(data)
        except ValueError:
            raise no_answer("an event that isn't JSON") from None
        if not isinstance(value, dict):
            raise no_answer("an event that isn't a JSON object")
        if name == "error" or value.get("type") == "error" or value.get("error"):
            raise reported_error(value)
        self._whole.add(value)
        if self.protocol == "anthropic" and value.get("type") == "message_stop":
            self.is_complete = True
        return SseEvent(name, data, value)


def whole_of_stream(reader: StreamReader) -> bytes:
    """Return a streamed answer as the body of a whole one, in the provider's protocol, so that it can be cached.

    Raises:
        UpstreamError: the stream failed or was cut.

    """
    if reader.error is not None:
        raise reader.error
    if not reader.is_complete:
        raise no_answer("a stream without its last event")
    return msgspec.json.encode(reader.body())
