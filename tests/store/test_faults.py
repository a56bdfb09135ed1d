"""The disk is full, the database is gone, or slow: the ledger refuses, and nothing is half done."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from ledgers import Clock, asking

from pointsman.budget import GLOBAL, Amount, Limit
from pointsman.errors import BudgetExceeded, HoldConflict, LedgerUnavailable
from pointsman.store import Writing, open_ledger, sqlite
from pointsman.store.backend import Busy, Gone, Refused


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(file, monkeypatch):
    connect, held = sqlite.connect, []

    def cramped(path):
        connection = connect(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 2}")
        return connection

    with open_ledger(f"sqlite:///{file}", clock=Clock()) as ledger:
        monkeypatch.setattr(sqlite, "connect", cramped)
        with pytest.raises(LedgerUnavailable, match="database or disk is full") as refusal:
            for number in range(1000):
                held.append(ledger.reserve(asking(f"k{number}")))
        assert refusal.value.retry_after_s > 0
        monkeypatch.setattr(sqlite, "connect", connect)
        assert ledger.reserve(asking(f"k{len(held)}")).state == "open"
        assert [entry.hold_id for entry in ledger.entries()][:-1] == [hold.hold_id for hold in held]
        assert ledger.reconcile() == []


def test_a_deleted_file_is_noticed_before_anything_is_written_to_nowhere(file):
    with open_ledger(f"sqlite:///{file}", clock=Clock()) as ledger:
        ledger.reserve(asking())
        file.unlink()
        with pytest.raises(LedgerUnavailable, match="was deleted or replaced"):
            ledger.reserve(asking("k2"))


def test_what_has_not_begun_in_time_is_taken_back(file):
    with open_ledger(f"sqlite:///{file}", clock=Clock(), timeout_s=0.05) as ledger:
        with sqlite.exclusive(file), pytest.raises(LedgerUnavailable, match=r"within 0.05 s. Nothing was done."):
            ledger.reserve(asking())
        assert ledger.entries() == []
    with open_ledger(f"sqlite:///{file}", clock=Clock()) as ledger:
        assert ledger.entries() == []
        assert ledger.reserve(asking()).state == "open"


def test_a_program_that_ignores_the_lock_file_only_delays(file):
    with open_ledger(f"sqlite:///{file}", clock=Clock(), timeout_s=60) as ledger:
        stranger = sqlite3.connect(file, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ledger.reserve, asking())
            with pytest.raises(TimeoutError):
                waiting.result(1)
            stranger.execute("COMMIT")
            assert waiting.result(60).state == "open"
        stranger.close()


def test_a_postgresql_that_stops_is_refused_and_used_again_when_it_is_back(cluster):
    url = cluster.database("empty")
    with open_ledger(url, clock=Clock(), timeout_s=30) as ledger:
        hold = ledger.reserve(asking())
        cluster.stop(how="immediate")
        try:
            for act in (lambda: ledger.reserve(asking("k2")), lambda: ledger.hold(hold.hold_id), ledger.reconcile):
                with pytest.raises(LedgerUnavailable):
                    act()
        finally:
            cluster.start()
        assert ledger.settle(hold.hold_id, Amount(1), key="s").state == "settled"
        assert (len(ledger.entries()), ledger.reconcile()) == (2, [])


def test_a_connection_that_is_lost_is_made_anew_without_the_caller_noticing(cluster):
    url = cluster.database("empty")
    with open_ledger(url, clock=Clock(), timeout_s=30) as ledger:
        ledger.reserve(asking())
        cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert ledger.reserve(asking("k2")).state == "open"
        assert len(ledger.entries()) == 2


def test_a_slow_postgresql_is_refused_and_the_same_key_finds_out(cluster):
    url = cluster.database("empty")
    with open_ledger(url, clock=Clock()) as ledger:
        ledger.reserve(asking("first", 1))
    with open_ledger(url, clock=Clock(), timeout_s=0.05) as ledger, psycopg.connect(url) as stranger:
        stranger.execute("SELECT * FROM counters FOR UPDATE")
        with pytest.raises(LedgerUnavailable, match="the same key finds out"):
            ledger.reserve(asking())
        stranger.rollback()
    with open_ledger(url, clock=Clock()) as ledger:
        assert ledger.reserve(asking()).state == "open"
        assert ledger.usage(GLOBAL, "day").held == Amount(101)


def failing(*errors):
    """Return a failpoint that raises each of (name, error) once, in order."""
    left = list(errors)

    def failpoint(name):
        if left and left[0][0] == name:
            raise left.pop(0)[1]

    return failpoint


@pytest.mark.parametrize("name", ["loaded", "applied", "holds_written", "entries_written", "written", "committed"])
def test_a_lost_race_and_a_lost_connection_are_done_again_and_count_once(url, name):
    failpoint = failing((name, Busy("lost a race")), (name, Gone("lost the connection")))
    with open_ledger(url, clock=Clock(), writing=Writing(failpoint=failpoint), timeout_s=30) as ledger:
        ledger.reserve(asking(body_hash="h"))
        assert (len(ledger.entries()), ledger.usage(GLOBAL, "day").held) == (1, Amount(100))


def test_a_row_that_is_refused_does_not_fail_its_neighbours(url):
    """The writer is held at the door until all are in one group, which the database then refuses once."""
    door, names = threading.Event(), []

    def failpoint(name):
        names.append(name)
        if name == "begun" and len(names) == 1:
            door.wait(30)
        if name == "written" and names.count("written") == 1:
            raise Refused("counters_held")

    with open_ledger(url, clock=Clock(), writing=Writing(connections=1, failpoint=failpoint), timeout_s=30) as ledger:
        limits = [Limit(GLOBAL, "day", 300)]
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(ledger.reserve, asking(f"k{number}"), limits) for number in range(5)]
            while len(ledger._writer._waiting) < 5:
                pass
            door.set()
        refused = [answer.exception() for answer in answers if answer.exception()]
        assert ([type(error) for error in refused], names.count("loaded")) == ([BudgetExceeded] * 2, 6)
        assert ledger.usage(GLOBAL, "day").held == Amount(300)


def test_counters_that_were_written_by_hand_refuse_what_would_make_them_negative(file):
    with open_ledger(f"sqlite:///{file}", clock=Clock()) as ledger:
        hold = ledger.reserve(asking())
        with sqlite.exclusive(file):
            stranger = sqlite.connect(file)
            stranger.execute("UPDATE counters SET held_nanousd = 0")
            stranger.close()
        with pytest.raises(LedgerUnavailable, match="The counters disagree with the entries"):
            ledger.settle(hold.hold_id, Amount(60), key="s")
        assert ledger.hold(hold.hold_id) == hold
        assert len(ledger.reconcile(repair=True)) == 6
        assert ledger.settle(hold.hold_id, Amount(60), key="s").state == "settled"


def test_a_queue_that_is_full_refuses_at_once(file):
    door = threading.Event()

    def failpoint(name):
        if name == "begun":
            door.wait(30)

    writing = Writing(queue=2, failpoint=failpoint)
    with open_ledger(f"sqlite:///{file}", clock=Clock(), writing=writing) as ledger:
        with ThreadPoolExecutor(2) as pool:
            accepted = [pool.submit(ledger.reserve, asking(f"k{number}")) for number in range(2)]
            while len(ledger._writer._waiting) < 2:
                pass
            with pytest.raises(LedgerUnavailable, match="2 operations wait"):
                ledger.reserve(asking("k3"))
            door.set()
        assert [answer.result().state for answer in accepted] == ["open", "open"]


def test_a_hundred_duplicates_at_once_make_one_hold(url):
    with open_ledger(url, clock=Clock(), timeout_s=60) as ledger, ThreadPoolExecutor(32) as pool:
        holds = [pool.submit(ledger.reserve, asking(body_hash="h")) for _ in range(100)]
        (hold_id,) = {answer.result().hold_id for answer in holds}
        bills = [pool.submit(ledger.settle, hold_id, Amount(50 + number % 2), key="s") for number in range(100)]
        outcomes = [type(answer.exception()) for answer in bills]
        assert (outcomes.count(HoldConflict), outcomes.count(type(None))) == (50, 50)
        assert len(ledger.entries()) == 2
