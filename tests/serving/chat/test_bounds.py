import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import caches_for_an_hour, input_bound, input_estimate, read_chat

HELLO = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def bound(protocol, messages, **fields):
    asked = {"model": "auto", "max_tokens": 9, "messages": messages, **fields}
    return input_bound(read_chat(protocol, asked), len(json.dumps(asked)))


def size(messages, **fields):
    return len(json.dumps({"model": "auto", "max_tokens": 9, "messages": messages, **fields}))


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
def test_no_text_has_more_tokens_than_its_bytes(texts):
    messages = [{"role": "user", "content": text} for text in texts]
    assert bound("openai", messages) >= sum(len(text.encode()) + 16 for text in texts)


def test_messages_tools_and_formats_add_what_providers_add():
    assert bound("openai", [HELLO]) == size([HELLO]) + 32
    assert bound("openai", [HELLO], tools=[TOOL]) == size([HELLO], tools=[TOOL]) + 32 + 1_024
    named = [{"type": "bash_20250124", "name": "bash"}]
    assert bound("anthropic", [HELLO], tools=named) == size([HELLO], tools=named) + 32 + 2_048
    json_mode = {"type": "json_object"}
    assert bound("openai", [HELLO], response_format=json_mode) == size([HELLO], response_format=json_mode) + 32 + 512


PAYLOAD = base64.b64encode(bytes(90_000)).decode()
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PAYLOAD}}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [PNG]}


@pytest.mark.parametrize(
    ("protocol", "messages", "images"),
    [
        (
            "openai",
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PAYLOAD}"}}],
                }
            ],
            1,
        ),
        ("anthropic", [{"role": "user", "content": [PNG, PNG]}], 2),
        ("anthropic", [{"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}], 1),
    ],
)
def test_images_count_as_the_dearest_and_not_as_their_base64(protocol, messages, images):
    expected = size(messages) - images * len(PAYLOAD) + 16 * (len(messages) + 1) + images * 49_152
    assert bound(protocol, messages) == expected


def test_an_image_that_hides_text_counts_as_text():
    url = {"url": "data:image/svg+xml," + "a" * 10_000}
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    assert bound("openai", messages) == size(messages) + 32 + 49_152


def test_documents_count_as_more_than_any_context():
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PAYLOAD}
    assert bound("anthropic", [{"role": "user", "content": [{"type": "document", "source": pdf}]}]) > 10_000_000
    assert bound("openai", [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]) > 10_000_000
    text = {"type": "text", "media_type": "text/plain", "data": "Cats"}
    assert bound("anthropic", [{"role": "user", "content": [{"type": "document", "source": text}]}]) < 1_000


def test_a_size_that_isnt_the_bodys_never_makes_the_bound_negative():
    chat = read_chat("anthropic", {"model": "a", "max_tokens": 9, "messages": [{"role": "user", "content": [PNG]}]})
    assert input_bound(chat, 0) == 49_152 + 32


def test_the_estimate_is_a_quarter_of_the_bytes_and_800_an_image():
    chat = read_chat("anthropic", {"model": "a", "max_tokens": 9, "messages": [{"role": "user", "content": [PNG]}]})
    assert input_estimate(chat) == 800
    hundred = {"role": "user", "content": "a" * 100}
    assert input_estimate(read_chat("openai", {"model": "a", "messages": [hundred]})) == 25
    euros = {"role": "user", "content": "€" * 100}
    assert input_estimate(read_chat("openai", {"model": "a", "messages": [euros]})) == 75


def test_the_estimate_counts_tools_and_calls():
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "a" * 400}}
    messages = [
        hello := {"role": "user", "content": "a" * 400},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    alone = input_estimate(read_chat("openai", {"model": "a", "messages": [hello]}))
    called = input_estimate(read_chat("openai", {"model": "a", "messages": messages}))
    tooled = input_estimate(read_chat("openai", {"model": "a", "messages": messages, "tools": [TOOL] * 10}))
    assert alone == 100
    assert 200 <= called < 220
    assert called + 150 < tooled < called + 250
    uses = [{"role": "assistant", "content": [{**USE, "input": {"q": "a" * 400}}]}]
    assert 100 <= input_estimate(read_chat("anthropic", {"model": "a", "max_tokens": 9, "messages": uses})) < 110


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({}, False),
        ({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}, False),
        ({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, True),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, True),
        ({"tools": [{"name": "a", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, True),
        ({"tools": [{"name": "a", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}, False),
    ],
)
def test_an_hours_cache_is_seen_wherever_it_is_asked_for(fields, asks):
    chat = read_chat("anthropic", {"model": "a", "max_tokens": 9, "messages": [HELLO], **fields})
    assert caches_for_an_hour(chat) is asks
