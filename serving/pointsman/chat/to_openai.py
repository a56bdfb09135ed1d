"""Translate a request from Anthropic's shape to OpenAI's."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.anthropic_request import SERVER_BLOCKS
from pointsman.errors import InvalidChat

MOST_STOPS: Final = 4
LONGEST_USER: Final = 64
"""OpenAI's limits of `stop` and of the characters of `user`."""

_DROPPED: Final = frozenset({"thinking", "redacted_thinking"})


def to_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body in OpenAI's shape, without model and output limit, that asks for the same.

    Raises:
        InvalidChat: it can't be asked there; `field` is the path of what can't.

    """
    if body.get("top_k") is not None:
        raise _untranslatable("top_k", "top_k")
    messages = [{"role": "system", "content": _joined(body["system"])}] if body.get("system") else []
    for place, message in enumerate(body["messages"]):
        messages += _translated(message, f"messages[{place}]")
    translated: dict[str, Any] = {"messages": messages}
    for field in ("stream", "temperature", "top_p"):
        if body.get(field) is not None:
            translated[field] = body[field]
    if body.get("stop_sequences"):
        if len(body["stop_sequences"]) > MOST_STOPS:
            raise _untranslatable("stop_sequences", f"more than {MOST_STOPS} stop sequences")
        translated["stop"] = body["stop_sequences"]
    user = (body.get("metadata") or {}).get("user_id")
    if user:
        translated["user"] = user if len(user) <= LONGEST_USER else hashlib.sha256(user.encode()).hexdigest()
    if body.get("tools"):
        translated["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(body["tools"])]
        _choose(translated, body.get("tool_choice") or {})
    stated = (body.get("output_config") or {}).get("format")
    if stated and stated.get("type") == "json_schema":
        named = {"name": "answer", "schema": stated.get("schema") or {}}
        translated["response_format"] = {"type": "json_schema", "json_schema": named}
    return translated


def _untranslatable(path: str, what: str) -> InvalidChat:
    return InvalidChat(
        f"{path}: a model behind OpenAI's protocol can't be asked for {what}; leave it out, or name a model of a "
        "provider that speaks Anthropic's.",
        field=path,
    )


def _joined(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(block["text"] for block in content)


def _translated(message: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Return the messages that say what one message says: answers of tools first, each as a message of its own."""
    role, content = message["role"], message["content"]
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if role == "assistant":
        return [_assistant(content, f"{path}.content")]
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for index, block in enumerate(content):
        block_path = f"{path}.content[{index}]"
        if block["type"] == "tool_result":
            said, media = _result(block, block_path)
            messages.append({"role": "tool", "tool_call_id": block["tool_use_id"], "content": said})
            parts += media
        else:
            parts += _parts(block, block_path)
    if parts:
        messages.append({"role": role, "content": _simplest(parts)})
    return messages


def _simplest(parts: list[dict[str, Any]]) -> Any:
    """Return parts as one text where they are nothing but text."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _result(block: Mapping[str, Any], path: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the text of a tool's answer, and its media, which OpenAI takes only from the user."""
    content = block.get("content") or ""
    if isinstance(content, str):
        said, media = content, []
    else:
        parts = [part for index, inner in enumerate(content) for part in _parts(inner, f"{path}.content[{index}]")]
        media = [part for part in parts if part["type"] != "text"]
        said = "\n".join(part["text"] for part in parts if part["type"] == "text")
        if media:
            said = f"{said}\n(What isn't text follows in the next message.)".lstrip("\n")
    return (f"Error: {said}" if block.get("is_error") else said), media


def _assistant(blocks: list[Any], path: str) -> dict[str, Any]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        if block["type"] == "tool_use":
            called = {"name": block["name"], "arguments": msgspec.json.encode(block["input"]).decode()}
            calls.append({"id": block["id"], "type": "function", "function": called})
        else:
            for part in _parts(block, f"{path}[{index}]"):
                if part["type"] != "text":
                    raise _untranslatable(f"{path}[{index}]", "media that the assistant wrote")
                texts.append(part["text"])
    said = "".join(texts)
    if not calls:
        return {"role": "assistant", "content": said}
    return {"role": "assistant", "content": said or None, "tool_calls": calls}


def _parts(block: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    type_ = block["type"]
    if type_ == "text":
        return [{"type": "text", "text": block["text"]}]
    if type_ in _DROPPED:
        return []
    if type_ == "image":
        return [{"type": "image_url", "image_url": {"url": _image_url(block["source"], path)}}]
    if type_ == "document":
        return _document(block, path)
    if type_ == "search_result":
        said = "\n".join(part["text"] for part in block["content"])
        titles = [str(block[field]) for field in ("title", "source") if block.get(field)]
        return [{"type": "text", "text": "\n".join([*titles, said])}]
    what = "what tools at Anthropic answered" if type_ in SERVER_BLOCKS else f"a {type_} block"
    raise _untranslatable(path, what)


def _image_url(source: Mapping[str, Any], path: str) -> str:
    if source["type"] == "base64":
        return f"data:{source['media_type']};base64,{source['data']}"
    if source["type"] == "url":
        return str(source["url"])
    raise _untranslatable(f"{path}.source", "files stored at Anthropic")


def _document(block: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    source, title = block["source"], block.get("title") or "document.pdf"
    if source["type"] == "text":
        return [{"type": "text", "text": source["data"]}]
    if source["type"] == "content":
        content = source["content"]
        if isinstance(content, str):
            return [{"type": "text", "text": content}]
        return [part for inner in content for part in _parts(inner, f"{path}.source.content")]
    if source["type"] == "base64":
        data = f"data:{source['media_type']};base64,{source['data']}"
        return [{"type": "file", "file": {"filename": title, "file_data": data}}]
    raise _untranslatable(f"{path}.source", "documents by URL or id")


def _tool(tool: Mapping[str, Any], path: str) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise _untranslatable(path, "tools that Anthropic defines")
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _choose(translated: dict[str, Any], asked: Mapping[str, Any]) -> None:
    type_ = asked.get("type")
    if type_ == "tool":
        translated["tool_choice"] = {"type": "function", "function": {"name": asked["name"]}}
    elif type_ is not None:
        translated["tool_choice"] = {"auto": "auto", "any": "required", "none": "none"}[type_]
    if asked.get("disable_parallel_tool_use"):
        translated["parallel_tool_calls"] = False
