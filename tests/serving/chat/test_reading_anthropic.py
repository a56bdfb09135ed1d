import pytest

from pointsman.chat import Chat, Turn, read_chat
from pointsman.errors import InvalidChat

HELLO = {"role": "user", "content": "Hello"}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "A cat"}, PNG]}


def body(*messages, **fields):
    return {"model": "auto", "max_tokens": 9, "messages": list(messages or (HELLO,)), **fields}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def test_a_chat_says_all_that_its_body_asks_for():
    asked = body(
        user({"type": "text", "text": "What is this?"}, PNG),
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, USE]},
        user(RESULT),
        {"role": "assistant", "content": "A cat."},
        user({**RESULT, "content": "Still a cat"}, {"type": "text", "text": "Sure?"}),
        user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Cats"}}),
        system=[{"type": "text", "text": "Be terse"}],
        stream=True,
        tools=[{"name": "look", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
        output_config={"format": {"type": "json_schema", "schema": {}}},
        temperature=0.5,
        metadata={"user_id": "ann"},
    )
    assert read_chat("anthropic", asked) == Chat(
        protocol="anthropic",
        body=asked,
        turns=(
            Turn("system", "Be terse", None),
            Turn("user", "What is this?", 0, images=1),
            Turn("assistant", "", 1, calls=("t1",)),
            Turn("tool", "A cat", 2, answers=("t1",), images=1),
            Turn("assistant", "A cat.", 3),
            Turn("user", "Still a cat\nSure?", 4, answers=("t1",)),
            Turn("user", "Cats", 5),
        ),
        model="auto",
        is_stream=True,
        wants_usage=True,
        max_output_tokens=9,
        has_tools=True,
        wants_json=True,
        temperature=0.5,
        end_user="ann",
    )


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"model": "auto", "messages": [HELLO]}, "max_tokens"),
        (body(max_tokens=-1), "max_tokens"),
        (body(system=3), "system"),
        (body(system=[PNG]), "system[0].type"),
        (body({"role": "tool", "content": "x"}), "messages[0].role"),
        (body({"role": "user", "content": None}), "messages[0].content"),
        (body(user({"type": "audio"})), "messages[0].content[0].type"),
        (body(user(USE)), "messages[0].content[0].type"),
        (body(user(RESULT)), "messages[0].content"),
        (body(user({"type": "text"})), "messages[0].content[0].text"),
        (body(user({"type": "image"})), "messages[0].content[0].source"),
        (body(user({"type": "image", "source": {"type": "ftp"}})), "messages[0].content[0].source.type"),
        (body(user({"type": "image", "source": {"type": "base64"}})), "messages[0].content[0].source.data"),
        (body({"role": "assistant", "content": [{**USE, "input": "{}"}]}), "messages[0].content[0].input"),
        (body({"role": "assistant", "content": [{**USE, "id": 3}]}), "messages[0].content[0].id"),
        (body(tools=[{"name": "look"}]), "tools[0].input_schema"),
        (body(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
        (body(tool_choice="auto"), "tool_choice"),
        (body(tool_choice={"type": "required"}), "tool_choice.type"),
        (body(tool_choice={"type": "tool"}), "tool_choice.name"),
        (body(stop_sequences="x"), "stop_sequences"),
        (body(metadata={"user_id": 3}), "metadata.user_id"),
        (body(metadata=3), "metadata"),
    ],
)
def test_a_malformed_body_is_refused_by_the_path_of_what_is_wrong(asked, path):
    with pytest.raises(InvalidChat) as refusal:
        read_chat("anthropic", asked)
    assert refusal.value.field == path
    assert "expected" in refusal.value.message
