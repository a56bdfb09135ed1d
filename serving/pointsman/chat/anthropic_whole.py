"""Put the events of an Anthropic stream together to the whole message that they are."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.chat.answers import call_input, no_answer

_MOST_BLOCKS: Final = 10_000
_DELTA_FIELDS: Final[Mapping[object, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""The field of each delta's text; the block's own field has the same name, but for the input of tools."""


class _Block:
    def __init__(self, start: Mapping[str, Any]) -> None:
        self.start = start
        self.texts: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        field = _DELTA_FIELDS.get(_word(delta))
        if field is not None and isinstance(delta.get(field), str):
            self.texts.setdefault(field, []).append(delta[field])
        elif delta["type"] == "citations_delta":
            self.citations.append(delta.get("citation"))

    def body(self) -> dict[str, Any]:
        block = dict(self.start)
        for field, parts in self.texts.items():
            if field == "partial_json":
                block["input"] = call_input("".join(parts))
            else:
                block[field] = str(block.get(field) or "") + "".join(parts)
        if self.citations:
            block["citations"] = self.citations
        return block


class AnthropicWhole:
    """The message so far. Its usage counts once the event with the reason to stop came: before, it is of a part."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._end: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}

    @property
    def is_final(self) -> bool:
        """Whether the reason to stop is known."""
        return self._end["stop_reason"] is not None

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event; kinds that the protocol will have one day change nothing.

        Raises:
            UpstreamError: it has no shape that can be read.

        """
        type_ = _word(event)
        if type_ == "message_start":
            message = _mapping(event, "message")
            self._head = {**message}
            self._usage = dict(_reported(message))
        elif type_ == "content_block_start":
            index = _index(event)
            if index not in self._blocks and len(self._blocks) >= _MOST_BLOCKS:
                raise no_answer(f"more than {_MOST_BLOCKS:,} content blocks")
            self._blocks[index] = _Block(_mapping(event, "content_block"))
        elif type_ == "content_block_delta":
            block = self._blocks.get(_index(event))
            if block is None:
                raise no_answer("a delta of a content block that never started")
            block.add(_mapping(event, "delta"))
        elif type_ == "content_block_stop":
            _index(event)
        elif type_ == "message_delta":
            self._end.update({key: value for key, value in _mapping(event, "delta").items() if value is not None})
            self._usage.update({key: value for key, value in _reported(event).items() if value is not None})

    @property
    def usage(self) -> dict[str, Any]:
        """What was reported of tokens so far."""
        return self._usage

    def body(self) -> dict[str, Any]:
        """Return the message so far."""
        content = [block.body() for _, block in sorted(self._blocks.items())]
        head = {"id": "", "type": "message", "role": "assistant", "model": "", **self._head}
        usage = self._usage if self.is_final else None
        return {**head, "content": content, **self._end, "usage": usage}


def _mapping(event: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = event.get(field)
    if not isinstance(value, dict):
        raise no_answer(f"an event without {field}")
    return value


def _word(event: Mapping[str, Any]) -> str:
    """Return the type of an event or a delta."""
    type_ = event.get("type")
    if not isinstance(type_, str):
        raise no_answer("an event whose type is no text")
    return type_


def _reported(event: Mapping[str, Any]) -> Mapping[str, Any]:
    usage = event.get("usage")
    return usage if isinstance(usage, dict) else {}


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    if type(index) is not int or index < 0:
        raise no_answer("a content block without an index")
    return index
