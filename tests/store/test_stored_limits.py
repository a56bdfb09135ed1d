"""Limits that are set while running, and their history."""

import pytest
from ledgers import ANN, NOON, asking

from pointsman.budget import GLOBAL, Limit
from pointsman.errors import BudgetExceeded, InvalidBudget
from pointsman.store import LimitChange


def test_the_last_change_counts_and_all_are_kept(ledger, clock):
    first, second = Limit(GLOBAL, "day", 100, reason="start"), Limit(GLOBAL, "day", 50)
    assert [ledger.limits.put(limit, changed_by="eve") for limit in (first, first, second)] == [True, False, True]
    clock.step(hours=1)
    assert ledger.limits.put(Limit(ANN, "month", 7, "tokens"), changed_by="bob")
    assert ledger.limits.limits() == (second, Limit(ANN, "month", 7, "tokens"))
    assert ledger.limits.remove(GLOBAL, "day", changed_by="eve")
    assert not ledger.limits.remove(GLOBAL, "day", changed_by="eve")
    assert ledger.limits.limits() == (Limit(ANN, "month", 7, "tokens"),)
    assert ledger.limits.history()[:2] == [
        LimitChange(1, "default", GLOBAL, "day", "nanousd", 100, NOON, "eve", "start"),
        LimitChange(2, "default", GLOBAL, "day", "nanousd", 50, NOON, "eve", ""),
    ]
    assert [(change.amount, change.at) for change in ledger.limits.history(after=2)] == [
        (7, clock.now),
        (None, clock.now),
    ]


def test_tenants_have_limits_of_their_own(ledger):
    ledger.limits.put(Limit(ANN, "day", 1), changed_by="eve", tenant="a")
    assert (ledger.limits.limits("b"), ledger.limits.history("b")) == ((), [])


def test_a_stored_limit_is_kept_by_a_reservation(ledger):
    ledger.limits.put(Limit(ANN, "day", 99), changed_by="eve")
    with pytest.raises(BudgetExceeded):
        ledger.reserve(asking(amount=100), ledger.limits.limits())


def test_a_change_says_who_made_it(ledger):
    with pytest.raises(InvalidBudget, match="changed_by is ''"):
        ledger.limits.put(Limit(ANN, "day", 99), changed_by="")
    assert ledger.limits.history() == []
