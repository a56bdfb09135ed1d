import copy
import json

import pytest

from pointsman.chat import Edit, input_bound, read_chat, translatable, wire_body
from pointsman.errors import InvalidChat

EDIT = Edit("gpt-4o-mini-2024", 300)


def wired(protocol, asked, edit=EDIT, to=None):
    before = copy.deepcopy(asked)
    body = json.loads(wire_body(read_chat(protocol, asked), to or protocol, edit))
    assert asked == before
    return body


def openai(*messages, **fields):
    return {"model": "auto", "messages": list(messages), **fields}


def anthropic(*messages, **fields):
    return {"model": "auto", "max_tokens": 1_000, "messages": list(messages), **fields}


HELLO = {"role": "user", "content": "Hello"}


def test_in_the_callers_protocol_only_model_and_limit_change():
    asked = openai(HELLO, n=2, seed=3, provider={"sort": "price"}, max_tokens=900, logprobs=True)
    assert wired("openai", asked) == {**asked, "model": "gpt-4o-mini-2024", "max_tokens": 300}
    asked = anthropic(HELLO, top_k=4, system="Be terse", service_tier="auto")
    assert wired("anthropic", asked) == {**asked, "model": "gpt-4o-mini-2024", "max_tokens": 300}


@pytest.mark.parametrize(
    ("stated", "upstream_name", "sent"),
    [
        ({"max_completion_tokens": 900}, "gpt-4o", {"max_completion_tokens": 300}),
        ({"max_tokens": 900}, "gpt-4o", {"max_tokens": 300}),
        ({"max_tokens": 900, "max_completion_tokens": None}, "gpt-4o", {"max_tokens": 300}),
        ({"max_tokens": 9, "max_completion_tokens": 8}, "gpt-4o", {"max_completion_tokens": 300}),
        ({}, "gpt-4o", {"max_tokens": 300}),
        ({}, "gpt-5-mini", {"max_completion_tokens": 300}),
        ({"max_tokens": 900}, "openai/o3", {"max_completion_tokens": 300}),
        ({"max_tokens": 900}, "llama-4o1", {"max_tokens": 300}),
    ],
)
def test_the_output_limit_is_sent_under_the_name_that_the_model_takes(stated, upstream_name, sent):
    body = wired("openai", openai(HELLO, **stated), Edit(upstream_name, 300))
    assert body == {"model": upstream_name, "messages": [HELLO], **sent}


@pytest.mark.parametrize("stated", [None, "default", "auto"])
def test_the_batch_price_is_asked_for_by_the_service_tier_whatever_the_caller_states(stated):
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
    chat = read_chat("openai", body if stated is None else {**body, "service_tier": stated})
    assert json.loads(wire_body(chat, "openai", Edit("gpt-x", 9, is_batch=True)))["service_tier"] == "flex"
    assert json.loads(wire_body(chat, "openai", Edit("gpt-x", 9))).get("service_tier") == stated
    assert "service_tier" not in json.loads(wire_body(chat, "anthropic", Edit("claude-x", 9, is_batch=True)))


def test_streams_are_asked_for_their_usage():
    asked = openai(HELLO, stream=True, stream_options={"include_obfuscation": False})
    assert wired("openai", asked)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    asked = anthropic(HELLO, stream=True)
    assert "stream_options" not in wired("anthropic", asked)
    assert wired("anthropic", asked, to="openai")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in wired("openai", openai(HELLO))


def test_messages_are_dropped_shortened_and_instructed():
    asked = openai(
        {"role": "system", "content": "Be kind"},
        {"role": "user", "content": "Old"},
        {"role": "user", "content": [{"type": "text", "text": "Long"}, {"type": "text", "text": "er"}]},
        HELLO,
    )
    edit = Edit("m", 9, dropped=frozenset({1}), shortened={2: "Short"}, instruction="Be terse")
    assert wired("openai", asked, edit)["messages"] == [
        {"role": "system", "content": "Be kind\n\nBe terse"},
        {"role": "user", "content": [{"type": "text", "text": "Short"}]},
        HELLO,
    ]


def test_shortening_keeps_images_and_answers_of_tools_in_their_places():
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Long"}}
    uses = [{"type": "tool_use", "id": id_, "name": "look", "input": {}} for id_ in ("a", "b")]
    results = [{"type": "tool_result", "tool_use_id": id_, "content": "Long"} for id_ in ("a", "b")]
    asked = anthropic(
        {"role": "user", "content": [image, document, {"type": "text", "text": "Long"}]},
        {"role": "assistant", "content": uses},
        {"role": "user", "content": results},
    )
    edit = Edit("m", 9, shortened={0: "Short", 2: "Cut"}, instruction="Be terse")
    assert wired("anthropic", asked, edit) == {
        "model": "m",
        "max_tokens": 9,
        "system": "Be terse",
        "messages": [
            {"role": "user", "content": [image, {"type": "text", "text": "Short"}]},
            asked["messages"][1],
            {"role": "user", "content": [{**results[0], "content": "Cut"}, {**results[1], "content": ""}]},
        ],
    }


@pytest.mark.parametrize(
    ("system", "instructed"),
    [
        (None, "Be terse"),
        ("Be kind", "Be kind\n\nBe terse"),
        (
            [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral"}}],
            [
                {"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "Be terse"},
            ],
        ),
    ],
)
def test_an_instruction_follows_the_system_prompt_so_that_its_cache_holds(system, instructed):
    asked = anthropic(HELLO, **({"system": system} if system else {}))
    assert wired("anthropic", asked, Edit("m", 9, instruction="Be terse"))["system"] == instructed
    asked = openai(*([{"role": "system", "content": system}] if system else []), HELLO)
    sent = wired("openai", asked, Edit("m", 9, instruction="Be terse"))["messages"]
    assert sent == [{"role": "system", "content": instructed}, HELLO]


@pytest.mark.parametrize(("limit", "budget"), [(9_000, 4_096), (4_096, 4_095), (1_025, 1_024), (1_024, None)])
def test_a_thinking_budget_stays_below_the_output_limit(limit, budget):
    asked = anthropic(HELLO, thinking={"type": "enabled", "budget_tokens": 4_096})
    thinking = wired("anthropic", asked, Edit("claude", limit)).get("thinking")
    assert thinking == (budget and {"type": "enabled", "budget_tokens": budget})


def test_half_a_surrogate_pair_is_refused_not_raised():
    for protocol, asked in [("openai", openai), ("anthropic", anthropic)]:
        chat = read_chat(protocol, asked({"role": "user", "content": "\ud800"}, user="\ud800"))
        for to in ("openai", "anthropic"):
            with pytest.raises(InvalidChat) as refusal:
                wire_body(chat, to, EDIT)
            assert refusal.value.field == "body"
        assert input_bound(chat, 100) > 100


def test_every_chat_can_be_said_in_its_own_protocol():
    assert translatable(read_chat("openai", openai(HELLO, n=5, logprobs=True)), "openai")
    assert not translatable(read_chat("openai", openai(HELLO, n=5)), "anthropic")
    assert translatable(read_chat("openai", openai(HELLO)), "anthropic")
