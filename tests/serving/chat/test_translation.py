"""Requests of one protocol for providers of the other: golden bodies, what is refused, and there and back again."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Edit, caches_for_an_hour, input_bound, input_estimate, read_chat, translatable, wire_body
from pointsman.errors import InvalidChat

OTHER = {"openai": "anthropic", "anthropic": "openai"}
HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OPENAI = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "Be terse"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Compare"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Looking",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": "a"}'}},
                {"id": "call.2", "type": "function", "function": {"name": "look", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "A cat"},
        {"role": "tool", "tool_call_id": "call.2", "content": [{"type": "text", "text": "A dog"}]},
        {"role": "developer", "content": "Answer now"},
        {"role": "user", "content": "So?"},
    ],
    "stream": True,
    "stop": "END",
    "temperature": 1.7,
    "top_p": 0.5,
    "user": "ann",
    "tools": [{"type": "function", "function": {"name": "look", "description": "Looks", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "seed": 3,
    "reasoning_effort": "high",
    "logit_bias": {},
    "frequency_penalty": 0,
}


def wired(protocol, asked):
    return json.loads(wire_body(read_chat(protocol, asked), OTHER[protocol], Edit("m", 300)))


def test_openais_request_as_anthropics():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}
    assert wired("openai", OPENAI) == {
        "model": "m",
        "max_tokens": 300,
        "system": "Be terse\n\nAnswer now\n\nAnswer with one JSON object and nothing else: no prose around it, no code "
        "fence.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Compare"},
                    image,
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {"type": "document", "source": pdf, "title": "a.pdf"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Looking"},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"q": "a"}},
                    {"type": "tool_use", "id": "call_2", "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "A cat"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "A dog"},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "stream": True,
        "stop_sequences": ["END"],
        "temperature": 1.0,
        "metadata": {"user_id": "ann"},
        "tools": [{"name": "look", "description": "Looks", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    }


PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PDF = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf"}}
PDF["source"]["data"] = "BBBB"
ANTHROPIC = {
    "model": "auto",
    "max_tokens": 900,
    "system": [{"type": "text", "text": "Be terse", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Compare"}, PNG, PDF]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "Looking"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"q": "a"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "So?"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "No cat"}, PNG],
                },
            ],
        },
    ],
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "metadata": {"user_id": "a" * 65},
    "tools": [{"name": "look", "description": "Looks", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2_000},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
}


def test_anthropics_request_as_openais():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    called = {"name": "look", "arguments": '{"q":"a"}'}
    said = "Error: No cat\n(What isn't text follows in the next message.)"
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}}
    assert wired("anthropic", ANTHROPIC) == {
        "model": "m",
        "max_tokens": 300,
        "messages": [
            {"role": "system", "content": "Be terse"},
            {"role": "user", "content": [{"type": "text", "text": "Compare"}, image, file]},
            {
                "role": "assistant",
                "content": "Looking",
                "tool_calls": [{"id": "t1", "type": "function", "function": called}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": said},
            {"role": "user", "content": [{"type": "text", "text": "So?"}, image]},
        ],
        "stop": ["END"],
        "temperature": 0.5,
        "user": "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    ("messages", "translated"),
    [
        (
            [{"role": "assistant", "content": "Hi, how can I help? "}, HELLO],
            [("user", "(The conversation begins with the assistant.)"), ("assistant", "Hi, how can I help? ")],
        ),
        (
            [HELLO, {"role": "assistant", "content": "The answer is "}],
            [("user", "Hello"), ("assistant", "The answer is")],
        ),
        ([HELLO, {"role": "assistant", "content": ""}, HELLO], [("user", "Hello")]),
        ([{"role": "system", "content": "Say hello"}], [("user", "Say hello")]),
    ],
)
def test_conversations_that_only_openai_takes_become_ones_that_anthropic_takes(messages, translated):
    sent = wired("openai", {"model": "auto", "messages": messages})["messages"]
    said = [(m["role"], m["content"] if isinstance(m["content"], str) else m["content"][0]["text"]) for m in sent]
    assert said[: len(translated)] == translated
    assert all(first["role"] != second["role"] for first, second in pairwise(sent))


AUDIO = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}
FUNCTION = {"role": "assistant", "content": None, "function_call": {"name": "a", "arguments": "{}"}}
CUSTOM = {"id": "c", "type": "custom", "custom": {"name": "a", "input": ""}}
BAD = {"id": "c", "type": "function", "function": {"name": "a", "arguments": "{"}}
SEARCHED = {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}
FILE = {"type": "image", "source": {"type": "file", "file_id": "f"}}


@pytest.mark.parametrize(
    ("protocol", "fields", "path"),
    [
        ("openai", {"n": 2}, "n"),
        ("openai", {"logprobs": True}, "logprobs"),
        ("openai", {"logit_bias": {"5": 1}}, "logit_bias"),
        ("openai", {"presence_penalty": 0.5}, "presence_penalty"),
        ("openai", {"modalities": ["text", "audio"]}, "modalities"),
        ("openai", {"messages": [AUDIO]}, "messages[0].content[0]"),
        ("openai", {"messages": [HELLO, FUNCTION]}, "messages[1]"),
        ("openai", {"messages": [{"role": "assistant", "tool_calls": [CUSTOM]}]}, "messages[0].tool_calls[0]"),
        (
            "openai",
            {"messages": [{"role": "assistant", "tool_calls": [BAD]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ("openai", {"tools": [{"type": "custom", "custom": {"name": "a"}}]}, "tools[0]"),
        (
            "openai",
            {"tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": {"type": "allowed_tools"}},
            "tool_choice",
        ),
        ("openai", {"response_format": {"type": "grammar"}}, "response_format.type"),
        ("anthropic", {"top_k": 5}, "top_k"),
        ("anthropic", {"stop_sequences": list("abcde")}, "stop_sequences"),
        ("anthropic", {"messages": [SEARCHED]}, "messages[0].content[0]"),
        ("anthropic", {"messages": [{"role": "user", "content": [FILE]}]}, "messages[0].content[0].source"),
        ("anthropic", {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0]"),
    ],
)
def test_what_cant_be_translated_is_refused_by_its_path_and_excludes_the_model(protocol, fields, path):
    chat = read_chat(protocol, {"model": "auto", "max_tokens": 9, "messages": [HELLO], **fields})
    with pytest.raises(InvalidChat) as refusal:
        wire_body(chat, OTHER[protocol], Edit("m", 9))
    assert refusal.value.field == path
    assert not translatable(chat, OTHER[protocol])
    assert translatable(chat, protocol)


TEXT = st.text(alphabet="abcé\n ", min_size=1, max_size=8).map(lambda text: f"x{text}x")
ARGUMENTS = st.dictionaries(st.sampled_from("abc"), st.integers() | TEXT, max_size=2)


@st.composite
def conversations(draw):
    messages, calls = [{"role": "user", "content": draw(TEXT)}], 0
    for _ in range(draw(st.integers(0, 4))):
        inputs = draw(st.lists(ARGUMENTS, max_size=2))
        ids = [f"call_{calls + index}" for index in range(len(inputs))]
        calls += len(ids)
        assistant = {"role": "assistant", "content": draw(TEXT)}
        if ids:
            assistant["tool_calls"] = [
                {"id": id_, "type": "function", "function": {"name": "look", "arguments": json.dumps(given)}}
                for id_, given in zip(ids, inputs, strict=True)
            ]
        messages.append(assistant)
        messages += [{"role": "tool", "tool_call_id": id_, "content": draw(TEXT)} for id_ in ids]
        messages.append({"role": "user", "content": draw(TEXT)})
    system = draw(st.none() | TEXT)
    return ([{"role": "system", "content": system}] if system else []) + messages


def said(messages):
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    return (
        [(message["role"], message["content"], message.get("tool_call_id")) for message in messages],
        [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
    )


@given(conversations(), st.none() | st.floats(0, 1), st.none() | st.lists(TEXT, min_size=1, max_size=4))
def test_a_request_there_and_back_again_asks_for_the_same(messages, temperature, stop):
    fields = {"temperature": temperature, "stop": stop, "user": "ann"}
    asked = {
        "model": "auto",
        "messages": messages,
        **{key: value for key, value in fields.items() if value is not None},
    }
    back = wired("anthropic", wired("openai", asked))
    assert said(back["messages"]) == said(messages)
    assert {key: back.get(key) for key in fields} == fields
    assert back["max_tokens"] == 300


@given(st.sampled_from([("openai", OPENAI), ("anthropic", ANTHROPIC)]), st.data())
def test_whatever_stands_anywhere_in_a_request_is_sent_or_refused(intruded, request_, data):
    protocol, golden = request_
    try:
        chat = read_chat(protocol, data.draw(intruded(golden)))
    except InvalidChat as refusal:
        assert refusal.field
        return
    assert input_estimate(chat) <= input_bound(chat, len(msgspec.json.encode(chat.body)))
    assert not caches_for_an_hour(chat)
    edit = Edit("m", 9, dropped=frozenset({0}), shortened=dict.fromkeys(range(1, 7), "Cut"), instruction="Be terse")
    assert wire_body(chat, protocol, edit)
    if translatable(chat, OTHER[protocol]):
        assert wire_body(chat, OTHER[protocol], edit)
