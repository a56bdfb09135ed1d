import json

import pytest
from hypothesis import strategies as st

WORDS = ["text", "image", "tool_use", "tool_result", "document", "file", "user", "assistant", "tool", "content", "url"]
OPENAI_HEAD = {"id": "abc", "object": "chat.completion.chunk", "created": 7, "model": "gpt-4o-mini-2024"}
OPENAI_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def openai_stream(deltas, finish="stop", usage=OPENAI_USAGE, done=True):
    """The bytes of an OpenAI provider's stream: a chunk for each delta, the finish, the usage, [DONE]."""
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    if finish:
        choices.append([{"index": 0, "delta": {}, "finish_reason": finish}])
    chunks = [{**OPENAI_HEAD, "choices": choice, "usage": None} for choice in choices]
    if usage:
        chunks.append({**OPENAI_HEAD, "choices": [], "usage": usage})
    frames = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return "".join([*frames, "data: [DONE]\n\n" if done else ""]).encode()


def anthropic_stream(blocks, stop="end_turn", usage=None, done=True):
    """The bytes of an Anthropic provider's stream: `blocks` are (block as it starts, its deltas)."""
    started = {"input_tokens": 10, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 4, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-haiku", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": started}
    events = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    if stop:
        delta = {"stop_reason": stop, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": usage or {"output_tokens": 9}})
    if done:
        events.append({"type": "message_stop"})
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events).encode()


def values(stream):
    """The decoded data of a stream's events, [DONE] as a text."""
    datas = [frame.split("data: ", 1)[1] for frame in stream.decode().split("\n\n") if frame]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


def places(value, path=()):
    """Every place in a JSON value, as the steps to it."""
    steps = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield (*path, step)
        yield from places(value[step], (*path, step))


def replaced(value, path, intruder):
    """A copy of a JSON value with something else at one place."""
    copied = json.loads(json.dumps(value))
    *steps, last = path
    place = copied
    for step in steps:
        place = place[step]
    place[last] = intruder
    return copied


INTRUDERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="session")
def intruded():
    """A strategy for a JSON value with anything at all in one of its places."""
    return lambda value: st.tuples(st.sampled_from(list(places(value))), INTRUDERS).map(
        lambda drawn: replaced(value, *drawn)
    )


@pytest.fixture(scope="session", name="openai_stream")
def _openai_stream():
    return openai_stream


@pytest.fixture(scope="session", name="anthropic_stream")
def _anthropic_stream():
    return anthropic_stream


@pytest.fixture(scope="session", name="values")
def _values():
    return values
