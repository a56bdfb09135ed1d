"""Change a request in its own protocol: messages left out or shortened, an instruction appended."""

from collections.abc import Mapping
from typing import Any

from pointsman.chat.words import Chat, Edit


def edited(chat: Chat, edit: Edit) -> dict[str, Any]:
    """Return the chat's body with the edit's changes of messages; the caller's own body stays as it is.

    A shortened message has the text at its first text (or its first tool result), none elsewhere, and its other parts
    as they were.
    """
    body = dict(chat.body)
    if edit.dropped or edit.shortened:
        body["messages"] = [
            _shortened(message, edit.shortened[place]) if place in edit.shortened else message
            for place, message in enumerate(body["messages"])
            if place not in edit.dropped
        ]
    if edit.instruction:
        append_instruction(body, chat.protocol == "openai", edit.instruction)
    return body


def append_instruction(body: dict[str, Any], is_openai: bool, instruction: str) -> None:
    """Append an instruction to the system prompt of a body, in place; the messages it holds aren't changed."""
    if not is_openai:
        body["system"] = _appended(body.get("system"), instruction)
        return
    messages = list(body["messages"])
    place = next((i for i, message in enumerate(messages) if message["role"] in ("system", "developer")), None)
    if place is None:
        messages.insert(0, {"role": "system", "content": instruction})
    else:
        messages[place] = {**messages[place], "content": _appended(messages[place]["content"], instruction)}
    body["messages"] = messages


def _appended(content: Any, instruction: str) -> Any:
    if not content:
        return instruction
    if isinstance(content, str):
        return f"{content}\n\n{instruction}"
    return [*content, {"type": "text", "text": instruction}]


def _shortened(message: Mapping[str, Any], text: str) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        field = "refusal" if content is None and message.get("refusal") is not None else "content"
        return {**message, field: text}
    parts: list[Any] = []
    is_placed = False
    for part in content:
        if part["type"] == "tool_result":
            parts.append({**part, "content": "" if is_placed else text})
        elif _is_text(part):
            if is_placed or not text:
                continue
            kept = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
            parts.append({"type": "text", "text": text, **kept})
        else:
            parts.append(part)
            continue
        is_placed = True
    return {**message, "content": parts or text}


def _is_text(part: Mapping[str, Any]) -> bool:
    """Return whether a part is nothing but text, whichever kind its protocol calls it."""
    is_document = part["type"] == "document" and part["source"]["type"] in ("text", "content")
    return is_document or part["type"] in ("text", "refusal", "search_result")
