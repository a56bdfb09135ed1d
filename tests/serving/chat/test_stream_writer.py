import json

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from pointsman.chat import (
    StreamReader,
    StreamWriter,
    read_chat,
    read_reply,
    replayed,
    translated_reply,
    whole_of_stream,
)
from pointsman.errors import LedgerUnavailable, UpstreamError

OTHER = {"openai": "anthropic", "anthropic": "openai"}
METADATA = {"model": "gpt-4o-mini", "cost_usd": 0.001}
EVENT = TypeAdapter(RawMessageStreamEvent)
TEXTS = [{"role": "assistant", "content": ""}, {"content": "Grüße "}, {"content": "日本"}]


def written(stream, source, target, wants_usage=True, size=50):
    reader = StreamReader(source)
    writer = StreamWriter(source, target, model="m", wants_usage=wants_usage, created_s=7)
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    sent = [writer.write(event) for chunk in chunks for event in reader.feed(chunk)]
    assert reader.is_complete
    return b"".join([*sent, writer.finish(METADATA)])


def openai_client_reads(values):
    """What the official client makes of a stream."""
    state = ChatCompletionStreamState()
    assert values[-1] == "[DONE]"
    for value in values[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(value))
    return state.current_completion_snapshot


def anthropic_client_reads(values):
    """What the official client makes of a stream."""
    snapshot, buffers = None, {}
    for value in values:
        if value["type"] != "ping":
            event = EVENT.validate_python(value)
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return snapshot


def test_chunks_pass_unchanged_but_the_last_which_carries_the_metadata(openai_stream, values):
    stream = openai_stream(TEXTS)
    came, sent = values(stream), written(stream, "openai", "openai")
    assert values(sent) == [*came[:-2], {**came[-2], "pointsman": METADATA}, "[DONE]"]
    assert sent.startswith(b"\n\n".join(stream.split(b"\n\n")[:-3]) + b"\n\n")


def test_the_chunk_with_usage_goes_only_to_who_asked_for_it(openai_stream, values):
    came = values(openai_stream(TEXTS))
    sent = values(written(openai_stream(TEXTS), "openai", "openai", wants_usage=False))
    assert sent == [*came[:-3], {**came[-3], "pointsman": METADATA}, "[DONE]"]


def test_metadata_finds_a_place_where_a_provider_ends_early(openai_stream, values):
    sent = values(written(openai_stream(TEXTS, finish=None, usage=None), "openai", "openai"))
    head = {"id": "abc", "object": "chat.completion.chunk", "created": 7, "model": "gpt-4o-mini-2024"}
    assert sent[-2:] == [{**head, "choices": [], "pointsman": METADATA}, "[DONE]"]


def test_every_finish_of_several_answers_is_sent(values):
    chunks = [
        {"id": "a", "created": 7, "model": "m", "object": "chat.completion.chunk", "choices": [choice]}
        for choice in [
            {"index": 0, "delta": {"content": "A"}, "finish_reason": "stop"},
            {"index": 1, "delta": {"content": "B"}, "finish_reason": None},
            {"index": 1, "delta": {}, "finish_reason": "length"},
        ]
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
    sent = values(written(stream, "openai", "openai"))
    assert sent == [*chunks[:2], {**chunks[2], "pointsman": METADATA}, "[DONE]"]


def test_anthropics_events_pass_unchanged_but_the_last(anthropic_stream, values):
    stream = anthropic_stream([({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hi"}])])
    sent = written(stream, "anthropic", "anthropic")
    assert sent.startswith(stream[: stream.index(b"event: message_stop")])
    assert values(sent) == [*values(stream)[:-1], {"type": "message_stop", "pointsman": METADATA}]


CALLED = [
    {"tool_calls": [{"index": 0, "id": "c0", "type": "function", "function": {"name": "look", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "b", "arguments": "{}"}}]},
]


def test_openais_stream_as_anthropics(openai_stream, values):
    events = values(written(openai_stream([*TEXTS, *CALLED], "tool_calls"), "openai", "anthropic"))
    usage = {"input_tokens": 15, "output_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0}
    start = {"id": "msg_abc", "type": "message", "role": "assistant", "model": "m", "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 0, "output_tokens": 0}}

    def began(index, block):
        return {"type": "content_block_start", "index": index, "content_block": block}

    def went_on(index, **delta):
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def ended(index):
        return {"type": "content_block_stop", "index": index}

    assert events == [
        {"type": "message_start", "message": start},
        began(0, {"type": "text", "text": ""}),
        went_on(0, type="text_delta", text="Grüße "),
        went_on(0, type="text_delta", text="日本"),
        ended(0),
        began(1, {"type": "tool_use", "id": "c0", "name": "look", "input": {}}),
        went_on(1, type="input_json_delta", partial_json='{"q":'),
        went_on(1, type="input_json_delta", partial_json="1}"),
        ended(1),
        began(2, {"type": "tool_use", "id": "c1", "name": "b", "input": {}}),
        went_on(2, type="input_json_delta", partial_json="{}"),
        ended(2),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {**usage, "output_tokens_details": {"thinking_tokens": 2}},
        },
        {"type": "message_stop", "pointsman": METADATA},
    ]


BLOCKS = [
    ({"type": "thinking", "thinking": "", "signature": ""}, [{"type": "thinking_delta", "thinking": "hm"}]),
    ({"type": "text", "text": "G"}, [{"type": "text_delta", "text": "rüße"}]),
    (
        {"type": "tool_use", "id": "c0", "name": "look", "input": {}},
        [{"type": "input_json_delta", "partial_json": ""}, {"type": "input_json_delta", "partial_json": '{"q":1}'}],
    ),
    ({"type": "tool_use", "id": "c1", "name": "b", "input": {}}, []),
]


def test_anthropics_stream_as_openais(anthropic_stream, values):
    chunks = values(written(anthropic_stream(BLOCKS, "tool_use"), "anthropic", "openai"))
    head = {"id": "chatcmpl-m1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    deltas = [
        {"role": "assistant", "content": ""},
        {"content": "G"},
        {"content": "rüße"},
        {"tool_calls": [{"index": 0, "id": "c0", "type": "function", "function": {"name": "look", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":1}'}}]},
        {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "b", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"})
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert chunks == [
        *({**head, "choices": [choice]} for choice in choices),
        {**head, "choices": [], "usage": usage, "pointsman": METADATA},
        "[DONE]",
    ]
    unasked = values(written(anthropic_stream(BLOCKS, "tool_use"), "anthropic", "openai", wants_usage=False))
    assert unasked == [*chunks[:-3], {**chunks[-3], "pointsman": METADATA}, "[DONE]"]


TEXT = st.text(alphabet="abé日 \n", min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(st.sampled_from("abc"), st.integers() | TEXT, max_size=2)


def as_chunks(text, inputs):
    deltas = [{"role": "assistant", "content": ""}, *({"content": part} for part in text)]
    for index, given_ in enumerate(inputs):
        arguments = json.dumps(given_)
        call = {"index": index, "id": f"c{index}", "type": "function", "function": {"name": "look", "arguments": ""}}
        deltas.append({"tool_calls": [call]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in arguments]
    return deltas


@given(st.lists(TEXT, max_size=3), st.lists(ARGUMENTS, max_size=2), st.sampled_from(["stop", "length"]))
def test_a_stream_there_and_back_again_says_the_same_as_its_whole_answer(openai_stream, values, text, inputs, finish):
    stream = openai_stream(as_chunks(text, inputs), "tool_calls" if inputs else finish)
    reader = StreamReader("openai")
    reader.feed(stream)
    answer = reader.reply()
    there = written(stream, "openai", "anthropic")
    back = written(there, "anthropic", "openai")

    read_there = StreamReader("anthropic")
    read_there.feed(there)
    at_once = translated_reply(whole_of_stream(reader), "openai", "anthropic", "m")
    assert read_there.reply() == read_reply("anthropic", at_once)
    read_back = StreamReader("openai")
    read_back.feed(back)
    said = read_back.reply()
    assert (said.text, said.finish, said.calls, said.usage) == (answer.text, answer.finish, answer.calls, answer.usage)

    message = anthropic_client_reads(values(there))
    assert "".join(block.text for block in message.content if block.type == "text") == answer.text
    assert [block.input for block in message.content if block.type == "tool_use"] == inputs
    assert message.usage.output_tokens == 9
    completion = openai_client_reads(values(back))
    called = completion.choices[0].message.tool_calls or []
    assert (completion.choices[0].message.content or "") == answer.text
    assert [json.loads(call.function.arguments) for call in called] == inputs
    assert completion.usage.prompt_tokens == 20


def test_a_refusal_is_said_in_the_other_protocol(openai_stream, values):
    events = values(written(openai_stream([{"refusal": "No."}]), "openai", "anthropic"))
    assert events[2]["delta"] == {"type": "text_delta", "text": "No."}
    assert events[-2]["delta"]["stop_reason"] == "refusal"


def test_a_character_cut_between_two_chunks_passes_as_it_came(openai_stream, values):
    stream = openai_stream([{"content": "X"}, {"content": "Y"}]).replace(b"X", b"\\ud83d").replace(b"Y", b"\\ude00")
    sent = written(stream, "openai", "openai")
    assert sent.startswith(b"\n\n".join(stream.split(b"\n\n")[:-3]) + b"\n\n")
    events = values(written(stream, "openai", "anthropic"))
    assert [event["delta"]["text"] for event in events[2:4]] == ["?", "?"]


def test_usage_that_cant_be_true_isnt_passed_on_by_translation(openai_stream, anthropic_stream, values):
    lied = openai_stream(TEXTS, usage={"prompt_tokens": 5, "completion_tokens": -1})
    assert values(written(lied, "openai", "anthropic"))[-2]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    lied = anthropic_stream([({"type": "text", "text": "Hi"}, [])], usage={"output_tokens": 0})
    assert "usage" not in values(written(lied, "anthropic", "openai"))[-2]


@pytest.mark.parametrize("source", ["openai", "anthropic"])
def test_a_stream_that_fails_ends_with_an_error_and_not_as_complete(source, openai_stream, values):
    error = LedgerUnavailable("The ledger is gone; try again.")
    openai = StreamWriter(source, "openai", model="m", wants_usage=True).fail(error)
    assert openai.endswith(b"\n\n")
    assert values(openai) == [
        {
            "error": {
                "message": "The ledger is gone; try again.",
                "type": "server_error",
                "param": None,
                "code": "ledger_unavailable",
            }
        }
    ]
    anthropic = StreamWriter(source, "anthropic", model="m", wants_usage=True).fail(error)
    shown = b'{"type":"error","error":{"type":"overloaded_error","message":"The ledger is gone; try again."}}'
    assert anthropic == b"event: error\ndata: " + shown + b"\n\n"


def test_nothing_that_ends_a_stream_is_sent_before_it_is_finished(openai_stream, anthropic_stream):
    blocks = [({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hi"}])]
    for source, stream in [("openai", openai_stream(TEXTS)), ("anthropic", anthropic_stream(blocks))]:
        for target in ("openai", "anthropic"):
            reader = StreamReader(source)
            writer = StreamWriter(source, target, model="m", wants_usage=True)
            sent = b"".join(writer.write(event) for event in reader.feed(stream))
            assert b"[DONE]" not in sent
            assert b"message_stop" not in sent


@given(
    st.lists(TEXT, max_size=3), st.lists(ARGUMENTS, max_size=2), st.booleans(), st.sampled_from(["openai", "anthropic"])
)
def test_a_whole_answer_is_replayed_as_a_stream_in_either_protocol(openai_stream, values, text, inputs, wants, target):
    reader = StreamReader("openai")
    reader.feed(openai_stream(as_chunks(text, inputs), "tool_calls" if inputs else "stop"))
    asked = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    asked["stream_options"] = {"include_usage": wants}
    for source, body in [
        ("openai", whole_of_stream(reader)),
        ("anthropic", translated_reply(whole_of_stream(reader), "openai", "anthropic", "claude")),
    ]:
        stream = b"".join(replayed(body, source, read_chat(target, asked), METADATA, created_s=7))
        read_again = StreamReader(target)
        read_again.feed(stream)
        assert read_again.is_complete
        reply, expected = read_again.reply(), read_reply(source, body)
        assert (reply.text, reply.finish, reply.calls) == (expected.text, expected.finish, expected.calls)
        assert reply.usage == (expected.usage if wants or target == "anthropic" else None)
        sent = values(stream)
        assert (sent[-1] if target == "anthropic" else sent[-2])["pointsman"] == METADATA
        if target == "openai":
            completion = openai_client_reads(sent)
            assert (completion.choices[0].message.content or "") == expected.text
        else:
            message = anthropic_client_reads(sent)
            assert [block.input for block in message.content if block.type == "tool_use"] == inputs


def test_replayed_text_comes_word_by_word(values):
    body = {"choices": [{"message": {"content": "One two\n three" + "x" * 40 + " "}, "finish_reason": "stop"}]}
    asked = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    head = {"id": "abc", "created": 7, "model": "m"}
    stream = b"".join(replayed(json.dumps({**head, **body}).encode(), "openai", read_chat("openai", asked), METADATA))
    words = [chunk["choices"][0]["delta"].get("content") for chunk in values(stream)[1:-2]]
    assert words == ["One", " two", "\n three" + "x" * 27, "x" * 13, " "]


def test_what_isnt_an_answer_isnt_replayed():
    asked = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with pytest.raises(UpstreamError):
        replayed(b"<html>", "openai", read_chat("openai", asked), METADATA)
