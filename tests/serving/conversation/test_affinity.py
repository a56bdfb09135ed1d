"""What a warm cache is worth, to whom, and for how long."""

import numpy as np
import pytest
from authored import anthropic_chat, openai_chat
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation import (
    Conversations,
    Warmth,
    cached_prefix,
    conversation_key,
    cost_changes_nanousd,
    switching_cost_nanousd,
)
from pointsman.conversation.affinity import HOUR_S, LEAST_TOKENS, LIFETIME_S
from pointsman.registry import FREE, Price, TokenUsage

CACHED = Price.usd_per_mtok(3, 15, cached_read="0.30", cached_write="3.75")
PLAIN = Price.usd_per_mtok(1, 5)
TURNS = [{"s": "You are an agent."}, {"u": "Find the leak"}, {"c": "looking"}, {"t": "a long file"}]
NEXT = [*TURNS, {"a": "Found it."}, {"u": "fix it"}]


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("shape", [openai_chat, anthropic_chat])
def test_a_conversation_that_goes_on_finds_what_each_model_has_read_of_it(shape):
    clock = Clock()
    conversations = Conversations(clock)
    conversations.remember("t", shape(TURNS[:2]), "small", 2_000)
    clock.now += 10
    conversations.remember("t", shape(TURNS), "large", 9_000, HOUR_S)
    clock.now += 20
    assert conversations.warmth("t", shape(NEXT)) == {
        "large": Warmth("large", 9_000, 20.0, HOUR_S),
        "small": Warmth("small", 2_000, 30.0),
    }


def test_the_longest_beginning_that_a_model_has_read_counts():
    conversations = Conversations(Clock())
    conversations.remember("t", openai_chat(TURNS[:2]), "m", 2_000)
    conversations.remember("t", openai_chat(TURNS), "m", 9_000)
    assert conversations.warmth("t", openai_chat(NEXT))["m"].prefix_tokens == 9_000
    assert conversations.warmth("t", openai_chat(TURNS[:3]))["m"].prefix_tokens == 2_000


@pytest.mark.parametrize(
    "other",
    [
        [{"s": "You are another agent."}, *NEXT[1:]],
        [NEXT[0], {"u": "Find the leak!"}, *NEXT[2:]],
        NEXT[:3],
    ],
)
def test_an_edited_conversation_is_cold(other):
    conversations = Conversations(Clock())
    conversations.remember("t", openai_chat(TURNS), "m", 9_000)
    assert conversations.warmth("t", openai_chat(other)) == {}


def test_another_tenant_and_other_tools_are_cold():
    conversations = Conversations(Clock())
    chat = openai_chat(TURNS, has_tools=True)
    conversations.remember("a", chat, "m", 9_000)
    other = openai_chat(TURNS, has_tools=True)
    other.body["tools"] = [{"type": "function", "function": {"name": "search"}}]
    assert conversations.warmth("b", chat) == {}
    assert conversations.warmth("a", other) == {}
    assert list(conversations.warmth("a", chat)) == ["m"]


def test_a_cache_is_forgotten_at_the_end_of_its_lifetime_and_a_short_prompt_is_never_kept():
    clock = Clock()
    conversations = Conversations(clock)
    conversations.remember("t", openai_chat(TURNS), "m", LEAST_TOKENS - 1)
    assert len(conversations) == 0
    conversations.remember("t", openai_chat(TURNS), "m", LEAST_TOKENS)
    clock.now += LIFETIME_S - 1
    assert list(conversations.warmth("t", openai_chat(NEXT))) == ["m"]
    clock.now += 1
    assert conversations.warmth("t", openai_chat(NEXT)) == {}


def test_memory_is_bounded_and_the_longest_unused_is_forgotten_first():
    conversations = Conversations(Clock(), capacity=3)
    for number in range(10):
        conversations.remember("t", openai_chat([{"u": f"question {number}"}]), "m", 5_000)
    found = [n for n in range(10) if conversations.warmth("t", openai_chat([{"u": f"question {n}"}]))]
    assert (len(conversations), found) == (3, [7, 8, 9])


def test_the_warm_model_becomes_cheaper_by_what_its_cache_saves():
    warm = {"large": Warmth("large", 10_000, age_s=60.0)}
    changes = cost_changes_nanousd(["small", "large", "unpriced"], [PLAIN, CACHED, None], warm, 12_000)
    without = CACHED.bill_nanousd(TokenUsage(12_000, 0))
    with_cache = CACHED.bill_nanousd(TokenUsage(12_000, 0, cached_read_tokens=10_000))
    assert changes.tolist() == [0, with_cache - without, 0] == [0, -27_000_000, 0]
    assert changes.dtype == np.int64
    assert switching_cost_nanousd(changes).tolist() == [27_000_000, 0, 27_000_000]


def test_a_switch_that_the_list_prices_call_cheaper_can_be_dearer():
    """The case of katanemo/plano#982: 100,000 tokens are cached with the dearer model."""
    base = np.array([PLAIN.cost_nanousd(101_000, 500), CACHED.cost_nanousd(101_000, 500)])
    changes = cost_changes_nanousd(
        ["small", "large"], [PLAIN, CACHED], {"large": Warmth("large", 100_000, 1.0)}, 101_000
    )
    assert base.argmin() == 0
    assert (base + changes).argmin() == 1


prices = st.sampled_from([CACHED, PLAIN, FREE, Price(10**9, 10**9, 3 * 10**9), Price(7, 3, 1)])
tokens = st.integers(0, 2_000_000)


@given(prices, tokens, tokens, st.floats(0, 10_000), st.sampled_from([LIFETIME_S, HOUR_S]))
def test_no_cost_becomes_negative_by_a_cache_nor_greater(price, cached, input_tokens, age, lifetime):
    warm = {"m": Warmth("m", cached, age, lifetime)}
    [change] = cost_changes_nanousd(["m"], [price], warm, input_tokens).tolist()
    assert -price.cost_nanousd(input_tokens, 0) <= change <= 0


@given(prices, tokens, st.floats(0, 400), st.floats(0, 400))
def test_a_cache_is_never_worth_more_as_it_ages(price, cached, age, more):
    young, old = (
        cost_changes_nanousd(["m"], [price], {"m": Warmth("m", cached, seconds)}, cached)[0]
        for seconds in (age, age + more)
    )
    assert young <= old <= 0


@pytest.mark.parametrize(
    ("usage", "is_automatic", "expected"),
    [
        (TokenUsage(9_000, 10), True, (9_000, LIFETIME_S)),
        (TokenUsage(9_000, 10), False, (0, LIFETIME_S)),
        (TokenUsage(9_000, 10, 5_000, 2_000), False, (7_000, LIFETIME_S)),
        (TokenUsage(9_000, 10, 5_000, 0, 3_000), False, (8_000, HOUR_S)),
    ],
)
def test_what_a_provider_has_cached_is_read_off_its_usage(usage, is_automatic, expected):
    assert cached_prefix(usage, is_automatic=is_automatic) == expected


def test_a_conversation_keeps_its_key_and_shares_it_with_no_other():
    keys = [conversation_key("t", openai_chat(TURNS[:length])) for length in range(2, len(TURNS) + 1)]
    assert len(set(keys)) == 1
    others = [
        conversation_key("u", openai_chat(TURNS)),
        conversation_key("t", openai_chat(NEXT[:1])),
        conversation_key("t", openai_chat([{"s": "x"}, *TURNS[1:]])),
        conversation_key("t", openai_chat(TURNS), "42"),
        conversation_key("u", openai_chat(TURNS), "42"),
    ]
    assert len({*keys, *others}) == 6
    assert conversation_key("t", openai_chat(TURNS), "42") == conversation_key("t", openai_chat(NEXT[:1]), "42")


def test_nothing_a_person_wrote_is_kept():
    conversations = Conversations(Clock())
    conversations.remember("tenant", openai_chat([{"u": "my secret is 4711"}]), "m", 5_000)
    assert "4711" not in repr(vars(conversations))
    assert "tenant" not in repr(vars(conversations))
