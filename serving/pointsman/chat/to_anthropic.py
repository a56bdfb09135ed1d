"""Translate a request from OpenAI's shape to Anthropic's."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.editing import append_instruction
from pointsman.chat.shapes import mapping, name, word
from pointsman.errors import InvalidChat

JSON_INSTRUCTION: Final = "Answer with one JSON object and nothing else: no prose around it, no code fence."
SCHEMA_INSTRUCTION: Final = (
    "Answer with one JSON value that matches this JSON schema and nothing else: no prose around it, no code fence. "
    "The schema: "
)
OPENING: Final = "(The conversation begins with the assistant.)"
"""Stands before an assistant's greeting, since Anthropic's conversations begin with the user."""

_UNTRANSLATABLE: Final = ("logprobs", "top_logprobs", "functions", "function_call", "audio", "logit_bias")
_NOT_ZERO: Final = ("frequency_penalty", "presence_penalty")
_BAD_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")


def to_anthropic(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body in Anthropic's shape, without model and output limit, that asks for the same.

    Raises:
        InvalidChat: it can't be asked there; `field` is the path of what can't.

    """
    _refuse_untranslatable(body)
    translated: dict[str, Any] = {"messages": _messages(body["messages"])}
    system = "\n\n".join(_system_texts(body["messages"]))
    if not translated["messages"]:
        translated["messages"], system = [{"role": "user", "content": system}], ""
    if system:
        translated["system"] = system
    if body.get("response_format") is not None:
        _ask_for_json(translated, body["response_format"])
    if body.get("stream") is not None:
        translated["stream"] = body["stream"]
    if body.get("temperature") is not None:
        translated["temperature"] = min(max(body["temperature"], 0.0), 1.0)
    elif body.get("top_p") is not None:
        translated["top_p"] = body["top_p"]  # newer models refuse both (QuantumNous/new-api#5122)
    stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
    if any(stop.strip() for stop in stops):
        translated["stop_sequences"] = [stop for stop in stops if stop.strip()]
    if body.get("user"):
        translated["metadata"] = {"user_id": body["user"]}
    if body.get("tools"):
        translated["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(body["tools"])]
        _choose(translated, body)
    return translated


def _refuse_untranslatable(body: Mapping[str, Any]) -> None:
    if (body.get("n") or 1) > 1:
        raise _untranslatable("n", "more than one answer at once")
    for field in _UNTRANSLATABLE:
        if body.get(field):
            raise _untranslatable(field, field)
    for field in _NOT_ZERO:
        if body.get(field):
            raise _untranslatable(field, f"{field} other than 0")
    if "audio" in (body.get("modalities") or ()):
        raise _untranslatable("modalities", "answers in audio")


def _untranslatable(path: str, what: str) -> InvalidChat:
    return InvalidChat(
        f"{path}: a model behind Anthropic's protocol can't be asked for {what}; leave it out, or name a model of a "
        "provider that speaks OpenAI's.",
        field=path,
    )


def _system_texts(messages: list[Any]) -> list[str]:
    texts = (_joined(message["content"]) for message in messages if message["role"] in ("system", "developer"))
    return [text for text in texts if text]


def _joined(content: Any) -> str:
    """Return the text of a content of nothing but text parts."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _messages(messages: list[Any]) -> list[dict[str, Any]]:
    """Return the messages without system prompts; neighbours of one role become one, as tool results must be."""
    merged: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _blocks(message, f"messages[{place}]")
        if not blocks:
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    if merged and merged[0]["role"] == "assistant":
        merged.insert(0, {"role": "user", "content": OPENING})
    if merged and merged[-1]["role"] == "assistant" and merged[-1]["content"][-1]["type"] == "text":
        merged[-1]["content"][-1]["text"] = merged[-1]["content"][-1]["text"].rstrip() or "."
    return merged


def _blocks(message: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    if message["role"] == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": _id(message["tool_call_id"]),
                "content": _joined(message["content"]),
            }
        ]
    if message["role"] == "function" or message.get("function_call") is not None:
        raise _untranslatable(path, "functions, the older shape of tools")
    if message.get("audio") is not None:
        raise _untranslatable(f"{path}.audio", "audio")
    blocks = _content(message.get("content") or message.get("refusal") or "", f"{path}.content")
    for index, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_tool_use(call, f"{path}.tool_calls[{index}]"))
    return blocks


def _content(content: Any, path: str) -> list[dict[str, Any]]:
    """Return the blocks of a content; empty texts, which Anthropic refuses, are left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    blocks = (_part(part, f"{path}[{index}]") for index, part in enumerate(content))
    return [block for block in blocks if block is not None]


def _part(part: Mapping[str, Any], path: str) -> dict[str, Any] | None:
    type_ = part["type"]
    if type_ in ("text", "refusal"):
        return {"type": "text", "text": part[type_]} if part[type_].strip() else None
    if type_ == "image_url":
        return {"type": "image", "source": _image_source(part["image_url"]["url"], f"{path}.image_url.url")}
    data = part["file"].get("file_data") if type_ == "file" else None
    if isinstance(data, str) and data.startswith("data:application/pdf;base64,"):
        source = {"type": "base64", "media_type": "application/pdf", "data": data.partition(",")[2]}
        title = part["file"].get("filename")
        return {"type": "document", "source": source, **({"title": title} if isinstance(title, str) else {})}
    raise _untranslatable(path, "files other than PDF in base64" if type_ == "file" else "audio")


def _image_source(url: str, path: str) -> dict[str, str]:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    header, mark, data = url.partition(";base64,")
    if not mark or not header.startswith("data:"):
        raise InvalidChat(
            f"{path} is neither an https URL nor base64; expected https://... or data:image/png;base64,...", field=path
        )
    return {"type": "base64", "media_type": header.removeprefix("data:").split(";")[0], "data": data}


def _tool_use(call: Mapping[str, Any], path: str) -> dict[str, Any]:
    if call.get("type", "function") != "function":
        raise _untranslatable(path, "custom tools")
    written = call["function"]["arguments"]
    field = f"{path}.function.arguments"
    try:
        arguments = msgspec.json.decode(written) if written.strip() else {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidChat(f"{field} isn't JSON; expected the arguments as a JSON object.", field=field) from None
    return {
        "type": "tool_use",
        "id": _id(call["id"]),
        "name": call["function"]["name"],
        "input": mapping(arguments, field, "a JSON object"),
    }


def _id(stated: str) -> str:
    """Return a call's id in the characters that Anthropic takes."""
    return _BAD_ID.sub("_", stated)


def _tool(tool: Mapping[str, Any], path: str) -> dict[str, Any]:
    if tool["type"] != "function":
        raise _untranslatable(path, "custom tools")
    function = tool["function"]
    schema = {"type": "object", **(function.get("parameters") or {"properties": {}})}
    translated = {"name": function["name"], "input_schema": schema}
    if function.get("description"):
        translated["description"] = function["description"]
    return translated


def _choose(translated: dict[str, Any], body: Mapping[str, Any]) -> None:
    asked = body.get("tool_choice")
    choice: dict[str, Any] | None = None
    if isinstance(asked, str):
        choice = {"type": {"auto": "auto", "none": "none", "required": "any"}[asked]}
    elif isinstance(asked, dict):
        if asked.get("type") != "function":
            raise _untranslatable("tool_choice", f"a choice of {word(asked.get('type'))}")
        named = mapping(asked.get("function"), "tool_choice.function").get("name")
        choice = {"type": "tool", "name": name(named, "tool_choice.function.name", "the name of a tool")}
    if body.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        translated["tool_choice"] = choice


def _ask_for_json(translated: dict[str, Any], asked: Mapping[str, Any]) -> None:
    if asked["type"] == "json_object":
        append_instruction(translated, False, JSON_INSTRUCTION)
    elif asked["type"] == "json_schema":
        schema = asked["json_schema"].get("schema") or {}
        append_instruction(translated, False, SCHEMA_INSTRUCTION + msgspec.json.encode(schema).decode())
    elif asked["type"] != "text":
        raise _untranslatable("response_format.type", f"the format {word(asked['type'])}")
