import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import (
    Reply,
    SseEvent,
    StreamReader,
    StreamWriter,
    read_reply,
    sse,
    stream_reader,
    whole_of_stream,
)
from pointsman.errors import UpstreamError
from pointsman.registry import TokenUsage

CALLS = [
    {"tool_calls": [{"index": 0, "id": "c0", "type": "function", "function": {"name": "look", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
]
TEXTS = [{"role": "assistant", "content": ""}, {"content": "Grüße "}, {"content": "日本\n"}]
BLOCKS = [
    (
        {"type": "thinking", "thinking": "", "signature": ""},
        [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "s"}],
    ),
    (
        {"type": "text", "text": ""},
        [{"type": "text_delta", "text": "Grüße "}, {"type": "text_delta", "text": "日本\n"}],
    ),
    (
        {"type": "tool_use", "id": "c0", "name": "look", "input": {}},
        [{"type": "input_json_delta", "partial_json": '{"q":'}, {"type": "input_json_delta", "partial_json": "1}"}],
    ),
]


def read(protocol, *chunks):
    reader = StreamReader(protocol)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return reader, events


def split(stream, cuts):
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@pytest.fixture(scope="session")
def streams(openai_stream, anthropic_stream):
    return {
        "openai": openai_stream([*TEXTS, *CALLS], "tool_calls"),
        "anthropic": anthropic_stream(BLOCKS, "tool_use"),
    }


def test_an_openai_stream_is_read_to_its_answer(streams):
    reader, events = read("openai", streams["openai"])
    assert reader.is_complete
    assert reader.error is None
    usage = TokenUsage(20, 9, cached_read_tokens=5, reasoning_tokens=2)
    assert reader.reply() == Reply("Grüße 日本\n", "tool_calls", 2, usage, "gpt-4o-mini-2024")
    assert events[-1] == SseEvent("", b"[DONE]")
    assert events[1].value["choices"][0]["delta"] == {"content": "Grüße "}


def test_an_anthropic_stream_is_read_to_its_answer(streams):
    reader, events = read("anthropic", streams["anthropic"])
    assert reader.is_complete
    assert reader.reply() == Reply("Grüße 日本\n", "tool_calls", 1, TokenUsage(20, 9, 6, 4), "claude-haiku")
    assert [event.name for event in events][:3] == ["message_start", "ping", "content_block_start"]


@given(
    st.lists(st.integers(0, 10_000), max_size=30),
    st.sampled_from(["openai", "anthropic"]),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
)
def test_any_split_of_a_streams_bytes_gives_the_same_events(streams, cuts, protocol, line_end, has_mark):
    stream = (b"\xef\xbb\xbf" if has_mark else b"") + b": comment\n\n" + streams[protocol]
    reader, events = read(protocol, *split(stream.replace(b"\n", line_end), cuts))
    expected, expected_events = read(protocol, streams[protocol])
    assert events == expected_events
    assert reader.reply() == expected.reply()
    assert reader.is_complete


@given(
    st.lists(st.sampled_from([b"data", b":", b" ", b"a", b"\n", b"\r", b"event", b"\xef\xbb\xbf", b"{}"])), st.data()
)
def test_any_bytes_are_split_alike(pieces, data):
    stream = b"".join(pieces)
    splitter, whole = sse.EventSplitter(), sse.EventSplitter()
    cuts = data.draw(st.lists(st.integers(0, 100), max_size=5))
    assert [event for chunk in split(stream, cuts) for event in splitter.feed(chunk)] == whole.feed(stream)


def test_an_events_lines_of_data_are_joined():
    splitter = sse.EventSplitter()
    assert splitter.feed(b"event: a\nid: 3\n: comment\ndata: 1\ndata:2\ndata\n\nevent: b\n\ndata: 3\n\n") == [
        ("a", b"1\n2\n"),
        ("", b"3"),
    ]
    assert SseEvent("a", b"1\n2").raw == b"event: a\ndata: 1\ndata: 2\n\n"


def test_a_stream_that_ends_without_its_empty_line_is_closed():
    reader = StreamReader("openai")
    assert reader.feed(b"data: [DONE]\n") == []
    assert not reader.is_complete
    assert reader.close() == [SseEvent("", b"[DONE]")]
    assert (reader.is_complete, reader.error) == (True, None)


@pytest.mark.parametrize(
    ("stream", "came"),
    [
        (b"", "a stream without events"),
        (b"<html>secret", "a stream without events"),
        (b'{"id": "a", "choices": []}', "a stream without events"),
        (b"data: {}\n\n", "a stream without its last event"),
    ],
)
def test_a_stream_that_ends_before_its_last_event_was_cut(stream, came):
    for protocol, typed in [("openai", stream), ("anthropic", stream.replace(b"{}", b'{"type": "ping"}'))]:
        reader, _ = read(protocol, typed)
        assert reader.error is None
        assert reader.close() == []
        assert reader.error is not None
        assert reader.error.message == f"The provider sent {came}; expected an answer of its protocol."


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_stream_that_is_cut_anywhere_has_no_usage_and_no_whole_answer(streams, protocol):
    ends = {"openai": b'"total_tokens"', "anthropic": b"event: message_delta"}
    last = streams[protocol].index(ends[protocol])
    for end in range(0, last, 7):
        reader, _ = read(protocol, streams[protocol][:end])
        assert (reader.is_complete, reader.error, reader.reply().usage) == (False, None, None)
        with pytest.raises(UpstreamError, match="a stream without its last event"):
            whole_of_stream(reader)


def test_usage_that_comes_while_an_answer_is_written_isnt_believed():
    chunk = {
        "choices": [{"index": 0, "delta": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1},
    }
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in (chunk, end))
    reader, _ = read("openai", stream + b"data: [DONE]\n\n")
    assert reader.reply() == Reply("Hi", "stop", 0, None)


@pytest.mark.parametrize(
    ("protocol", "data", "message"),
    [
        ("openai", b"<html>", "The provider sent an event that isn't JSON; expected an answer of its protocol."),
        ("openai", b"[]", "The provider sent an event that isn't a JSON object; expected an answer of its protocol."),
        ("openai", b'{"choices": "a"}', "The provider sent a chunk whose choices aren't a list of objects"),
        ("openai", b'{"choices": [{"index": 900}]}', "The provider sent a choice whose index is none from 0 to 127"),
        ("openai", b'{"error": {"type": "server_error"}}', "The provider reported an error of type server_error"),
        ("openai", b'{"choices": [{"delta": {"tool_calls": 3}}]}', "The provider sent tool calls that aren't a list"),
        ("anthropic", b'{"type": "message_start"}', "The provider sent an event without message"),
        ("anthropic", b'{"type": "content_block_start", "index": -1}', "The provider sent a content block without an"),
        (
            "anthropic",
            b'{"type": "content_block_delta", "index": 5, "delta": {}}',
            "The provider sent a delta of a content block that never started",
        ),
        (
            "anthropic",
            b'{"type": "error", "error": {"type": "overloaded_error", "message": "sk-secret"}}',
            "The provider reported an error of type overloaded_error in place of an answer.",
        ),
    ],
)
def test_what_is_wrong_inside_a_stream_is_its_error_after_which_nothing_is_read(protocol, data, message, streams):
    first = streams[protocol].split(b"\n\n")[0] + b"\n\n"
    reader, events = read(protocol, first + b"data: " + data + b"\n\n" + streams[protocol])
    assert reader.error is not None
    assert reader.error.message.startswith(message)
    assert len(events) == 1
    assert not reader.is_complete
    assert reader.feed(streams[protocol]) == []
    with pytest.raises(UpstreamError):
        whole_of_stream(reader)


@pytest.mark.parametrize("size", [1 << 16, 9 << 20])
def test_an_event_without_an_end_is_refused_at_8_mb(size):
    reader = StreamReader("openai")
    fed = 0
    while reader.error is None:
        assert reader.feed((b"data: " if not fed else b"") + b"a" * size) == []
        fed += size
    assert reader.error.message == "The provider sent an event of more than 8 MB; expected an answer of its protocol."
    assert fed <= (8 << 20) + size
    reader, events = read("openai", b"data: " + b"a" * (9 << 20) + b"\n\ndata: {}\n\n")
    assert events == []
    assert reader.error is not None


def test_a_stream_without_an_end_is_refused(monkeypatch, openai_stream):
    monkeypatch.setattr(stream_reader, "MOST_ANSWER_BYTES", 100_000)
    reader = StreamReader("openai")
    chunk = openai_stream([{"content": "a" * 1_000}], finish=None, usage=None, done=False)
    fed = 0
    while reader.error is None:
        reader.feed(chunk)
        fed += len(chunk)
    assert fed < 102_000


def test_comments_without_end_keep_a_stream_alive():
    reader = StreamReader("openai")
    for _ in range(10):
        assert reader.feed(b": keep alive\n" * 100_000) == []
    assert reader.error is None


def test_calls_without_an_index_or_with_the_same_one_are_told_by_their_ids(openai_stream):
    def call(id_, arguments, **index):
        return {"tool_calls": [{**index, "id": id_, "function": {"name": "look", "arguments": arguments}}]}

    for index in ({}, {"index": 0}):
        stream = openai_stream([call("a", "{", **index), call("", "}", **index), call("b", "{}", **index)], "stop")
        reader, _ = read("openai", stream)
        message = json.loads(whole_of_stream(reader))["choices"][0]["message"]
        called = [(made["id"], made["function"]["arguments"]) for made in message["tool_calls"]]
        assert called == [("a", "{}"), ("b", "{}")]


def test_a_streamed_answer_is_the_whole_answer_that_the_provider_would_have_given(streams, openai_stream):
    reader, _ = read("openai", streams["openai"])
    called = [
        {"id": id_, "type": "function", "function": {"name": "look", "arguments": arguments}}
        for id_, arguments in [("c0", '{"q":1}'), ("c1", "{}")]
    ]
    message = {"role": "assistant", "content": "Grüße 日本\n", "refusal": None, "tool_calls": called}
    whole = json.loads(whole_of_stream(reader))
    assert whole == {
        "id": "abc",
        "object": "chat.completion",
        "created": 7,
        "model": "gpt-4o-mini-2024",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": whole["usage"],
    }
    assert read_reply("openai", whole_of_stream(reader)) == reader.reply()


def test_a_streamed_message_keeps_its_thinking(streams):
    reader, _ = read("anthropic", streams["anthropic"])
    assert json.loads(whole_of_stream(reader)) == {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Grüße 日本\n"},
            {"type": "tool_use", "id": "c0", "name": "look", "input": {"q": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 6,
            "cache_creation_input_tokens": 4,
            "output_tokens": 9,
        },
    }


def test_several_answers_of_one_stream_are_told_apart(openai_stream):
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": end}]}
        for index, text, end in [(1, "B", None), (0, "A", "stop"), (1, "b", "length")]
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    reader, _ = read("openai", stream + openai_stream([], finish=None))
    said = [
        (choice["index"], choice["message"]["content"], choice["finish_reason"])
        for choice in json.loads(whole_of_stream(reader))["choices"]
    ]
    assert said == [(0, "A", "stop"), (1, "Bb", "length")]
    assert reader.reply().usage is not None


@given(st.sampled_from(["openai", "anthropic"]), st.data())
def test_whatever_stands_anywhere_in_a_stream_is_written_or_its_error(streams, values, intruded, protocol, data):
    chunks = data.draw(intruded([value for value in values(streams[protocol]) if value != "[DONE]"]))
    reader = StreamReader(protocol)
    writers = [StreamWriter(protocol, to, model="m", wants_usage=True) for to in ("openai", "anthropic")]
    for chunk in chunks:
        for event in reader.feed(b"data: %b\n\n" % msgspec.json.encode(chunk)):
            assert all(isinstance(writer.write(event), bytes) for writer in writers)
    assert isinstance(reader.reply().text, str)
    assert all(writer.finish({}) for writer in writers)
