"""The log of requests: what is added is read back as it was, once, in order, until it expires or is erased."""

import logging
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from ledgers import NOON, Clock
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pointsman.errors import InvalidInput, LedgerUnavailable
from pointsman.events import Attempt, Event
from pointsman.settings import PrivacySettings
from pointsman.store import open_ledger, open_log
from pointsman.store.database import database

NOON_US = 1_795_262_400_000_000
FULL = Event(
    decision_id="d-1",
    at_us=NOON_US,
    kind="chat",
    key="key-7",
    tags={"user": "ann", "team": "search", "agent": "planner", "project": "apollo", "room": "4b"},
    task_type="debugging",
    complexity="medium",
    complexity_probability=0.7,
    model="gpt-4o-mini",
    requested_model="auto",
    strategy="cost-optimised",
    profile="fast",
    quality=0.8,
    confidence=0.75,
    propensity=0.5,
    escalated_from="tiny",
    degradation="cheaper",
    novelty=0.25,
    bundle="abc",
    features=(0.5, -1.25, 3.0),
    qualities={"gpt-4o": 0.9},
    expected_nanousd=100,
    cost_nanousd=120,
    baseline="gpt-4o",
    baseline_nanousd=900,
    input_tokens=10,
    output_tokens=20,
    tokens_saved=3,
    cache="miss",
    is_stream=True,
    is_degraded=True,
    attempts=(Attempt("tiny", "failed", status=500, error="upstream"), Attempt("gpt-4o-mini", "answered")),
    latency_ms=812.5,
    overhead_ms=1.25,
    text="Where is my order?",
)


def plain(number=1, **changes):
    return msgspec.structs.replace(
        Event(decision_id=f"p-{number}", at_us=NOON_US + number, kind="chat", tags={"user": "bob"}), **changes
    )


@pytest.fixture
def log(url, clock):
    with open_log(url, clock=clock, privacy=PrivacySettings(text="full")) as opened:
        yield opened


def events_of(log, *tenant, **options):
    log.flush()
    return [line.event for line in log.events(*tenant, **options)]


def test_an_event_is_read_back_as_it_was(log):
    log.add(FULL)
    assert events_of(log) == [FULL]


def test_no_text_is_stored_unless_the_settings_ask_for_it(url, clock):
    with open_log(url, clock=clock) as log:
        log.add(FULL)
        assert events_of(log) == [msgspec.structs.replace(FULL, text=None)]


def test_a_redacted_text_keeps_its_words_without_the_person(url, clock):
    with open_log(url, clock=clock, privacy=PrivacySettings(text="redacted")) as log:
        log.add(plain(text="Write to ann@example.com\x00 about it"))
        assert events_of(log)[0].text == "Write to [EMAIL] about it"


def test_lines_come_in_order_a_page_at_a_time_and_those_of_another_tenant_never(log):
    events = [plain(number) for number in range(2_500)]
    for event in [*events, plain(9_999, tenant="other")]:
        log.add(event)
    log.flush()
    pages = list(log.pages())
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert [line.event for page in pages for line in page] == events
    assert [line.event.decision_id for line in log.events("other")] == ["p-9999"]


def test_since_is_included_and_until_is_not(log):
    for number in range(3):
        log.add(plain(number, at_us=NOON_US + number * 1_000_000))
    found = events_of(log, since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=2))
    assert [event.decision_id for event in found] == ["p-1"]


def test_an_event_that_is_written_twice_is_there_once(log):
    log.add(FULL)
    log.flush()
    log.add(FULL)
    assert events_of(log) == [FULL]
    assert log.lost == 0


def test_close_writes_what_waits(url, clock):
    log = open_log(url, clock=clock, flush_s=3600)
    for number in range(1_234):
        log.add(plain(number))
    log.close()
    with open_log(url, clock=clock) as again:
        assert sum(len(page) for page in again.pages()) == 1_234


def test_close_gives_up_on_a_database_that_is_gone_and_counts_the_loss(cluster, clock, caplog, monkeypatch):
    monkeypatch.setattr("pointsman.store.event_writing._LAST_TRIES_S", 0.3)
    url = cluster.database("empty")
    name = url.rpartition("/")[2]
    log = open_log(url, clock=clock, flush_s=0.01)
    cluster.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    cluster.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    for number in range(1_100):
        log.add(plain(number))
    log.close()
    assert log.lost == 1_100
    assert "events couldn't be written" in caplog.text


def test_texts_that_wait_have_a_bound_and_their_events_stay(url, clock, monkeypatch):
    monkeypatch.setattr("pointsman.store.event_writing.ROOM_FOR_TEXT", 10)
    with open_log(url, clock=clock, privacy=PrivacySettings(text="full"), flush_s=3600) as log:
        for number, length in enumerate((4, 6, 1, 11)):
            log.add(plain(number, text="x" * length))
        assert [event.text for event in events_of(log)] == ["xxxx", "xxxxxx", None, None]
        log.add(plain(5, text="again"))
        assert events_of(log)[-1].text == "again"


def test_a_long_text_ends_with_a_whole_word(log):
    log.add(plain(1, text="word " * 2_000 + "ann@example.com"))
    assert events_of(log)[0].text == ("word " * 1_638)[:-1]


def test_what_comes_after_close_is_counted_as_lost(url, clock):
    log = open_log(url, clock=clock)
    log.close()
    log.add(FULL)
    assert log.lost == 1


def test_names_that_a_database_would_refuse_are_cleaned_and_an_impossible_number_loses_only_its_event(log):
    log.add(plain(1, requested_model="a\x00b\ud800c" + "x" * 999, tags={"user": "ann\x00", "no\x00te": "\udfff!"}))
    log.add(plain(2, quality=float("nan")))
    log.add(plain(3, cost_nanousd=-1))
    log.add(plain(4, cost_nanousd=2**70))
    log.add(plain(5))
    found = events_of(log)
    assert [event.decision_id for event in found] == ["p-1", "p-5"]
    assert found[0].requested_model == "abc" + "x" * 250
    assert found[0].tags == {"user": "ann", "note": "!"}
    assert log.lost == 3


def test_a_full_queue_loses_events_counts_them_and_says_so(tmp_path, clock, caplog):
    path = tmp_path / "log.db"
    log = open_log(f"sqlite:///{path}", clock=clock, room=10, flush_s=0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING, "pointsman.events"):
        log.add(plain(0))
        wait_until(lambda: log.waiting == 0)
        for number in range(1, 31):
            log.add(plain(number))
        assert log.waiting <= 10
        assert log.lost == 30 - log.waiting
        other.execute("ROLLBACK")
        log.flush()
    assert [line.event.decision_id for line in log.events()] == [f"p-{number}" for number in range(11)]
    assert (log.lost, log.waiting) == (20, 0)
    assert "20 in all" in caplog.text
    log.close()
    other.close()


def wait_until(claim):
    end = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_events_wait_while_the_database_is_gone_and_are_written_when_it_is_back(cluster, clock):
    url = cluster.database("empty")
    name = url.rpartition("/")[2]
    with open_log(url, clock=clock, flush_s=0.01) as log:
        cluster.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cluster.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        log.add(FULL)
        with pytest.raises(LedgerUnavailable, match="wait for the database"):
            log.flush(timeout_s=0.3)
        cluster.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert events_of(log) == [msgspec.structs.replace(FULL, text=None)]
        assert log.lost == 0


def test_what_was_reported_about_a_decision_comes_with_its_line(log, url, clock):
    log.add(FULL)
    log.add(plain(2))
    log.flush()
    with open_ledger(url, clock=clock) as ledger:
        ledger.outcomes.add("d-1", "x", '{"quality":0.5}')
        ledger.outcomes.add("d-1", "y", '{"quality":0.7}', tenant="other")
    assert [line.outcomes for line in log.events()] == [('{"quality":0.5}',), ()]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET cost_nanousd = 0",
        'UPDATE events SET "user" = NULL',
        """UPDATE events SET "user" = 'bob', key = NULL, agent = NULL, tags = NULL, text = NULL, features = NULL,
           decision_id = 'erased:' || number""",
        """UPDATE events SET "user" = NULL, key = NULL, agent = NULL, tags = NULL, text = NULL, features = NULL,
           decision_id = 'erased:' || number, model = 'other'""",
        "DELETE FROM events",
        "DELETE FROM log_marks",
        "UPDATE log_marks SET at_us = 0",
    ],
)
def test_the_database_itself_keeps_the_log(log, url, statement):
    log.add(FULL)
    log.flush()
    log.reset()
    found = database(url)
    with pytest.raises(DBAPIError, match="append-only"), found.administering.begin() as connection:
        connection.execute(text(statement))
    found.dispose()
    assert events_of(log) == [FULL]


def test_lines_expire_after_the_retention_and_a_mark_says_so(url):
    clock = Clock()
    with open_log(url, clock=clock, privacy=PrivacySettings(retention_days=30)) as log:
        for days in (0, 29, 31, 400):
            log.add(plain(days, at_us=NOON_US - days * 86_400_000_000))
        log.flush()
        assert log.expire() == 2
        assert log.expire() == 0
        assert [event.decision_id for event in events_of(log)] == ["p-0", "p-29"]
        assert marks(log) == [("", "expired", "retention")]


def test_a_mark_lets_nothing_go_that_is_younger(url, log):
    log.add(plain(1, at_us=0))
    log.add(plain(2))
    log.flush()
    assert log.expire() == 1
    found = database(url)
    with pytest.raises(DBAPIError, match="append-only"), found.administering.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    found.dispose()
    assert [event.decision_id for event in events_of(log)] == ["p-2"]


def test_nothing_expires_without_a_retention(url, clock):
    with open_log(url, clock=clock, privacy=PrivacySettings(retention_days=None)) as log:
        log.add(plain(1, at_us=0))
        log.flush()
        assert log.expire() == 0
        assert len(events_of(log)) == 1


def marks(log):
    query = text("SELECT tenant, kind, made_by FROM log_marks ORDER BY number")
    return log.read(lambda connection: [tuple(row) for row in connection.execute(query)])


def test_an_erased_user_is_gone_from_the_tenants_lines_and_the_money_stays(log):
    log.add(FULL)
    log.add(plain(2))
    log.add(plain(3, tenant="other", tags={"user": "ann"}))
    assert log.erase("default", "ann", made_by="dpo") == 1
    assert log.erase("default", "nobody") == 0
    bare = msgspec.structs.replace(
        FULL, decision_id="erased:1", key=None, tags={"team": "search", "project": "apollo"}, text=None, features=()
    )
    assert events_of(log) == [bare, plain(2)]
    assert events_of(log, "other")[0].tags == {"user": "ann"}
    assert marks(log) == [("default", "erased", "dpo")]
    with pytest.raises(InvalidInput, match="the user is empty"):
        log.erase("default", "")


def test_an_erased_text_is_gone_from_the_file_too(tmp_path, clock):
    path = tmp_path / "log.db"
    with open_log(f"sqlite:///{path}", clock=clock, privacy=PrivacySettings(text="full")) as log:
        for number in range(50):
            log.add(plain(number, tags={"user": "ann-was-here"}, text="a text that nobody may find " * 50))
        assert log.erase("default", "ann-was-here") == 50
    found = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"ann-was-here" not in found
    assert b"nobody may find" not in found


def test_a_reset_says_since_when_and_deletes_nothing(log, clock):
    assert log.since() is None
    log.add(FULL)
    log.reset(made_by="ann", reason="a new fleet")
    clock.step(hours=1)
    assert log.reset() == NOON + timedelta(hours=1)
    assert log.since() == datetime(2026, 11, 21, 13, tzinfo=UTC)
    assert log.since("other") is None
    assert events_of(log) == [FULL]
