"""The ledger beside its model, for a few rounds; `make bench-ledger` does many, and shortens what fails."""

import sqlite3

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import BudgetMachine

from pointsman.store import open_ledger


@pytest.fixture
def empty(tmp_path):
    """Return an empty ledger in one file, to be copied."""
    path = tmp_path / "empty.db"
    open_ledger(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()
    return path


def test_the_ledger_is_what_a_plain_model_says_whatever_happens(empty):
    machine = type("Machine", (BudgetMachine,), {"empty": empty})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    few = settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=checks)
    few = settings(few, phases=[Phase.explicit, Phase.reuse, Phase.generate])
    run_state_machine_as_test(machine, settings=few)
