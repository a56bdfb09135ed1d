"""Operations that may wait: they share the commit of the next that may not, and are never left behind."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pointsman.budget import GLOBAL, Amount, HoldRequest
from pointsman.budget.operations import Reserve, Settle
from pointsman.store import Writing, open_ledger, upgrade
from pointsman.store.sqlite import SqliteBackend
from pointsman.store.writer import Writer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
PATIENCE_S = 20


@pytest.fixture
def commits():
    return []


@pytest.fixture
def writer(tmp_path, commits):
    upgrade(f"sqlite:///{tmp_path}/x.db")

    def failpoint(name):
        if name == "committed":
            commits.append(name)

    made = Writer(lambda: SqliteBackend(tmp_path / "x.db"), lambda: NOW_US, Writing(failpoint=failpoint))
    yield made
    made.close()


@pytest.fixture
def another(tmp_path, writer):
    """Another process' ledger on the same file: while it writes, this one could have."""
    with open_ledger(f"sqlite:///{tmp_path}/x.db", clock=lambda: NOW) as ledger:
        yield ledger


def reserve(key):
    return Reserve(HoldRequest(key, (GLOBAL,), Amount(100), NOW + timedelta(minutes=5)))


def test_what_may_wait_goes_along_with_the_next_that_may_not_and_comes_first(writer, another, commits):
    held = writer.submit(reserve("first")).result(PATIENCE_S)
    bill = writer.submit(Settle(held.hold_id, Amount(40), "s"), may_wait=True)
    another.perform([reserve("other")])
    again = writer.submit(reserve("second"))
    assert again.result(PATIENCE_S).state == "open"
    assert (bill.result(PATIENCE_S).state, bill.result().bill) == ("settled", (40, 0, 0))
    assert len(commits) == 2


def test_what_may_wait_is_written_when_nothing_else_comes(writer, another, commits):
    waiting = [writer.submit(reserve(key), may_wait=True) for key in ("a", "b", "c")]
    another.perform([reserve("other")])
    assert not any(future.done() for future in waiting)
    writer.press()
    assert [future.result(PATIENCE_S).state for future in waiting] == ["open"] * 3
    assert len(commits) == 1


def test_what_waits_is_written_before_the_ledger_is_closed(writer, commits):
    waiting = writer.submit(reserve("a"), may_wait=True)
    writer.close()
    assert (waiting.result(0).state, len(commits)) == ("open", 1)


def test_a_caller_that_may_wait_is_answered_without_company(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path}/x.db", clock=lambda: NOW) as ledger:
        (hold,) = asyncio.run(ledger.performed([reserve("alone")], may_wait=True))
        assert ledger.hold(hold.hold_id) == hold
