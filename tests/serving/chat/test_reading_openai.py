import pytest

from pointsman.chat import Chat, Turn, read_chat
from pointsman.errors import InvalidChat

HELLO = {"role": "user", "content": "Hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def body(*messages, **fields):
    return {"model": "auto", "messages": list(messages or (HELLO,)), **fields}


def test_a_chat_says_all_that_its_body_asks_for():
    asked = body(
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "terse"}]},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "A cat"},
        stream=True,
        stream_options={"include_usage": True},
        max_completion_tokens=50,
        n=3,
        tools=[TOOL],
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        temperature=0,
        user="ann",
        seed=3,
    )
    assert read_chat("openai", asked) == Chat(
        protocol="openai",
        body=asked,
        turns=(
            Turn("system", "Be\nterse", 0),
            Turn("user", "What is this?", 1, images=2),
            Turn("assistant", "", 2, calls=("c1",)),
            Turn("tool", "A cat", 3, answers=("c1",)),
        ),
        model="auto",
        is_stream=True,
        wants_usage=True,
        max_output_tokens=50,
        answers=3,
        has_tools=True,
        wants_json=True,
        temperature=0,
        end_user="ann",
    )


def test_the_older_shape_of_tools_is_read():
    chat = read_chat(
        "openai",
        body(
            HELLO,
            {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
            {"role": "function", "name": "look", "content": "A cat"},
            functions=[{"name": "look"}],
        ),
    )
    assert chat.has_tools
    assert [turn.calls + turn.answers for turn in chat.turns] == [(), ("function_call:look",), ("function_call:look",)]


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ([], "body"),
        ({"model": "auto"}, "messages"),
        ({"model": "auto", "messages": []}, "messages"),
        ({"model": "auto", "messages": "Hello"}, "messages"),
        ({"messages": [HELLO]}, "model"),
        (body(model=3), "model"),
        (body("Hello"), "messages[0]"),
        (body(HELLO, {"role": "robot", "content": ""}), "messages[1].role"),
        (body(HELLO, {"role": ["user"], "content": ""}), "messages[1].role"),
        (body({"role": "user"}), "messages[0].content"),
        (body({"role": "user", "content": []}), "messages[0].content"),
        (body({"role": "user", "content": {"text": "Hello"}}), "messages[0].content"),
        (body({"role": "user", "content": ["Hello"]}), "messages[0].content[0]"),
        (body({"role": "user", "content": [{"type": "video"}]}), "messages[0].content[0].type"),
        (body({"role": "user", "content": [{"type": {}}]}), "messages[0].content[0].type"),
        (body({"role": "system", "content": [IMAGE]}), "messages[0].content[0].type"),
        (body({"role": "user", "content": [{"type": "text", "text": 3}]}), "messages[0].content[0].text"),
        (
            body({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}),
            "messages[0].content[0].image_url",
        ),
        (body({"role": "user", "content": [{"type": "file", "file": {}}]}), "messages[0].content[0].file"),
        (body({"role": "assistant", "content": None}), "messages[0].content"),
        (body({"role": "assistant", "tool_calls": {}}), "messages[0].tool_calls"),
        (body({"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}), "messages[0].tool_calls[0].id"),
        (body({"role": "assistant", "tool_calls": [{**CALL, "type": "x"}]}), "messages[0].tool_calls[0].type"),
        (
            body({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a", "arguments": {}}}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (body({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (body({"role": "tool", "content": "x", "tool_call_id": "c1"}), "messages[0].tool_call_id"),
        (body(tools={}), "tools"),
        (body(tools=[{"type": "retrieval"}]), "tools[0].type"),
        (body(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (
            body(tools=[{"type": "function", "function": {"name": "a", "parameters": []}}]),
            "tools[0].function.parameters",
        ),
        (body(tool_choice=3), "tool_choice"),
        (body(tool_choice="any"), "tool_choice"),
        (body(n=0), "n"),
        (body(n=129), "n"),
        (body(n=True), "n"),
        (body(max_tokens=0), "max_tokens"),
        (body(max_tokens=1.5), "max_tokens"),
        (body(max_completion_tokens="9"), "max_completion_tokens"),
        (body(max_tokens=10**30), "max_tokens"),
        (body(temperature="hot"), "temperature"),
        (body(temperature=float("nan")), "temperature"),
        (body(temperature=True), "temperature"),
        (body(top_p=[]), "top_p"),
        (body(stream="yes"), "stream"),
        (body(stream_options=[]), "stream_options"),
        (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (body(response_format="json"), "response_format"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (body(stop={}), "stop"),
        (body(stop=[1]), "stop"),
        (body(user=3), "user"),
    ],
)
def test_a_malformed_body_is_refused_by_the_path_of_what_is_wrong(asked, path):
    with pytest.raises(InvalidChat) as refusal:
        read_chat("openai", asked)
    assert refusal.value.field == path
    assert refusal.value.message.startswith(path)
    assert "expected" in refusal.value.message


def test_a_refusal_never_repeats_what_the_caller_wrote():
    with pytest.raises(InvalidChat) as refusal:
        read_chat("openai", body({"role": "my secret is 42", "content": ""}))
    assert refusal.value.message == ("messages[0].role is a text; expected system, developer, user, assistant or tool.")
