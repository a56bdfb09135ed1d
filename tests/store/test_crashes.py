"""A process is killed at every failpoint; what it acknowledged is there, and nothing is half done."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ledgers import NOON, Clock, asking

from pointsman.budget import GLOBAL, Amount
from pointsman.store import open_ledger
from pointsman.store.backend import FAILPOINTS

CRASHER = Path(__file__).with_name("crasher.py")
OPERATIONS = 40


def crash(url, name, nth):
    """Return the acknowledged operations, as (what, hold id)."""
    command = [sys.executable, str(CRASHER), url, name, str(nth)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return [tuple(line.split()) for line in done.stdout.splitlines()]


def check_after_crash(url, acknowledged, is_committed):
    """Assert that nothing acknowledged is lost, that what is in doubt is whole, and that repeating ends the work."""
    clock = Clock()
    with open_ledger(url, clock=clock) as ledger:
        assert ledger.reconcile() == []
        for what, hold_id in acknowledged:
            assert what == "reserved" or ledger.hold(hold_id).state == "settled"
        assert len(ledger.entries()) == len(acknowledged) + is_committed
        for number in range(20):
            ledger.settle(ledger.reserve(asking(f"key{number}")).hold_id, Amount(60), key="s")
        stranded = ledger.reserve(asking("stranded"))
        clock.step(hours=1)
        assert ledger.expire() == 1
        assert (len(ledger.entries()), ledger.hold(stranded.hold_id).state) == (OPERATIONS + 2, "presumed")
        assert ledger.usage(GLOBAL, "day", NOON).posted == Amount(20 * 60 + 100)
        assert ledger.reconcile() == []


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_kill_at_any_point_loses_nothing_and_strands_nothing(url, name):
    with open_ledger(url):
        pass
    nth = 4 + FAILPOINTS.index(name)
    acknowledged = crash(url, name, nth)
    assert len(acknowledged) == nth - 1
    check_after_crash(url, acknowledged, is_committed=name == "committed")
