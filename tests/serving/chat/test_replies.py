import contextlib
import json

import anthropic.types
import msgspec
import openai.types.chat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Reply, read_chat, read_reply, replayed, translated_reply
from pointsman.errors import UpstreamError
from pointsman.registry import TokenUsage

USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q":"a"}'}}
USE = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"q": "a"}}


def openai_reply(text="Hi", finish="stop", usage=USAGE, **message):
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    reply = {"id": "abc", "object": "chat.completion", "created": 7, "model": "gpt", "choices": [choice]}
    return json.dumps({**reply, "usage": usage}).encode()


def anthropic_reply(*blocks, stop="end_turn", usage=None):
    reply = {"id": "m1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)}
    reply |= {"stop_reason": stop, "stop_sequence": None, "usage": usage or {"input_tokens": 20, "output_tokens": 9}}
    return json.dumps(reply).encode()


TEXT = {"type": "text", "text": "Hi"}


@pytest.mark.parametrize(
    ("protocol", "body", "reply"),
    [
        ("openai", openai_reply(), Reply("Hi", "stop", 0, TokenUsage(20, 9), "gpt")),
        ("openai", openai_reply(finish="length"), Reply("Hi", "length", 0, TokenUsage(20, 9), "gpt")),
        ("openai", openai_reply(finish="content_filter"), Reply("Hi", "content_filter", 0, TokenUsage(20, 9), "gpt")),
        ("openai", openai_reply(finish=None), Reply("Hi", "unknown", 0, TokenUsage(20, 9), "gpt")),
        ("openai", openai_reply(None, refusal="No."), Reply("No.", "refusal", 0, TokenUsage(20, 9), "gpt")),
        (
            "openai",
            openai_reply(None, "tool_calls", tool_calls=[CALL, CALL]),
            Reply("", "tool_calls", 2, TokenUsage(20, 9), "gpt"),
        ),
        ("openai", openai_reply(None, "stop", tool_calls=[CALL]), Reply("", "tool_calls", 1, TokenUsage(20, 9), "gpt")),
        ("anthropic", anthropic_reply(TEXT), Reply("Hi", "stop", 0, TokenUsage(20, 9), "claude")),
        ("anthropic", anthropic_reply(TEXT, stop="refusal"), Reply("Hi", "refusal", 0, TokenUsage(20, 9), "claude")),
        ("anthropic", anthropic_reply(TEXT, stop="max_tokens"), Reply("Hi", "length", 0, TokenUsage(20, 9), "claude")),
        (
            "anthropic",
            anthropic_reply({"type": "thinking", "thinking": "hm", "signature": "s"}, TEXT, USE, stop="tool_use"),
            Reply("Hi", "tool_calls", 1, TokenUsage(20, 9), "claude"),
        ),
    ],
)
def test_a_whole_answer_is_read(protocol, body, reply):
    assert read_reply(protocol, body) == reply


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b"", "an empty body"),
        (b" \r\n", "an empty body"),
        (b"<!doctype html><p>secret", "HTML"),
        (b"\xef\xbb\xbf<html>", "HTML"),
        (b"secret", "a body that isn't JSON"),
        (b"[" * 100_000, "a body that isn't JSON"),
        (b'"\xff"', "a body that isn't JSON"),
        (b"[]", "JSON that is a list"),
        (b"3", "JSON that is no object"),
    ],
)
def test_what_isnt_an_answer_is_named_and_not_repeated(body, came):
    for protocol in ("openai", "anthropic"):
        with pytest.raises(UpstreamError) as failure:
            read_reply(protocol, body)
        assert failure.value.message == f"The provider sent {came}; expected an answer of its protocol."


@pytest.mark.parametrize(
    ("protocol", "body", "came"),
    [
        ("openai", {}, "no choices"),
        ("openai", {"choices": []}, "no choices"),
        ("openai", {"choices": {}}, "no choices"),
        ("openai", {"choices": [3]}, "a choice without a message"),
        ("openai", {"choices": [{"message": None}]}, "a choice without a message"),
        (
            "openai",
            {"choices": [{"message": {"content": 3}}]},
            "a message whose content is neither text nor parts",
        ),
        (
            "openai",
            {"choices": [{"message": {"content": "", "tool_calls": [3]}}]},
            "tool calls that aren't a list of objects",
        ),
        (
            "openai",
            {"choices": [{"message": {"content": "", "tool_calls": [{}]}}]},
            "a tool call without a function",
        ),
        ("anthropic", {}, "a message without content blocks"),
        ("anthropic", {"content": "Hi"}, "a message without content blocks"),
        ("anthropic", {"content": ["Hi"]}, "a message without content blocks"),
    ],
)
def test_an_answer_without_its_parts_is_refused(protocol, body, came):
    with pytest.raises(UpstreamError) as failure:
        read_reply(protocol, json.dumps(body).encode())
    assert failure.value.message == f"The provider sent {came}; expected an answer of its protocol."


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_an_error_beside_status_200_is_told_by_its_type_alone(protocol):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "key sk-secret"}}
    with pytest.raises(UpstreamError) as failure:
        read_reply(protocol, json.dumps(error).encode())
    assert failure.value.message == "The provider reported an error of type overloaded_error in place of an answer."
    assert failure.value.is_retryable
    with pytest.raises(UpstreamError, match=r"^The provider reported an error in place of an answer\.$"):
        read_reply(protocol, b'{"error": {"type": "my sk-secret"}}')


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (USAGE, TokenUsage(20, 9)),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            TokenUsage(20, 9, cached_read_tokens=5, cached_write_tokens=3, reasoning_tokens=4),
        ),
        ({**USAGE, "prompt_cache_hit_tokens": 5}, TokenUsage(20, 9, cached_read_tokens=5)),
        ({**USAGE, "prompt_tokens_details": None, "cost": 0.1}, TokenUsage(20, 9)),
        ({"prompt_tokens": 20, "completion_tokens": 9}, TokenUsage(20, 9)),
        (
            {**USAGE, "total_tokens": 89, "completion_tokens_details": {"reasoning_tokens": 60}},
            TokenUsage(20, 69, reasoning_tokens=60),
        ),
        ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81}, TokenUsage(21, 60)),
    ],
)
def test_openais_cached_tokens_are_part_of_the_prompt(reported, usage):
    assert read_reply("openai", openai_reply(usage=reported)).usage == usage


@pytest.mark.parametrize(
    "reported",
    [
        None,
        "many",
        {},
        {**USAGE, "prompt_tokens": -1},
        {**USAGE, "prompt_tokens": 20.0},
        {**USAGE, "prompt_tokens": "20"},
        {**USAGE, "prompt_tokens": True},
        {**USAGE, "prompt_tokens": 0, "total_tokens": 9},
        {**USAGE, "completion_tokens": 0, "total_tokens": 20},
        {**USAGE, "completion_tokens": 10**9},
        {**USAGE, "completion_tokens": 10**30},
        {**USAGE, "total_tokens": 10},
        {**USAGE, "cost": -1},
        {**USAGE, "cost": "free"},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 21}},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": -5}},
        {**USAGE, "completion_tokens_details": {"reasoning_tokens": 10}},
    ],
)
def test_openais_usage_that_cant_be_true_isnt_believed(reported):
    assert read_reply("openai", openai_reply(usage=reported)) == Reply("Hi", "stop", 0, None, "gpt")


def test_nothing_written_is_believed_where_nothing_was():
    empty = {"prompt_tokens": 20, "completion_tokens": 0, "total_tokens": 20}
    assert read_reply("openai", openai_reply("", usage=empty)).usage == TokenUsage(20, 0)
    assert read_reply("openai", openai_reply("", usage=empty, tool_calls=[CALL])).usage is None


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (
            {
                "input_tokens": 10,
                "cache_read_input_tokens": 6,
                "cache_creation_input_tokens": 4,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 5},
            },
            TokenUsage(20, 9, 6, 1, 3, 5),
        ),
        ({"input_tokens": 10, "cache_creation_input_tokens": 4, "output_tokens": 9}, TokenUsage(14, 9, 0, 4)),
        ({"input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 9}, TokenUsage(4, 9, 4)),
        ({"input_tokens": 10, "cache_read_input_tokens": None, "output_tokens": 9}, TokenUsage(10, 9)),
        ({"input_tokens": 10}, None),
        ({"input_tokens": 10, "output_tokens": 0}, None),
        ({"input_tokens": -10, "cache_read_input_tokens": 40, "output_tokens": 9}, None),
        ({"input_tokens": 10, "output_tokens": 9.0}, None),
        ({"input_tokens": 0, "output_tokens": 9}, None),
        (
            {
                "input_tokens": 10,
                "cache_creation_input_tokens": 1,
                "cache_creation": {"ephemeral_1h_input_tokens": 3},
                "output_tokens": 9,
            },
            None,
        ),
        ({"input_tokens": 10, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 10}}, None),
    ],
)
def test_anthropics_cached_tokens_are_added_to_the_prompt(reported, usage):
    assert read_reply("anthropic", anthropic_reply(TEXT, usage=reported)).usage == usage


def test_a_reply_in_the_callers_protocol_is_passed_on_unchanged():
    body = b'{"anything": "as it came"}'
    assert translated_reply(body, "openai", "openai", "m") is body


def test_openais_answer_as_anthropics():
    body = openai_reply("Hi", "tool_calls", tool_calls=[CALL, {**CALL, "function": {"name": "b", "arguments": "{"}}])
    message = json.loads(translated_reply(body, "openai", "anthropic", "m"))
    anthropic.types.Message.model_validate(message)
    assert message == {
        "id": "msg_abc",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [TEXT, USE, {**USE, "name": "b", "input": {"arguments": "{"}}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 20,
            "output_tokens": 9,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    }


def test_anthropics_answer_as_openais():
    body = anthropic_reply({"type": "thinking", "thinking": "hm", "signature": "s"}, TEXT, USE, stop="tool_use")
    completion = json.loads(translated_reply(body, "anthropic", "openai", "m", created_s=7))
    openai.types.chat.ChatCompletion.model_validate(completion)
    message = {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": [CALL]}
    assert completion == {
        "id": "chatcmpl-m1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


FINISHES = st.sampled_from(["end_turn", "max_tokens", "refusal"])
TOKENS = st.integers(0, 1_000)


@given(
    st.text(max_size=20), st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=3), FINISHES, TOKENS
)
def test_an_answer_there_and_back_again_is_the_same(text, inputs, stop, cached):
    blocks = [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": f"c{index}", "name": "look", "input": i} for index, i in enumerate(inputs)]
    usage = {"input_tokens": 5, "output_tokens": 9, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 1}
    body = anthropic_reply(*blocks, stop="tool_use" if inputs else stop, usage=usage)
    there = translated_reply(body, "anthropic", "openai", "claude")
    back = translated_reply(there, "openai", "anthropic", "claude")
    openai.types.chat.ChatCompletion.model_validate_json(there)
    anthropic.types.Message.model_validate_json(back)
    assert read_reply("anthropic", back) == read_reply("anthropic", body)
    assert json.loads(back)["content"] == blocks
    assert json.loads(back)["usage"] == usage


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_answer_beside_a_number_that_is_none_is_an_answer_without_usage(number):
    body = openai_reply().replace(b'"completion_tokens": 9', b'"completion_tokens": ' + number.encode())
    assert read_reply("openai", body) == Reply("Hi", "stop", 0, None, "gpt")


def test_half_a_character_becomes_a_question_mark():
    body = openai_reply("cut \ud83d")
    assert read_reply("openai", body).text == "cut ?"
    assert json.loads(translated_reply(body, "openai", "anthropic", "m"))["content"][0]["text"] == "cut ?"


FIELDS = ["prompt_tokens", "completion_tokens", "total_tokens", "cost", "prompt_tokens_details", "input_tokens"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_no_report_of_tokens_raises(reported):
    assert read_reply("openai", openai_reply(usage=reported)).text == "Hi"
    assert read_reply("anthropic", anthropic_reply(TEXT, usage=reported)).text == "Hi"


@given(st.sampled_from(["openai", "anthropic"]), st.data())
def test_whatever_stands_anywhere_in_a_reply_is_read_and_told_or_refused(intruded, protocol, data):
    whole = openai_reply("Hi", "tool_calls", tool_calls=[CALL]) if protocol == "openai" else anthropic_reply(TEXT, USE)
    body = msgspec.json.encode(data.draw(intruded(json.loads(whole))))
    asked = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with contextlib.suppress(UpstreamError):
        assert isinstance(read_reply(protocol, body).text, str)
        for target in ("openai", "anthropic"):
            assert read_reply(target, translated_reply(body, protocol, target, "m"))
            assert replayed(body, protocol, read_chat(target, asked), {})
