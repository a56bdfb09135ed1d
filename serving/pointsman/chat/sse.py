"""Server-sent events: a provider's bytes cut into events, however they arrive, and events written.

After the HTML standard's "Interpreting an event stream"; `id` and `retry` are left out, as neither protocol uses them.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

MOST_EVENT_BYTES: Final = 8 << 20
_BOM: Final = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True):
    """One event: its name ("" where it has none), its data, and the data decoded (None for OpenAI's [DONE])."""

    name: str
    data: bytes
    value: Any = None

    @property
    def raw(self) -> bytes:
        """The event as it is sent, its data byte for byte."""
        start = f"event: {self.name}\n".encode() if self.name else b""
        return start + b"data: " + self.data.replace(b"\n", b"\ndata: ") + b"\n\n"


def frame(value: Mapping[str, Any], name: str = "") -> bytes:
    """Return an object as an event."""
    return SseEvent(name, msgspec.json.encode(value)).raw


class EventSplitter:
    """Cuts a stream of bytes into (name, data) of events; the cuts of the chunks make no difference.

    It holds no more than one unfinished event; `is_overfull` tells that one is larger than `MOST_EVENT_BYTES`, after
    which nothing more comes.
    """

    def __init__(self) -> None:
        self.is_overfull = False
        self._buffer = bytearray()
        self._searched = 0
        self._is_after_return = False
        self._is_first_line = True
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """Return the events that end in this chunk."""
        events: list[tuple[str, bytes]] = []
        buffer = self._buffer
        buffer += self._with_newlines(chunk)
        start = 0
        while not self.is_overfull and (end := buffer.find(b"\n", max(start, self._searched))) >= 0:
            event = self._take_line(bytes(buffer[start:end]))
            if event is not None:
                events.append(event)
            start = end + 1
        del buffer[:start]
        self._searched = len(buffer)
        if self._size + len(buffer) > MOST_EVENT_BYTES:
            self.is_overfull = True
        if self.is_overfull:
            buffer.clear()
            self._data.clear()
        return events

    def close(self) -> list[tuple[str, bytes]]:
        """Return the last event where the stream ended without the empty line that should follow it."""
        return self.feed(b"\n\n")

    def _with_newlines(self, chunk: bytes) -> bytes:
        """Return a chunk with every line end (CR LF, CR or LF) as LF."""
        if self._is_after_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._is_after_return = False
        if b"\r" not in chunk:
            return chunk
        self._is_after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take_line(self, line: bytes) -> tuple[str, bytes] | None:
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(_BOM), False
        if not line:
            return self._dispatched()
        field, _, value = line.partition(b":")
        if field in (b"data", b"event"):
            self._size += len(line)
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            else:
                self._name = value.decode("utf-8", "replace")
        if self._size > MOST_EVENT_BYTES or len(line) > MOST_EVENT_BYTES:
            self.is_overfull = True
        return None

    def _dispatched(self) -> tuple[str, bytes] | None:
        event = (self._name, b"\n".join(self._data)) if self._data else None
        self._name, self._size = "", 0
        self._data.clear()
        return event
