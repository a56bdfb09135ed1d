"""Which usage is believed, and which stated cost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Reply, believed, read_chat, read_reply, whole_chat
from pointsman.chat.usage import CHARACTERS_PER_TOKEN, varied
from pointsman.registry import TokenUsage


def reply(text, input_tokens, output_tokens):
    return Reply(text, "stop", 0, TokenUsage(input_tokens, output_tokens))


@given(text=st.text(max_size=500), read=st.integers(0, 5000))
def test_a_token_for_every_four_characters_is_always_believed(text, read):
    answer = reply(text, -(-read // 4) + 1, -(-len(text) // 4) + 1)
    assert believed(answer, read) == answer


@given(words=st.lists(st.from_regex(r"[a-z]{2,9}", fullmatch=True), min_size=40, max_size=200))
def test_one_token_for_a_long_text_is_not_believed(words):
    text = " ".join(words)
    if varied(text) > CHARACTERS_PER_TOKEN:
        assert believed(reply(text, 10, 1), 40).usage is None
        assert believed(reply("yes", 1, 1), len(text)).usage is None


def test_runs_of_one_character_may_be_few_tokens():
    rule = reply("-" * 400 + "\n" + " " * 400, 10, 5)
    assert believed(rule, 40) == rule


def test_an_answer_without_usage_stays_as_it_is():
    silent = Reply("yes", "stop", 0, None)
    assert believed(silent, 10**9) is silent


USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("cost", "stated", "is_believed"),
    [
        (None, None, True),
        (0, 0, True),
        (0.000_001_5, 1500, True),
        ({"total_cost": 0.25, "input_tokens_cost": 0.2}, 250_000_000, True),
        ({"input_tokens_cost": 0.2}, None, True),
        (-1, None, False),
        ("0.1", None, False),
        (True, None, False),
        (1e12, None, False),
        ({"total_cost": -1}, None, False),
    ],
)
def test_a_stated_cost_is_an_amount_or_makes_the_report_unbelievable(cost, stated, is_believed):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    usage = USAGE if cost is None else {**USAGE, "cost": cost}
    answer = read_reply("openai", json.dumps({"choices": [choice], "usage": usage}).encode())
    assert (answer.stated_nanousd, answer.usage) == (stated, TokenUsage(10, 5) if is_believed else None)


def test_a_streamed_chat_is_asked_whole_without_its_stream_options():
    asked = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}
    streamed = read_chat("openai", {**asked, "stream": True, "stream_options": {"include_usage": True}})
    assert whole_chat(streamed) == read_chat("openai", asked)
    assert whole_chat(whole_chat(streamed)) == whole_chat(streamed)
