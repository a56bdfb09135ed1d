import json

import pytest

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


@pytest.fixture(scope="session", name="openai_stream")
def _openai_stream():
    return openai_stream


@pytest.fixture(scope="session", name="anthropic_stream")
def _anthropic_stream():
    return anthropic_stream


@pytest.fixture(scope="session", name="values")
def _values():
    return values
