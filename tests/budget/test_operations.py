"""Operations on the books, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.budget import GLOBAL, Amount, HoldRequest, Limit, Scope
from pointsman.budget.books import Account, Books, Counter, microseconds
from pointsman.budget.operations import Heartbeat, Lapse, Reserve, Settle, accounts_of
from pointsman.errors import BudgetExceeded, InvalidBudget

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = microseconds(NOON)
MINUTE = 60_000_000


def reserve(key="k", amount=100, limits=(), scopes=(GLOBAL,)):
    request = HoldRequest(key, tuple(scopes), Amount(amount), NOON + timedelta(minutes=5))
    return Reserve(request, tuple(limits))


def test_a_hold_whose_expiry_moved_meanwhile_does_not_lapse():
    books = Books({}, {}, {})
    hold_id = reserve().apply(books, NOW).hold_id
    Heartbeat(hold_id, NOW + 9 * MINUTE).apply(books, NOW)
    assert not Lapse(hold_id).apply(books, NOW + 9 * MINUTE - 1)
    assert Lapse(hold_id).apply(books, NOW + 9 * MINUTE)
    assert not Lapse(hold_id).apply(books, NOW + 9 * MINUTE)
    assert not Lapse("hold_0").apply(books, NOW)


def test_operations_name_the_accounts_that_they_touch():
    scopes = (GLOBAL, Scope("user", "ann"), Scope("request", "r"))
    one = reserve(scopes=scopes)
    expected = {
        *(Account("", "global", window) for window in ("day:2026-11-21", "month:2026-11", "total")),
        *(Account("default", "user:ann", window) for window in ("day:2026-11-21", "month:2026-11", "total")),
        Account("default", "request:r", "request"),
    }
    assert accounts_of([one], {}, NOW) == expected
    books = Books({}, {}, {})
    one.apply(books, NOW)
    assert books.touched == expected
    assert accounts_of([Settle(one.hold_id, Amount(1), "s")], books.holds, NOW + 40 * 24 * 60 * MINUTE) == expected


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 120)), max_size=30), st.integers(0, 300))
def test_what_is_posted_and_held_never_passes_the_limit_while_bills_keep_to_their_holds(attempts, most):
    books, limit = Books({}, {}, {}), Limit(GLOBAL, "day", most)
    counter = books.counter(Account("", "global", "day:2026-11-21"))
    for number, (amount, percent) in enumerate(attempts):
        try:
            hold_id = reserve(str(number), amount, [limit]).apply(books, NOW).hold_id
        except BudgetExceeded:
            assert counter.posted[0] + counter.held[0] + amount > most
            continue
        bill = min(amount, max(amount * percent // 100, min(amount, 1)))
        if percent < 100:
            Settle(hold_id, Amount(bill), "s").apply(books, NOW)
        assert counter.posted[0] + counter.held[0] <= most
        assert min(*counter.posted, *counter.held) >= 0


def test_what_can_not_be_counted_any_more_is_refused():
    counters = {Account("", "global", "total"): Counter((2**63 - 50, 0, 0))}
    with pytest.raises(InvalidBudget, match="more is past what can be counted"):
        reserve().apply(Books({}, counters, {}), NOW)
