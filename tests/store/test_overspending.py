"""Many processes of many threads spend from one limit at the same moment."""

import subprocess
import sys
from pathlib import Path

from ledgers import NOON

from pointsman.budget import GLOBAL
from pointsman.store import open_ledger

SPENDER = Path(__file__).with_name("spender.py")
PROCESSES, THREADS = 4, 64


def crowd(url, *flags):
    """Return what each process admitted, after letting all go on together whenever all of them wait."""
    command = [sys.executable, str(SPENDER), url, str(THREADS), *flags]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    try:
        while True:
            lines = [process.stdout.readline().strip() for process in crowd]
            if all(line.isdigit() for line in lines):
                return [int(line) for line in lines]
            assert set(lines) <= {"ready", "read"}, lines
            for process in crowd:
                process.stdin.write("\n")
                process.stdin.flush()
    finally:
        for process in crowd:
            process.kill()
            process.communicate()


def test_a_hot_limit_is_never_passed(url):
    with open_ledger(url) as ledger:
        assert sum(crowd(url)) == 100
        assert (ledger.usage(GLOBAL, "total").held.nanousd, ledger.reconcile()) == (1000, [])


def test_the_same_crowd_overspends_where_the_counters_are_not_locked(url):
    with open_ledger(url) as ledger:
        assert sum(crowd(url, "--unguarded")) > 100
        assert ledger.reconcile() != []


def test_a_counter_that_disagrees_is_found_and_repaired(url):
    with open_ledger(url, clock=lambda: NOON) as ledger:
        admitted = sum(crowd(url, "--unguarded"))
        wrong = ledger.reconcile()
        assert ledger.reconcile(repair=True) == wrong
        assert ledger.reconcile() == []
        assert ledger.usage(GLOBAL, "total").held.nanousd == 10 * admitted
        assert [(event.kind, event.scope) for event in ledger.events()] == [("repaired", "global")] * len(wrong)
