"""Put the chunks of an OpenAI stream together to the whole answer that they are."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.chat.answers import no_answer

_HEAD: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
_MOST_CALLS: Final = 1_024


class _Call:
    def __init__(self, id_: str) -> None:
        self.id = id_
        self.name = ""
        self.arguments: list[str] = []

    def body(self) -> dict[str, Any]:
        called = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": called}


class CallSlots:
    """Finds which tool call a delta goes on with.

    By `index`, as OpenAI says; providers that leave it out, or give parallel calls the same one, tell by a new id.
    """

    def __init__(self) -> None:
        self._slot_by_index: dict[object, int] = {}
        self._ids: list[str] = []

    def slot(self, delta: Mapping[str, Any]) -> tuple[int, bool]:
        """Return the call's place among those of the answer, and whether it begins here."""
        id_ = delta.get("id")
        index = delta.get("index")
        index = index if isinstance(index, int) else None
        slot = self._slot_by_index.get(index)
        if slot is None and index is None and self._ids:
            slot = len(self._ids) - 1
        if slot is not None and (not id_ or not self._ids[slot] or self._ids[slot] == id_):
            return slot, False
        if len(self._ids) >= _MOST_CALLS:
            raise no_answer(f"more than {_MOST_CALLS:,} tool calls")
        self._ids.append(id_ if isinstance(id_, str) else "")
        self._slot_by_index[index] = len(self._ids) - 1
        return len(self._ids) - 1, True


class _Choice:
    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.rest: dict[str, Any] = {}
        self.logprobs: dict[str, list[Any]] = {}
        self.calls: list[_Call] = []
        self.finish: str | None = None
        self._slots = CallSlots()

    def add(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for field, value in delta.items():
                self._add_field(field, value)
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]
        logprobs = choice.get("logprobs")
        for field, values in logprobs.items() if isinstance(logprobs, dict) else ():
            if isinstance(values, list):
                self.logprobs.setdefault(field, []).extend(values)

    def _add_field(self, field: str, value: Any) -> None:
        if field == "tool_calls":
            self._add_calls(value)
        elif isinstance(value, str):
            if field != "role":
                self.texts.setdefault(field, []).append(value)
        elif isinstance(value, list) and isinstance(self.rest.get(field), list):
            self.rest[field] = self.rest[field] + value
        elif value is not None:
            self.rest[field] = value

    def _add_calls(self, deltas: object) -> None:
        if deltas is None:
            return
        if not isinstance(deltas, list) or not all(isinstance(delta, dict) for delta in deltas):
            raise no_answer("tool calls that aren't a list of objects")
        for delta in deltas:
            slot, is_new = self._slots.slot(delta)
            if is_new:
                self.calls.append(_Call(delta["id"] if isinstance(delta.get("id"), str) else ""))
            function = delta.get("function")
            if isinstance(function, dict):
                self.calls[slot].name = self.calls[slot].name or str(function.get("name") or "")
                if isinstance(function.get("arguments"), str):
                    self.calls[slot].arguments.append(function["arguments"])

    def body(self, index: int) -> dict[str, Any]:
        texts = {field: "".join(parts) for field, parts in self.texts.items()}
        message = {"role": "assistant", "content": None, "refusal": None, **self.rest, **texts}
        if self.calls:
            message["tool_calls"] = [call.body() for call in self.calls]
            message["content"] = message["content"] or None
        elif message["refusal"] is None:
            message["content"] = message["content"] or ""
        logprobs = self.logprobs or None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self.finish}


class OpenaiWhole:
    """The answer so far. Usage is part of it only once every answer has ended: earlier reports are of a part."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None

    @property
    def is_final(self) -> bool:
        """Whether every answer that began has ended."""
        return bool(self._choices) and all(choice.finish for choice in self._choices.values())

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Add a chunk.

        Raises:
            UpstreamError: its choices or tool calls have no shape that can be read.

        """
        for field in _HEAD:
            if chunk.get(field) is not None:
                self._head.setdefault(field, chunk[field])
        choices = chunk.get("choices") or ()
        if not isinstance(choices, list | tuple) or not all(isinstance(choice, dict) for choice in choices):
            raise no_answer("a chunk whose choices aren't a list of objects")
        for choice in choices:
            index = choice.get("index", 0)
            if type(index) is not int or not 0 <= index < 128:
                raise no_answer("a choice whose index is none from 0 to 127")
            self._choices.setdefault(index, _Choice()).add(choice)
        if chunk.get("usage") is not None and self.is_final:
            self._usage = chunk["usage"]

    def body(self) -> dict[str, Any]:
        """Return the answer so far as the body of a chat completion."""
        body = {"id": "", "object": "chat.completion", "created": 0, "model": "", **self._head}
        body["choices"] = [choice.body(index) for index, choice in sorted(self._choices.items())] or [_Choice().body(0)]
        if self._usage is not None:
            body["usage"] = self._usage
        return body
