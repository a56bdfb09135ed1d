"""Laws of trimming, on chats of any shape that a provider accepts, and on some that it doesn't."""

import numpy as np
import pytest
from authored import anthropic_chat, openai_chat
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.chat import Chat, Turn
from pointsman.conversation.exchanges import exchanges
from pointsman.conversation.shortening import shortened
from pointsman.conversation.trimming import TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, Trim, trimmed
from pointsman.errors import InvalidChat


def count(text):
    return -(-len(text) // 4)


def letters_of(texts):
    return np.array([[text.count(letter) + 0.1 for letter in "abc"] for text in texts])


texts = st.text("abc ", min_size=1, max_size=60)


@st.composite
def valid_chats(draw, mixed=True):
    """Exchanges of a question, any number of calls with their answers, and mostly an answer in the end."""
    turns = [("system", draw(texts), 0, 0)] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 6))):
        turns.append(("user", draw(texts), 0, 0))
        for _ in range(draw(st.integers(0, 3))):
            n = draw(st.integers(1, 2))
            turns.append(("assistant", draw(texts), n, 0))
            is_mixed = mixed and draw(st.booleans()) and n == 1
            turns += [("user" if is_mixed else "tool", draw(texts), 0, k + 1) for k in range(n)]
        turns.append(("assistant", draw(texts), 0, 0))
    if draw(st.booleans()):
        turns.append(("user", draw(texts), 0, 0))
    return built(turns)


@st.composite
def any_chats(draw):
    """Turns in any order, calls answered late, twice or never."""
    turns = []
    for place in range(draw(st.integers(1, 14))):
        role = draw(st.sampled_from(["system", "user", "assistant", "tool"]))
        ids = draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True))
        calls = tuple(ids) if role == "assistant" else ()
        answers = tuple(ids) if role in ("tool", "user") else ()
        images = draw(st.integers(0, 1)) if role == "user" else 0
        turns.append(Turn(role, draw(texts), place, calls, answers, images))
    return Chat("openai", {}, tuple(turns), "auto")


def built(parts):
    turns, calls = [], ()
    for place, (role, text, n_calls, answer) in enumerate(parts):
        if n_calls:
            calls = tuple(f"{place}-{k}" for k in range(n_calls))
        turns.append(
            Turn(role, text, place, calls if n_calls else (), (calls[answer - 1],) if answer else (), images=0)
        )
    return Chat("openai", {}, tuple(turns), "auto")


def cost(turn, text=None):
    return count(turn.text if text is None else text) + TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * turn.images


def sent(chat, trim):
    return [turn for turn in chat.turns if turn.place not in trim.dropped]


def after(chat, trim):
    """Return the chat as the provider gets it."""
    turns = [
        Turn(turn.role, trim.shortened.get(turn.place, turn.text), turn.place, turn.calls, turn.answers, turn.images)
        for turn in sent(chat, trim)
    ]
    return Chat(chat.protocol, {}, tuple(turns), chat.model)


def trim_or_none(chat, budget, embed=None, shortens=True):
    try:
        return trimmed(chat, budget, count, embed, shortens=shortens)
    except InvalidChat:
        return None


embeddings = st.sampled_from([None, letters_of])
chats = st.one_of(valid_chats(), any_chats())


@given(chats, st.integers(-5, 400), embeddings)
def test_a_trimmed_chat_never_exceeds_its_budget_and_its_count_is_true(chat, budget, embed):
    trim = trim_or_none(chat, budget, embed)
    if trim is not None:
        spent = sum(cost(turn) for turn in after(chat, trim).turns)
        assert spent == trim.tokens_after <= budget
        assert trim.tokens_before == sum(cost(turn) for turn in chat.turns)


@given(chats, st.integers(0, 400), embeddings)
def test_the_system_and_the_last_user_turn_are_sent_whole(chat, budget, embed):
    trim = trim_or_none(chat, budget, embed)
    if trim is not None:
        users = [turn.place for turn in chat.turns if turn.role == "user"]
        whole = {turn.place for turn in chat.turns if turn.role == "system"} | set(users[-1:])
        assert not whole & (trim.dropped | set(trim.shortened))


@given(valid_chats(), st.integers(0, 400), embeddings)
def test_a_call_is_sent_with_all_its_answers_or_not_at_all(chat, budget, embed):
    trim = trim_or_none(chat, budget, embed)
    if trim is not None:
        turns = sent(chat, trim)
        assert [call for turn in turns for call in turn.calls] == [a for turn in turns for a in turn.answers]


@given(any_chats(), st.integers(0, 400))
def test_no_answer_is_sent_without_the_last_call_of_its_id_before_it(chat, budget):
    trim = trim_or_none(chat, budget)
    if trim is not None:
        kept = {turn.place for turn in sent(chat, trim)}
        caller = {}
        for turn in chat.turns:
            for answer in turn.answers:
                if answer in caller:
                    assert (turn.place in kept) == (caller[answer] in kept)
            caller.update(dict.fromkeys(turn.calls, turn.place))


@given(valid_chats(), st.integers(0, 400), embeddings)
def test_what_is_sent_begins_with_a_user_and_alternates(chat, budget, embed):
    trim = trim_or_none(chat, budget, embed)
    if trim is not None:
        roles = [turn.role for turn in sent(chat, trim) if turn.role != "system"]
        assert roles[0] == "user"
        sides = ["assistant" if role == "assistant" else "user" for role in roles]
        pairs = list(zip(roles, sides, sides[1:], strict=False))
        assert not [role for role, side, following in pairs if side == following and role != "tool"]
        assert not [side for _, side, following in pairs if side == following == "assistant"]


@given(chats, st.integers(0, 300), st.integers(0, 100), embeddings, st.booleans())
def test_more_budget_never_sends_fewer_tokens(chat, budget, more, embed, shortens):
    less = trim_or_none(chat, budget, embed, shortens)
    greater = trim_or_none(chat, budget + more, embed, shortens)
    if less is not None:
        assert greater is not None
        assert greater.tokens_after >= less.tokens_after


@given(chats, st.integers(0, 400), embeddings)
def test_what_was_trimmed_once_is_not_trimmed_again(chat, budget, embed):
    trim = trim_or_none(chat, budget, embed)
    if trim is not None:
        again = trimmed(after(chat, trim), budget, count, embed)
        assert again.is_untouched
        assert again.tokens_before == trim.tokens_after


@given(chats, embeddings)
def test_a_chat_that_fits_is_untouched(chat, embed):
    total = sum(cost(turn) for turn in chat.turns)
    expected = Trim(total, total, len(chat.turns))
    assert trimmed(chat, total, count, embed) == expected
    assert expected.report is None


@given(chats, st.integers(0, 400), embeddings)
def test_the_same_chat_is_always_trimmed_alike(chat, budget, embed):
    assert trim_or_none(chat, budget, embed) == trim_or_none(chat, budget, embed)


@given(chats)
def test_exchanges_hold_every_turn_once_in_order(chat):
    places = [i for part in exchanges(chat.turns) for i in sorted({*part.head, *(i for s in part.steps for i in s)})]
    assert places == [index for index, turn in enumerate(chat.turns) if turn.role != "system"]


@given(st.lists(st.text(max_size=400), max_size=5), st.integers(0, 200))
def test_short_texts_are_not_cut_while_longer_ones_are_longer_than_them(given_texts, budget):
    cut = shortened(given_texts, budget, count)
    whole = [count(text) for text, short in zip(given_texts, cut, strict=True) if short is None]
    lengths = [count(text) for text, short in zip(given_texts, cut, strict=True) if short is not None]
    if sum(map(count, given_texts)) <= budget:
        assert not lengths
    assert not lengths or not whole or min(lengths) > min(whole) or min(lengths) * len(given_texts) > budget


LONG = [
    {"s": "Be exact."},
    {"u": "a question about apples " * 3},
    {"a": "an answer about apples " * 3},
    {"u": "b bananas " * 8},
    {"c": "looking"},
    {"t": "bananas are yellow " * 10},
    {"a": "yellow"},
    {"u": "c cherries " * 6},
    {"a": "red " * 6},
    {"u": "d dates " * 6},
    {"a": "brown " * 6},
    {"u": "a apples, again: which colour?"},
]


def test_the_oldest_exchanges_go_first_and_the_report_says_what_went():
    trim = trimmed(openai_chat(LONG), 100, count)
    assert trim.dropped == {1, 2, 3, 4, 5, 6}
    assert trim.report == f"dropped 6 of 12 messages; {trim.tokens_after} of {trim.tokens_before} tokens sent"


def test_of_older_exchanges_the_one_like_the_question_stays():
    def fruit(texts):
        return np.array([["apples" in text, "bananas" in text, "cherries" in text] for text in texts], dtype=float)

    assert trimmed(openai_chat(LONG), 130, count).dropped == {1, 2, 4, 5}
    assert trimmed(openai_chat(LONG), 130, count, fruit).dropped == {3, 4, 5, 6}


def test_an_embedding_of_nulls_or_nans_leaves_recency_to_decide():
    by_recency = trimmed(openai_chat(LONG), 130, count)
    for value in (0.0, np.nan):
        assert trimmed(openai_chat(LONG), 130, count, lambda texts: np.full((len(texts), 2), value)) == by_recency  # noqa: B023


@pytest.mark.parametrize("shape", [openai_chat, anthropic_chat])
def test_an_agent_keeps_its_task_and_its_newest_steps(shape):
    steps = [turn for n in range(20) for turn in ({"c": f"step {n}"}, {"t": f"result {n} " * 10})]
    chat = shape([{"s": "You are an agent."}, {"u": "Find the bug"}, *steps])
    trim = trimmed(chat, 250, count)
    kept = [turn.text.split(" ")[1] for turn in sent(chat, trim) if turn.text.startswith("step")]
    assert kept == [str(n) for n in range(20 - len(kept), 20)]
    assert 0 < len(kept) < 20
    assert "Find the bug" in [turn.text for turn in sent(chat, trim)]


def test_a_huge_tool_result_is_cut_in_its_middle_and_only_then():
    chat = openai_chat([{"u": "Why does it fail?"}, {"c": "running"}, {"t": "start " + "x" * 4000 + " end"}])
    trim = trimmed(chat, 200, count)
    assert trim.dropped == frozenset()
    text = trim.shortened[2]
    assert (text[:6], text[-4:]) == ("start ", " end")
    assert "characters cut ...]" in text
    assert trim.report == f"shortened 1 tool results; {trim.tokens_after} of {trim.tokens_before} tokens sent"
    with pytest.raises(InvalidChat, match=r"trimming\.shortens_tool_results"):
        trimmed(chat, 200, count, shortens=False)


def test_what_cannot_be_left_out_is_refused_with_the_number_of_tokens_it_is_over():
    chat = openai_chat([{"s": "s" * 400}, {"u": "q" * 400}])
    with pytest.raises(InvalidChat, match=r"1 of the system.*about 208 tokens, 58 more than the 150 there are"):
        trimmed(chat, 150, count)


def test_images_and_calls_count_though_they_are_no_text():
    turns = (Turn("user", "look", 0, images=2),)
    assert trimmed(Chat("openai", {}, turns, "auto"), 10_000, count).tokens_before == 1 + 4 + 2 * TOKENS_PER_IMAGE
    chat = openai_chat([{"u": "q"}, {"c": ""}, {"t": "r"}])
    arguments = {"name": "tool", "arguments": '{"path":"' + "p" * 400 + '"}'}
    chat.body["messages"][1]["tool_calls"][0]["function"] = arguments
    assert trimmed(chat, 10_000, count).tokens_before > 100 + 3 * TOKENS_PER_MESSAGE


@settings(max_examples=20)
@given(st.integers(0, 60))
def test_a_system_prompt_beside_the_messages_is_counted_and_has_no_place(budget):
    chat = anthropic_chat([{"s": "s" * 40}, {"u": "old"}, {"a": "older"}, {"u": "new"}])
    trim = trim_or_none(chat, budget)
    assert trim is None or (trim.tokens_after >= 10 + 1 + 8 and None not in trim.dropped)
