"""Read a request in Anthropic's shape (`POST /v1/messages`)."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.chat import shapes
from pointsman.chat.words import Chat, Turn
from pointsman.errors import InvalidChat

SERVER_BLOCKS: Final = frozenset(
    {
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
    }
)
"""What tools that run at Anthropic leave in a conversation; only Anthropic can read it."""

_BLOCKS: Final = SERVER_BLOCKS | {
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
}
CLIENT_TOOLS: Final = ("bash_", "text_editor_", "computer_", "memory_", "browser_")
"""Beginnings of the types of tools that Anthropic defines and the caller runs."""


def read_anthropic(body: Mapping[str, Any]) -> Chat:
    """Return the chat that a body in Anthropic's shape asks for.

    Raises:
        InvalidChat: something of it is malformed; `field` is its path.

    """
    turns = _system(body) + _turns(shapes.items(body.get("messages"), "messages", "message"))
    limit = shapes.optional_count(body, "max_tokens")
    if limit is None:
        raise shapes.wrong("max_tokens", None, "a whole number of at least 1")
    shapes.check_stops(body, "stop_sequences", may_be_text=False)
    shapes.optional_number(body, "top_p")
    metadata = shapes.mapping(body.get("metadata") or {}, "metadata")
    is_stream = shapes.optional_flag(body, "stream")
    return Chat(
        protocol="anthropic",
        body=body,
        turns=turns,
        model=shapes.name(body.get("model"), "model", 'the name of a model, or "auto"'),
        is_stream=is_stream,
        wants_usage=is_stream,
        max_output_tokens=limit,
        has_tools=_has_tools(body),
        wants_json=_wants_json(body),
        temperature=shapes.optional_number(body, "temperature"),
        end_user=shapes.optional_text(metadata, "user_id", "metadata."),
    )


def _system(body: Mapping[str, Any]) -> tuple[Turn, ...]:
    system = body.get("system")
    if system is None or system in ("", []):
        return ()
    if isinstance(system, str):
        return (Turn("system", system, None),)
    texts = []
    for index, block in enumerate(shapes.items(system, "system", "text block, or a text")):
        fields = shapes.mapping(block, f"system[{index}]", "a text block")
        if fields.get("type") != "text":
            raise InvalidChat(
                f"system[{index}].type is {shapes.word(fields.get('type'))}; expected text.",
                field=f"system[{index}].type",
            )
        texts.append(shapes.text(fields.get("text"), f"system[{index}].text"))
    return (Turn("system", "\n".join(texts), None),)


def _turns(messages: list[Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    known: set[str] = set()
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise shapes.wrong(f"messages[{place}]", message, "an object with role and content")
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            raise InvalidChat(
                f"messages[{place}].role is {shapes.word(role)}; expected user or assistant.",
                field=f"messages[{place}].role",
            )
        content = message.get("content")
        if isinstance(content, str):
            turn = Turn(role, content, place)
        else:
            turn = _read_blocks(shapes.items(content, f"messages[{place}].content", "block, or a text"), role, place)
        for index, answered in enumerate(turn.answers):
            if answered not in known:
                raise _unasked(f"messages[{place}].content", index)
        known.update(turn.calls)
        turns.append(turn)
    return tuple(turns)


def _unasked(path: str, index: int) -> InvalidChat:
    return InvalidChat(
        f"Tool result {index} of {path} answers a call that no earlier message makes; expected a tool_use_id of a "
        "tool_use block before it.",
        field=path,
    )


def _read_blocks(blocks: list[Any], role: Any, place: int) -> Turn:
    texts: list[str] = []
    calls: list[str] = []
    answers: list[str] = []
    images = 0
    for index, block in enumerate(blocks):
        path = f"messages[{place}].content[{index}]"
        fields = shapes.mapping(block, path, "an object with a type")
        type_ = _block_type(fields, role, path)
        if type_ == "tool_use":
            calls.append(_call(fields, path))
        elif type_ == "tool_result":
            answers.append(shapes.name(fields.get("tool_use_id"), f"{path}.tool_use_id", "the id of a tool_use block"))
            images += _read_result(fields, path, texts)
        else:
            images += _read_block(fields, type_, path, texts)
    if answers and len(answers) == len(blocks):
        role = "tool"
    return Turn(role, "\n".join(texts), place, tuple(calls), tuple(answers), images)


def _block_type(block: Mapping[str, Any], role: object, path: str) -> str:
    type_ = block.get("type")
    if not isinstance(type_, str) or type_ not in _BLOCKS:
        raise InvalidChat(
            f"{path}.type is {shapes.word(type_)}; expected text, image, document, search_result, tool_use, "
            "tool_result or thinking.",
            field=f"{path}.type",
        )
    if (type_ == "tool_use" and role != "assistant") or (type_ == "tool_result" and role != "user"):
        raise InvalidChat(
            f"{path} is a {type_} block in a message of the {role}; expected tool_use in the assistant's messages and "
            "tool_result in the user's.",
            field=f"{path}.type",
        )
    return type_


def _call(block: Mapping[str, Any], path: str) -> str:
    shapes.name(block.get("name"), f"{path}.name", "the name of a tool")
    shapes.mapping(block.get("input"), f"{path}.input")
    return shapes.name(block.get("id"), f"{path}.id", "the id of the call")


def _read_result(block: Mapping[str, Any], path: str, texts: list[str]) -> int:
    """Add what a tool answered to `texts`; return the number of its images."""
    content = block.get("content")
    if content is None or isinstance(content, str):
        texts.append(content or "")
        return 0
    if not isinstance(content, list):
        raise shapes.wrong(f"{path}.content", content, "a text or a list of blocks")
    images = 0
    for index, inner in enumerate(content):
        inner_path = f"{path}.content[{index}]"
        fields = shapes.mapping(inner, inner_path, "an object with a type")
        type_ = fields.get("type")
        if type_ not in ("text", "image", "document", "search_result", "tool_reference"):
            raise InvalidChat(
                f"{inner_path}.type is {shapes.word(type_)}; expected text, image, document or search_result.",
                field=f"{inner_path}.type",
            )
        images += _read_block(fields, type_, inner_path, texts)
    return images


def _read_block(block: Mapping[str, Any], type_: str, path: str, texts: list[str]) -> int:
    """Add a block's text to `texts`; return 1 where it is an image."""
    if type_ == "text":
        texts.append(shapes.text(block.get("text"), f"{path}.text"))
    elif type_ == "search_result":
        for index, part in enumerate(shapes.items(block.get("content"), f"{path}.content", "text block")):
            fields = shapes.mapping(part, f"{path}.content[{index}]", "a text block")
            texts.append(shapes.text(fields.get("text"), f"{path}.content[{index}].text"))
    elif type_ in ("image", "document"):
        return _read_source(block.get("source"), type_, f"{path}.source", texts)
    elif type_ == "thinking":
        shapes.text(block.get("thinking"), f"{path}.thinking")
    return 0


_SOURCES: Final[Mapping[str, str]] = {"base64": "data", "url": "url", "file": "file_id", "text": "data"}


def _read_source(source: object, type_: str, path: str, texts: list[str]) -> int:
    """Add the text of an image's or a document's source to `texts`; return the number of its images."""
    fields = shapes.mapping(source, path)
    origin = fields.get("type")
    if type_ == "document" and origin == "content":
        return _read_result(fields, path, texts)
    if not isinstance(origin, str) or origin not in _SOURCES or (type_ == "image" and origin == "text"):
        raise InvalidChat(f"{path}.type is {shapes.word(origin)}; expected base64, url or file.", field=f"{path}.type")
    needed = _SOURCES[origin]
    said = shapes.name(fields.get(needed), f"{path}.{needed}", "a text")
    if origin == "base64":
        shapes.name(fields.get("media_type"), f"{path}.media_type", "a media type such as image/png")
    elif origin == "text":
        texts.append(said)
    return int(type_ == "image")


def _has_tools(body: Mapping[str, Any]) -> bool:
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise shapes.wrong("tools", tools, "a list")
    for index, tool in enumerate(tools or ()):
        _check_tool(tool, f"tools[{index}]")
    choice = body.get("tool_choice")
    if choice is not None:
        type_ = shapes.mapping(choice, "tool_choice").get("type")
        if type_ not in ("auto", "any", "tool", "none"):
            raise InvalidChat(
                f"tool_choice.type is {shapes.word(type_)}; expected auto, any, tool or none.", field="tool_choice.type"
            )
        if type_ == "tool":
            shapes.name(choice.get("name"), "tool_choice.name", "the name of a tool")
    return bool(tools)


def _check_tool(tool: object, path: str) -> None:
    fields = shapes.mapping(tool, path)
    type_ = fields.get("type")
    if type_ is None or type_ == "custom":
        shapes.name(fields.get("name"), f"{path}.name", "the name of a tool")
        shapes.mapping(fields.get("input_schema"), f"{path}.input_schema", "a JSON schema")
    elif not isinstance(type_, str) or not type_.startswith(CLIENT_TOOLS):
        raise InvalidChat(
            f"{path}.type is {shapes.word(type_)}; expected custom, or a kind of bash, text_editor, computer, memory "
            "or browser. Tools that run at the provider are billed beside the tokens, which no budget can hold.",
            field=f"{path}.type",
        )


def _wants_json(body: Mapping[str, Any]) -> bool:
    asked = body.get("output_config")
    if asked is None:
        return False
    stated = shapes.mapping(asked, "output_config").get("format")
    return stated is not None and shapes.mapping(stated, "output_config.format").get("type") == "json_schema"
