"""The cache of one process, as the gateway uses it."""

from datetime import UTC, datetime, timedelta

import pytest
from cachedchats import GOOD, answer, chat
from hypothesis import given
from hypothesis import strategies as st

from pointsman.caching.words import CacheStatistics, Entry
from pointsman.chat import Reply
from pointsman.errors import NotCached, http_status
from pointsman.gateway.answers import Answers
from pointsman.gateway.seeding import Seed, seed_entries
from pointsman.settings import CacheSettings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    @property
    def us(self):
        return round(self.now.timestamp() * 1_000_000)


@pytest.fixture
def clock():
    return Clock()


def opened(clock, embed=None, **settings):
    chosen = CacheSettings(**{"enabled": True, "semantic": embed is not None} | settings)
    return Answers(None, chosen, embed, clock=clock, sync_every_s=None)


def put(answers, clock, asked, text="Under Settings.", tenant="a", header=None):
    kept = answers.put(asked, tenant, answer(text, created_us=clock.us, protocol=asked.protocol), GOOD, header)
    answers.flush()
    return kept


def test_the_same_request_gets_the_very_answer_it_got_before(clock):
    answers = opened(clock)
    asked = chat(body={"stream": True})
    assert answers.lookup(asked, "a") is None
    assert put(answers, clock, asked)
    clock.now += timedelta(seconds=90)
    found = answers.lookup(chat(), "a")
    assert (found.kind, found.body, found.protocol, found.similarity) == ("exact", b"Under Settings.", "openai", 1.0)
    assert (found.model, found.cost_nanousd, found.usage, found.age_s) == ("small", 700, GOOD.usage, 90.0)


def test_a_tenant_a_model_and_a_protocol_are_answered_from_their_own_only(clock, embed):
    answers = opened(clock, embed, threshold=0.0)
    put(answers, clock, chat())
    assert answers.lookup(chat(), "b") is None
    assert answers.lookup(chat("how do I reset my password"), "b") is None
    assert answers.lookup(chat(body={"model": "gpt-4o"}), "a") is None
    assert answers.lookup(chat(protocol="anthropic"), "a") is None
    assert answers.lookup(chat(), "a", constraints="eu-only") is None
    assert answers.lookup(chat(), "a") is not None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.booleans()), max_size=30))
def test_what_a_tenant_gets_is_the_same_whether_another_one_is_there_or_not(steps):
    clock = Clock()
    together, alone = opened(clock), opened(clock)
    for tenant, number, is_put in steps:
        asked = chat(f"question {number}")
        if is_put:
            put(together, clock, asked, tenant, tenant)
            if tenant == "a":
                put(alone, clock, asked, tenant, tenant)
        elif tenant == "a":
            assert together.lookup(asked, "a") == alone.lookup(asked, "a")


def test_dress_and_meaning_hit_only_where_semantic_is_on(clock, embed):
    exact, semantic = opened(clock), opened(clock, embed)
    for answers in (exact, semantic):
        put(answers, clock, chat())
    dressed, meant = chat("hi, how do I reset my PASSWORD? thanks"), chat("What's the best way to reset my password?")
    assert exact.lookup(dressed, "a") is None
    assert exact.lookup(meant, "a") is None
    assert semantic.lookup(dressed, "a").similarity == 1.0
    found = semantic.lookup(meant, "a")
    assert found.kind == "semantic"
    assert 0.8 <= found.similarity < 1.0
    assert semantic.lookup(chat("How do I reset my PIN?"), "a") is None
    assert semantic.lookup(chat("How do I not reset my password?"), "a") is None


def test_the_last_turn_alone_never_answers_another_conversation(clock, embed):
    answers = opened(clock, embed)
    spain = [("user", "What is the VAT in Spain?"), ("assistant", "21 %.")]
    put(answers, clock, chat("How much is that on 100 euros?", earlier=spain))
    france = [("user", "What is the VAT in France?"), ("assistant", "20 %.")]
    assert answers.lookup(chat("How much is that on 100 euros?", earlier=france), "a") is None
    assert answers.lookup(chat("How much is that on 100 euros?"), "a") is None
    assert answers.lookup(chat("how much is that on 100 euros", earlier=spain), "a").kind == "semantic"


def test_the_embedding_is_never_computed_where_semantic_is_off_or_nothing_was_asked_there(clock):
    def forbidden(text):
        raise AssertionError(text)

    answers = Answers(None, CacheSettings(enabled=True), forbidden, clock=clock, sync_every_s=None)
    put(answers, clock, chat())
    assert answers.lookup(chat("other"), "a") is None
    first = Answers(None, CacheSettings(enabled=True, semantic=True), forbidden, clock=clock, sync_every_s=None)
    assert first.lookup(chat(), "a") is None


def test_an_answer_lives_for_its_time_and_no_longer(clock, embed):
    answers = opened(clock, embed, ttl_days=7)
    put(answers, clock, chat())
    clock.now += timedelta(days=7) - timedelta(microseconds=1)
    assert answers.lookup(chat(), "a") is not None
    clock.now += timedelta(microseconds=1)
    assert answers.lookup(chat(), "a") is None
    assert answers.lookup(chat("how do I reset my password"), "a") is None
    answers.flush()
    assert answers.stats("a").entries == 0


def test_cache_control_of_a_request_is_kept_to(clock):
    answers = opened(clock)
    assert not put(answers, clock, chat(), header="no-store")
    with pytest.raises(NotCached, match="only-if-cached; leave that out to ask a model") as refusal:
        answers.lookup(chat(), "a", "only-if-cached")
    assert http_status(refusal.value) == 504
    assert put(answers, clock, chat(), "old", header="no-cache")
    clock.now += timedelta(seconds=60)
    assert answers.lookup(chat(), "a", "max-age=59") is None
    assert answers.lookup(chat(), "a", "max-age=60, only-if-cached").body == b"old"
    assert answers.lookup(chat(), "a", "no-cache") is None
    assert answers.lookup(chat(), "a", "no-store") is None
    put(answers, clock, chat(), "new", header="no-cache")
    assert answers.lookup(chat(), "a").body == b"new"


def test_nothing_is_read_or_kept_where_the_cache_is_off_or_the_request_unfit(clock):
    off = opened(clock, enabled=False)
    assert not put(off, clock, chat())
    answers = opened(clock)
    assert not put(answers, clock, chat(temperature=0.9))
    assert not answers.put(chat(), "a", answer(created_us=clock.us), Reply("cut", "length", 0, None))
    assert answers.lookup(chat(temperature=0.9), "a") is None
    assert answers.stats() == CacheStatistics(0, 0, 0, 0, None, 0, 0)


def test_statistics_count_what_was_saved_for_each_tenant(clock, embed):
    answers = opened(clock, embed)
    answers.lookup(chat(), "a")
    put(answers, clock, chat())
    answers.lookup(chat(), "a")
    answers.lookup(chat("how do I reset my password"), "a")
    answers.lookup(chat(), "b")
    assert answers.stats("a") == CacheStatistics(1, 1, 1, 1, 2 / 3, 50, 1400)
    assert answers.stats("b") == CacheStatistics(0, 0, 0, 1, 0.0, 0, 0)
    assert answers.stats() == CacheStatistics(1, 1, 1, 2, 0.5, 50, 1400)


def test_clearing_forgets_one_tenant_or_all(clock, embed):
    answers = opened(clock, embed)
    for tenant in "abc":
        put(answers, clock, chat(), tenant=tenant)
    assert answers.clear("a") == 1
    assert answers.lookup(chat("how do I reset my password"), "a") is None
    assert answers.lookup(chat(), "b") is not None
    assert answers.clear() == 2
    assert answers.lookup(chat(), "b") is None


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("is_semantic", [False, True])
def test_a_seed_answers_its_question_whatever_the_parameters(clock, embed, protocol, is_semantic):
    answers = opened(clock, embed if is_semantic else None)
    for entry in seed_entries([Seed("How do I reset my password?", "Under Settings.")], "a", clock.us):
        answers.add(entry)
    answers.flush()
    asked = chat("hello, how do I reset my password", protocol=protocol, body={"max_tokens": 90}, temperature=0.0)
    found = answers.lookup(asked, "a")
    assert (found.kind, found.protocol, found.cost_nanousd) == ("semantic", protocol, 0)
    assert b"Under Settings." in found.body
    meant = answers.lookup(chat("What's the best way to reset my password?", protocol=protocol), "a")
    assert (meant is not None) == is_semantic
    assert answers.lookup(chat("How do I reset my PIN?", protocol=protocol), "a") is None


def test_words_of_questions_and_answers_never_show_in_a_repr(clock):
    kept = Entry("a", b"1", answer("secret"), None)
    assert "secret" not in repr(kept)
    (seed, _) = seed_entries([Seed("my secret", "a secret")], "a", clock.us)
    assert "secret" not in repr(seed)


def test_the_thread_writes_by_itself_and_close_ends_it(clock, embed):
    answers = Answers(None, CacheSettings(enabled=True, semantic=True), embed, clock=clock)
    answers.put(chat(), "a", answer(created_us=clock.us), GOOD)
    answers.close()
    assert not answers._thread.is_alive()
    assert answers.lookup(chat("What is the best way to reset my password?"), "a").kind == "semantic"
