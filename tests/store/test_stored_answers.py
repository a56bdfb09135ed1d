"""The cache in the database: several processes, clearing, pruning, and a database that is gone."""

import logging

import pytest
from cachedchats import GOOD, answer, chat
from ledgers import Clock
from sqlalchemy import text

from pointsman.budget.books import microseconds
from pointsman.caching.words import CacheCount, CacheStatistics, Entry, Question
from pointsman.errors import LedgerUnavailable
from pointsman.gateway.answers import Answers
from pointsman.settings import CacheSettings
from pointsman.store import open_answers

ON = CacheSettings(enabled=True)


def entry(number, tenant="a", at=1_000, **more):
    return Entry(tenant, bytes([number]), answer(f"answer {number}", created_us=at), **more)


@pytest.fixture
def store(url):
    opened = open_answers(url, encoder="e1")
    yield opened
    opened.close()


def process(url, clock):
    """The cache of one process, which writes and reads when told."""
    return Answers(open_answers(url), ON, None, clock=clock, sync_every_s=None)


def test_what_was_kept_comes_back_whole_and_in_order(store):
    kept = [
        entry(1, question=Question(b"p", "How?"), embedding=b"12345678"),
        entry(2),
        entry(3, question=Question(b"p", "Wo ist das Café?\x00".strip("\x00"))),
    ]
    store.add(kept)
    found = store.after(0, 0)
    assert [(one.tenant, one.digest, one.answer, one.question, one.embedding) for one in found] == [
        (one.tenant, one.digest, one.answer, one.question, one.embedding) for one in kept
    ]
    numbers = [one.number for one in found]
    assert numbers == sorted(numbers)
    assert store.after(numbers[1], 0) == found[2:]
    assert store.after(0, 1_000) == []


def test_embeddings_of_another_encoder_are_not_read(url, store):
    store.add([entry(1, question=Question(b"p", "How?"), embedding=b"12345678")])
    other = open_answers(url, encoder="e2")
    assert [one.embedding for one in other.after(0, 0)] == [None]
    other.close()


def test_the_same_request_is_kept_once_and_its_newer_answer_gets_a_higher_number(store):
    store.add([entry(1), entry(2)])
    first = store.after(0, 0)
    store.add([entry(1, at=2_000)])
    found = store.after(0, 0)
    assert [(one.digest, one.answer.created_us) for one in found] == [(b"\x02", 1_000), (b"\x01", 2_000)]
    assert found[1].number > first[1].number


def test_pruning_takes_the_old_then_the_least_recently_used(store):
    store.add([entry(1, at=10), entry(2, at=500), entry(3, at=600), entry(4, at=700)])
    by_digest = {one.digest[0]: one.number for one in store.after(0, 0)}
    store.touch({by_digest[2]: 900})
    assert store.prune(before_us=10, most=2) == 2
    assert sorted(one.digest[0] for one in store.after(0, 0)) == [2, 4]


def test_counts_add_up_over_processes_and_by_tenant(store):
    store.add_counts({("a", "miss"): CacheCount(2), ("a", "exact"): CacheCount(1, 50, 700)})
    store.add_counts({("a", "exact"): CacheCount(1, 50, 700), ("b", "exact"): CacheCount(1, 1, 1)})
    assert store.counts("a") == {"miss": CacheCount(2, 0, 0), "exact": CacheCount(2, 100, 1400)}
    assert store.counts(None) == {"miss": CacheCount(2, 0, 0), "exact": CacheCount(3, 101, 1401)}


def test_what_one_process_put_another_one_finds_after_both_synced(url, clock):
    one, other = process(url, clock), process(url, clock)
    one.put(chat(), "a", answer(created_us=microseconds(clock())), GOOD)
    one.flush()
    assert other.lookup(chat(), "a") is None
    other.flush()
    assert other.lookup(chat(), "a").body == b"Under Settings."
    assert other.stats("a") == CacheStatistics(1, 1, 0, 1, 0.5, 25, 700)
    assert one.stats("a") == CacheStatistics(1, 1, 0, 1, 0.5, 25, 700)
    one.close()
    other.close()


def test_what_was_cleared_in_one_process_is_gone_in_all_and_not_written_again(url, clock):
    one, other = process(url, clock), process(url, clock)
    for tenant in "ab":
        one.put(chat(), tenant, answer(created_us=microseconds(clock())), GOOD)
    one.flush()
    other.flush()
    other.put(chat("not written yet"), "a", answer(created_us=microseconds(clock())), GOOD)
    assert one.clear("a") == 1
    other.flush()
    assert [other.lookup(chat(words), "a") for words in ("How do I reset my password?", "not written yet")] == [
        None
    ] * 2
    assert other.lookup(chat(), "b") is not None
    one.flush()
    assert one.stats("a").entries == 0
    assert one.clear() == 1
    other.flush()
    assert other.lookup(chat(), "b") is None
    one.close()
    other.close()


def test_a_restarted_process_has_what_the_former_one_kept(url, clock):
    former = process(url, clock)
    former.put(chat(), "a", answer(created_us=microseconds(clock())), GOOD)
    former.close()
    later = process(url, clock)
    later.flush()
    assert later.lookup(chat(), "a").kind == "exact"
    clock.step(days=8)
    assert later.lookup(chat(), "a") is None
    later.close()


def test_a_database_that_is_gone_costs_no_request_and_loses_no_answer(tmp_path, caplog):
    url, clock = f"sqlite:///{tmp_path}/cache.db", Clock()
    answers = process(url, clock)
    broken = open_answers(url)
    rename = "ALTER TABLE {} RENAME TO {}"
    broken._database.administer(lambda connection: connection.execute(text(rename.format("cached_answers", "moved"))))
    with caplog.at_level(logging.WARNING, "pointsman.cache"):
        answers.put(chat(), "a", answer(created_us=microseconds(clock())), GOOD)
        answers.flush()
        answers.flush()
    assert [record.message.split(":")[0] for record in caplog.records] == ["the cache goes on in memory only"]
    assert "password" not in caplog.text
    assert answers.lookup(chat(), "a").kind == "exact"
    with pytest.raises(LedgerUnavailable):
        answers.clear("b")
    broken._database.administer(lambda connection: connection.execute(text(rename.format("moved", "cached_answers"))))
    answers.flush()
    assert broken.count("a") == 1
    assert answers.stats("a").exact_hits == 1
    broken.close()
    answers.close()
