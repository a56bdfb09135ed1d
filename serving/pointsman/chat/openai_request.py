"""Read a request in OpenAI's shape (`POST /v1/chat/completions`)."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.chat import shapes
from pointsman.chat.words import Chat, Role, Turn
from pointsman.errors import InvalidChat

MOST_ANSWERS: Final = 128
"""OpenAI's own limit of `n`."""

_ROLES: Final[Mapping[object, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"text"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text"}),
}
_PAYLOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "image_url": ("url",),
    "input_audio": ("data", "format"),
    "file": (),
}
"""The texts that a part's object must have."""


def read_openai(body: Mapping[str, Any]) -> Chat:
    """Return the chat that a body in OpenAI's shape asks for.

    Raises:
        InvalidChat: something of it is malformed; `field` is its path.

    """
    turns = _turns(shapes.items(body.get("messages"), "messages", "message"))
    stream_options = body.get("stream_options")
    wants_usage = stream_options is not None and shapes.optional_flag(
        shapes.mapping(stream_options, "stream_options"), "include_usage", "stream_options."
    )
    shapes.check_stops(body, "stop", may_be_text=True)
    shapes.optional_number(body, "top_p")
    newer, older = shapes.optional_count(body, "max_completion_tokens"), shapes.optional_count(body, "max_tokens")
    return Chat(
        protocol="openai",
        body=body,
        turns=turns,
        model=shapes.name(body.get("model"), "model", 'the name of a model, or "auto"'),
        is_stream=shapes.optional_flag(body, "stream"),
        wants_usage=wants_usage,
        max_output_tokens=newer or older,
        answers=_answers(body),
        has_tools=_has_tools(body),
        wants_json=_wants_json(body),
        temperature=shapes.optional_number(body, "temperature"),
        end_user=shapes.optional_text(body, "user"),
    )


def _turns(messages: list[Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    known: set[str] = set()
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise shapes.wrong(f"messages[{place}]", message, "an object with role and content")
        named = message.get("role")
        role = _ROLES.get(named) if isinstance(named, str) else None
        if role is None:
            raise InvalidChat(
                f"messages[{place}].role is {shapes.word(named)}; expected system, developer, user, assistant or tool.",
                field=f"messages[{place}].role",
            )
        if role == "assistant":
            turn = _assistant_turn(message, place)
            known.update(turn.calls)
        else:
            content, images = _content(message.get("content"), role, f"messages[{place}].content")
            answers = (_answered(message, place, known),) if role == "tool" else ()
            turn = Turn(role, content, place, answers=answers, images=images)
        turns.append(turn)
    return tuple(turns)


def _content(content: object, role: str, path: str) -> tuple[str, int]:
    """Return a content's whole text and the number of its images."""
    if isinstance(content, str):
        return content, 0
    texts, images = [], 0
    for index, part in enumerate(shapes.items(content, path, "part, or a text")):
        type_, said = _part(part, role, f"{path}[{index}]")
        images += type_ == "image_url"
        if said is not None:
            texts.append(said)
    return "\n".join(texts), images


def _part(part: object, role: str, path: str) -> tuple[str, str | None]:
    """Return a part's type, and its text where it has one."""
    fields = shapes.mapping(part, path, "an object with a type")
    type_ = fields.get("type")
    allowed = _PARTS[role]
    if not isinstance(type_, str) or type_ not in allowed:
        raise InvalidChat(
            f"{path}.type is {shapes.word(type_)}; expected {' or '.join(sorted(allowed))} here.", field=f"{path}.type"
        )
    if type_ in ("text", "refusal"):
        return type_, shapes.text(fields.get(type_), f"{path}.{type_}")
    payload = shapes.mapping(fields.get(type_), f"{path}.{type_}")
    for needed in _PAYLOADS[type_]:
        shapes.name(payload.get(needed), f"{path}.{type_}.{needed}", "a text")
    if type_ == "file" and not any(isinstance(payload.get(source), str) for source in ("file_data", "file_id")):
        raise shapes.wrong(f"{path}.file", payload, "an object with file_data or file_id")
    return type_, None


def _assistant_turn(message: Mapping[str, Any], place: int) -> Turn:
    path = f"messages[{place}]"
    calls = tuple(
        _call_id(call, f"{path}.tool_calls[{index}]")
        for index, call in enumerate(_optional_list(message, "tool_calls", f"{path}."))
    )
    older = message.get("function_call")
    if older is not None:
        fields = shapes.mapping(older, f"{path}.function_call")
        calls += (_older_id(shapes.name(fields.get("name"), f"{path}.function_call.name", "a name")),)
        shapes.text(fields.get("arguments"), f"{path}.function_call.arguments")
    refusal = shapes.optional_text(message, "refusal", f"{path}.")
    content = message.get("content")
    if content is None and (calls or refusal is not None or message.get("audio") is not None):
        return Turn("assistant", refusal or "", place, calls=calls)
    said, _ = _content(content, "assistant", f"{path}.content")
    return Turn("assistant", said, place, calls=calls)


def _optional_list(message: Mapping[str, Any], field: str, path: str) -> list[Any]:
    value = message.get(field)
    if value is None or isinstance(value, list):
        return value or []
    raise shapes.wrong(path + field, value, "a list")


def _call_id(call: object, path: str) -> str:
    fields = shapes.mapping(call, path)
    type_ = fields.get("type", "function")
    if type_ not in ("function", "custom"):
        raise InvalidChat(f"{path}.type is {shapes.word(type_)}; expected function or custom.", field=f"{path}.type")
    called = shapes.mapping(fields.get(type_), f"{path}.{type_}")
    shapes.name(called.get("name"), f"{path}.{type_}.name", "the name of a tool")
    written = "arguments" if type_ == "function" else "input"
    shapes.text(called.get(written), f"{path}.{type_}.{written}")
    return shapes.name(fields.get("id"), f"{path}.id", "the id of the call")


def _older_id(function: str) -> str:
    """Return an id for a call of OpenAI's older shape, whose calls and answers share the name of the function."""
    return f"function_call:{function}"


def _answered(message: Mapping[str, Any], place: int, known: set[str]) -> str:
    field = "name" if message.get("role") == "function" else "tool_call_id"
    path = f"messages[{place}].{field}"
    stated = shapes.name(message.get(field), path, "the id of the call that it answers")
    answered = _older_id(stated) if field == "name" else stated
    if answered not in known:
        raise InvalidChat(
            f"{path} answers a call that no earlier message makes; expected the id of a call in an assistant message "
            "before it.",
            field=path,
        )
    return answered


def _has_tools(body: Mapping[str, Any]) -> bool:
    tools = _optional_list(body, "tools", "")
    functions = body.get("functions")
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        type_ = shapes.mapping(tool, path).get("type")
        if type_ not in ("function", "custom"):
            raise InvalidChat(
                f"{path}.type is {shapes.word(type_)}; expected function or custom.", field=f"{path}.type"
            )
        _check_function(tool.get(type_), f"{path}.{type_}")
    if functions is not None:
        for index, function in enumerate(shapes.items(functions, "functions", "function")):
            _check_function(function, f"functions[{index}]")
    choice = body.get("tool_choice")
    if not (choice is None or choice in ("none", "auto", "required") or isinstance(choice, dict)):
        raise shapes.wrong("tool_choice", choice, 'none, auto, required or {"type": ...}')
    shapes.optional_flag(body, "parallel_tool_calls")
    return bool(tools or functions)


def _check_function(function: object, path: str) -> None:
    fields = shapes.mapping(function, path, "an object with a name")
    shapes.name(fields.get("name"), f"{path}.name", "the name of a tool")
    shapes.optional_text(fields, "description", f"{path}.")
    if fields.get("parameters") is not None:
        shapes.mapping(fields["parameters"], f"{path}.parameters", "a JSON schema")


def _answers(body: Mapping[str, Any]) -> int:
    n = body.get("n")
    if n is None:
        return 1
    if type(n) is not int or not 1 <= n <= MOST_ANSWERS:
        raise shapes.wrong("n", n, f"a whole number from 1 to {MOST_ANSWERS}")
    return n


def _wants_json(body: Mapping[str, Any]) -> bool:
    asked = body.get("response_format")
    if asked is None:
        return False
    type_ = shapes.name(shapes.mapping(asked, "response_format").get("type"), "response_format.type", "a text")
    if type_ == "json_schema":
        schema = shapes.mapping(asked.get("json_schema"), "response_format.json_schema")
        if schema.get("schema") is not None:
            shapes.mapping(schema["schema"], "response_format.json_schema.schema")
    return type_ in ("json_object", "json_schema")
