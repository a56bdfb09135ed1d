"""What every ledger promises, on each database: one test per promise."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import ANN, NOON, asking

from pointsman.budget import GLOBAL, TENANT, Amount, Entry, Freeze, Hold, Limit, Scope, Usage
from pointsman.budget.books import hold_id_of
from pointsman.budget.operations import Reserve
from pointsman.errors import (
    BudgetExceeded,
    FrozenScope,
    HoldConflict,
    InvalidBill,
    InvalidBudget,
    LedgerUnavailable,
    UnknownHold,
)
from pointsman.store import open_ledger

DAY = "day:2026-11-21"
TEAM = Scope("team", "red")


def used(ledger, scope=GLOBAL, window="day", **more):
    usage = ledger.usage(scope, window, **more)
    return usage.posted.nanousd, usage.held.nanousd


def kinds(ledger, hold):
    return [(entry.kind, entry.amount.nanousd, entry.evidence) for entry in ledger.entries(hold_id=hold.hold_id)]


def test_a_reservation_is_held_in_every_scope_and_window(ledger):
    hold = ledger.reserve(asking(amount=Amount(100, 7, 3), decision_id="d1"), [Limit(GLOBAL, "day", 100)])
    assert hold == Hold(
        hold.hold_id, "default", "open", Amount(100, 7, 3), None, (GLOBAL, ANN), NOON, hold.expires_at, "d1"
    )
    assert ledger.hold(hold.hold_id) == hold
    for scope in (GLOBAL, ANN):
        for window, name in (("day", DAY), ("month", "month:2026-11"), ("total", "total")):
            assert ledger.usage(scope, window) == Usage(scope, name, Amount(0), Amount(100, 7, 3))


def test_a_settlement_posts_the_bill_and_releases_the_hold(ledger, clock):
    hold = ledger.reserve(asking())
    clock.step(minutes=1)
    settled = ledger.settle(hold.hold_id, Amount(60), key="s")
    assert (settled.state, settled.bill) == ("settled", Amount(60))
    assert [used(ledger, scope, window) for scope in (GLOBAL, ANN) for window in ("day", "month", "total")] == [
        (60, 0)
    ] * 6
    assert ledger.entries() == [
        Entry(1, hold.hold_id, "default", "opened", Amount(100), NOON),
        Entry(2, hold.hold_id, "default", "settled", Amount(60), clock.now),
    ]
    assert ledger.reconcile() == []


def test_a_hold_that_does_not_fit_is_refused_whole_and_never_trimmed(ledger):
    limits = [Limit(ANN, "day", 1000), Limit(GLOBAL, "month", 150)]
    ledger.settle(ledger.reserve(asking("a", 40), limits).hold_id, Amount(30), key="s")
    ledger.reserve(asking("b", 100), limits)
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve(asking("c", 21), limits)
    error = refusal.value
    assert (error.scope, error.window, error.unit) == ("global", "month", "nanousd")
    assert (error.limit, error.posted, error.held, error.asked) == (150, 30, 100, 21)
    assert error.window_end == datetime(2026, 12, 1, tzinfo=UTC)
    assert str(error) == (
        "global may use $0.00000015 per month: $0.000000030 is posted and $0.00000010 held, so that $0.000000021 more "
        "doesn't fit. The month turns at 2026-12-01 00:00 UTC; wait for it, or raise the limit."
    )
    assert (used(ledger), used(ledger, ANN), len(ledger.entries())) == ((30, 100), (30, 100), 3)
    assert ledger.reserve(asking("c", 20), limits).state == "open"


def test_a_hold_larger_than_the_whole_limit_is_told_that_waiting_will_not_help(ledger):
    with pytest.raises(BudgetExceeded, match="more than the whole limit") as refusal:
        ledger.reserve(asking(amount=11), [Limit(GLOBAL, "day", 10)])
    assert refusal.value.window_end is None


def test_of_several_limits_the_tightest_is_named(ledger):
    limits = [Limit(GLOBAL, "day", 90), Limit(ANN, "day", 50), Limit(GLOBAL, "month", 95)]
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve(asking(amount=100), limits)
    assert refusal.value.scope == "user:ann"


@pytest.mark.parametrize(
    ("unit", "room"), [("input_tokens", 70), ("output_tokens", 30), ("tokens", 100), ("nanousd", 5)]
)
def test_tokens_are_limited_as_money_is(ledger, unit, room):
    amount = Amount(5, 70, 30)
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve(asking(amount=amount), [Limit(GLOBAL, "month", room - 1, unit)])
    assert (refusal.value.unit, refusal.value.asked) == (unit, room)
    assert ledger.reserve(asking(amount=amount), [Limit(GLOBAL, "month", room, unit)]).state == "open"


def test_a_limit_set_today_knows_what_was_spent_before_it(ledger, clock):
    ledger.reserve(asking("a", 60))
    clock.step(days=3)
    with pytest.raises(BudgetExceeded, match="held"):
        ledger.reserve(asking("b", 60), [Limit(GLOBAL, "month", 100)])
    assert ledger.reserve(asking("b", 60), [Limit(GLOBAL, "day", 100)]).state == "open"


def test_the_attempts_of_a_request_share_its_limit(ledger):
    scopes = (GLOBAL, Scope("request", "r1"))
    limits = [Limit(scopes[1], "request", 100)]
    ledger.reserve(asking(amount=60, scopes=scopes), limits)
    with pytest.raises(BudgetExceeded, match="request:r1"):
        ledger.reserve(asking(amount=60, scopes=scopes, attempt=1), limits)
    other = (GLOBAL, Scope("request", "r2"))
    assert ledger.reserve(asking("k2", 60, other), [Limit(other[1], "request", 100)]).state == "open"


def test_a_zero_limit_lets_only_free_attempts_through(ledger):
    assert ledger.reserve(asking("free", 0), [Limit(GLOBAL, "day", 0)]).state == "open"
    with pytest.raises(BudgetExceeded):
        ledger.reserve(asking("paid", 1), [Limit(GLOBAL, "day", 0)])


def test_a_repeated_reservation_returns_the_first_hold_whatever_became_of_it(ledger):
    first = ledger.reserve(asking(body_hash="h"))
    assert [ledger.reserve(asking(body_hash="h", amount=amount)) for amount in (100, 90)] == [first, first]
    settled = ledger.settle(first.hold_id, Amount(1), key="s")
    assert ledger.reserve(asking(body_hash="h")) == settled
    assert (used(ledger), len(ledger.entries())) == ((1, 0), 2)


def test_a_key_with_another_body_is_refused(ledger):
    ledger.reserve(asking(body_hash="h"))
    with pytest.raises(HoldConflict, match="'k1' was used with another body"):
        ledger.reserve(asking(body_hash="other"))
    assert used(ledger) == (0, 100)


def test_each_attempt_of_a_key_has_its_own_hold(ledger):
    assert ledger.reserve(asking()).hold_id != ledger.reserve(asking(attempt=1)).hold_id
    assert used(ledger) == (0, 200)


def test_a_repeated_settlement_is_a_no_op_and_another_one_a_conflict(ledger):
    hold = ledger.reserve(asking())
    first = ledger.settle(hold.hold_id, Amount(60), key="s")
    assert ledger.settle(hold.hold_id, Amount(60), key="s") == first
    for bill, key in ((Amount(61), "s"), (Amount(60), "t")):
        with pytest.raises(HoldConflict, match=r"it is settled at \$0.000000060 by key 's'"):
            ledger.settle(hold.hold_id, bill, key=key)
    with pytest.raises(HoldConflict, match="can't be voided"):
        ledger.void(hold.hold_id, "not_sent", key="v")
    with pytest.raises(HoldConflict, match="can't be presumed"):
        ledger.presume(hold.hold_id, key="p")
    with pytest.raises(HoldConflict, match="can't be corrected"):
        ledger.correct(hold.hold_id, Amount(1), "invoice", key="c")
    assert (used(ledger), len(ledger.entries())) == ((60, 0), 2)


def test_a_void_releases_the_hold_and_can_be_repeated(ledger):
    hold = ledger.reserve(asking())
    first = ledger.void(hold.hold_id, "not_sent", key="v")
    assert (first.state, first.bill) == ("voided", Amount(0))
    assert ledger.void(hold.hold_id, "not_sent", key="v") == first
    with pytest.raises(HoldConflict, match="can't be voided by key 'v'"):
        ledger.void(hold.hold_id, "refused", key="v")
    with pytest.raises(HoldConflict, match="can't be settled"):
        ledger.settle(hold.hold_id, Amount(1), key="s")
    assert (used(ledger), kinds(ledger, hold)) == ((0, 0), [("opened", 100, ""), ("voided", 0, "not_sent")])


@pytest.mark.parametrize("evidence", ["timeout", "disconnected", "", None])
def test_only_a_provably_unbilled_attempt_is_voided(ledger, evidence):
    hold = ledger.reserve(asking())
    with pytest.raises(InvalidBill, match="expected one of not_sent, refused, confirmed"):
        ledger.void(hold.hold_id, evidence, key="v")
    assert ledger.hold(hold.hold_id) == hold


def test_a_hold_is_never_refunded_when_the_outcome_is_unknown(ledger, clock):
    hold = ledger.reserve(asking())
    clock.step(minutes=4, seconds=59)
    assert ledger.expire() == 0
    clock.step(seconds=1)
    assert (ledger.expire(), ledger.expire()) == (1, 0)
    assert (used(ledger), kinds(ledger, hold)) == ((100, 0), [("opened", 100, ""), ("presumed", 100, "")])
    assert ledger.presume(hold.hold_id, key="again").state == "presumed"
    assert ledger.reconcile() == []


@pytest.mark.parametrize("bill", [0, 30, 100])
def test_late_evidence_corrects_what_was_presumed(ledger, clock, bill):
    hold = ledger.reserve(asking())
    clock.step(days=40)
    assert ledger.expire() == 1
    corrected = ledger.correct(hold.hold_id, Amount(bill), "invoice 7", key="c")
    assert (corrected.state, corrected.bill) == ("corrected", Amount(bill))
    assert ledger.correct(hold.hold_id, Amount(bill), "invoice 7", key="c") == corrected
    with pytest.raises(HoldConflict):
        ledger.correct(hold.hold_id, Amount(bill + 1), "invoice 7", key="c")
    assert (used(ledger, at=NOON), used(ledger)) == ((bill, 0), (0, 0))
    assert kinds(ledger, hold) == [("opened", 100, ""), ("presumed", 100, ""), ("corrected", bill, "invoice 7")]
    assert ledger.reconcile() == []


def test_a_late_settlement_and_a_late_void_are_corrections(ledger, clock):
    late, unbilled = ledger.reserve(asking("a")), ledger.reserve(asking("b"))
    clock.step(hours=1)
    ledger.expire()
    assert ledger.settle(late.hold_id, Amount(10), key="s").state == "corrected"
    assert ledger.settle(late.hold_id, Amount(10), key="s").bill == Amount(10)
    assert ledger.void(unbilled.hold_id, "confirmed", key="v").bill == Amount(0)
    assert ledger.void(unbilled.hold_id, "confirmed", key="v").state == "corrected"
    assert used(ledger) == (10, 0)


def test_a_bill_above_the_hold_posts_in_full_and_freezes_the_narrowest_scope(ledger, clock):
    key = Scope("key", "k-1")
    hold = ledger.reserve(asking(amount=100, scopes=(GLOBAL, TEAM, key, ANN, Scope("request", "r"))))
    other = ledger.reserve(asking("other", scopes=(GLOBAL, TEAM, key)))
    ledger.settle(hold.hold_id, Amount(250), key="s")
    assert used(ledger, TEAM) == (250, 100)
    (freeze,) = ledger.freezes()
    assert freeze == Freeze("default", key, NOON, freeze.reason)
    assert "was billed $0.00000025 above a hold of $0.00000010" in freeze.reason
    assert [(event.kind, event.scope) for event in ledger.events()] == [("frozen", "key:k-1")]
    with pytest.raises(FrozenScope, match="key:k-1 is frozen since 2026-11-21 12:00 UTC"):
        ledger.reserve(asking("more", scopes=(GLOBAL, key)))
    assert ledger.reserve(asking("ann", scopes=(GLOBAL, ANN))).state == "open"
    assert ledger.settle(other.hold_id, Amount(1), key="s").state == "settled"
    assert ledger.unfreeze(key, "price mended")
    assert not ledger.unfreeze(key, "price mended")
    assert ledger.reserve(asking("more", scopes=(GLOBAL, key))).state == "open"
    assert [(event.kind, event.detail) for event in ledger.events(after=1)] == [("unfrozen", "price mended")]


def test_an_operator_can_stop_a_scope(ledger):
    ledger.freeze(GLOBAL, "incident 12")
    ledger.freeze(GLOBAL, "again")
    with pytest.raises(FrozenScope, match="incident 12"):
        ledger.reserve(asking(tenant="b"))
    assert [event.detail for event in ledger.events()] == ["incident 12"]


@pytest.mark.parametrize("times", [1001, 10**6])
def test_a_bill_a_thousand_times_the_hold_is_refused(ledger, times):
    hold = ledger.reserve(asking(amount=2_000_000))
    with pytest.raises(InvalidBill, match="more than 1000 times what was held"):
        ledger.settle(hold.hold_id, Amount(2_000_000 * times), key="s")
    assert (ledger.hold(hold.hold_id), used(ledger), ledger.freezes()) == (hold, (0, 2_000_000), [])


def test_a_bill_of_nothing_is_not_believed(ledger):
    hold = ledger.reserve(asking())
    with pytest.raises(InvalidBill, match="says that nothing was billed"):
        ledger.settle(hold.hold_id, Amount(0, 10, 10), key="s")
    assert ledger.hold(hold.hold_id) == hold
    free = ledger.reserve(asking("free", 0))
    assert ledger.settle(free.hold_id, Amount(0, 10, 10), key="s").bill == Amount(0, 10, 10)


@pytest.mark.parametrize("bill", [-1, 1.5, float("nan"), float("inf"), True, "5", None, 2**63])
def test_a_bill_that_is_no_amount_is_refused(bill):
    with pytest.raises(InvalidBudget, match="expected an integer from 0 to"):
        Amount(bill)


@pytest.mark.parametrize("words", ["", "  ", "a\nb", "a\0b", "x" * 1001, None])
def test_a_correction_and_a_freeze_say_why(ledger, words):
    for act in (
        lambda: ledger.correct("hold_0", Amount(1), words, key="c"),
        lambda: ledger.freeze(ANN, words),
        lambda: ledger.unfreeze(ANN, words),
    ):
        with pytest.raises(InvalidBudget, match="printable characters that say why"):
            act()


def test_an_unknown_hold_and_another_tenants_are_equally_unknown(ledger):
    hold = ledger.reserve(asking(tenant="a"))
    messages = []
    for hold_id, tenant in ((hold.hold_id, "b"), ("hold_0", "a")):
        known = {"hold_id": hold_id, "tenant": tenant}
        for act, more in (
            (ledger.settle, {"bill": Amount(1), "key": "s"}),
            (ledger.void, {"evidence": "not_sent", "key": "s"}),
            (ledger.presume, {"key": "s"}),
            (ledger.correct, {"bill": Amount(1), "evidence": "e", "key": "s"}),
            (ledger.heartbeat, {"until": NOON}),
            (ledger.hold, {}),
        ):
            with pytest.raises(UnknownHold) as refusal:
                act(**known, **more)
            messages.append(str(refusal.value).replace(hold_id, "X"))
    assert set(messages) == {"no hold has the id 'X'; take it from the decision that reserved it."}
    assert ledger.hold(hold.hold_id, tenant="a") == hold


def test_tenants_share_no_counter_but_the_global_one(ledger):
    limits = [Limit(ANN, "day", 100), Limit(TENANT, "day", 100)]
    for tenant in ("a", "b"):
        ledger.reserve(asking(tenant=tenant, scopes=(GLOBAL, TENANT, ANN)), limits)
    assert [used(ledger, scope, tenant="a") for scope in (ANN, TENANT, GLOBAL)] == [(0, 100), (0, 100), (0, 200)]
    assert [entry.tenant for entry in ledger.entries(tenant="b")] == ["b"]
    ledger.freeze(ANN, "stop", tenant="a")
    assert ledger.reserve(asking("k2", 0, tenant="b")).state == "open"


def test_a_heartbeat_keeps_a_live_stream_from_being_presumed(ledger, clock):
    hold = ledger.reserve(asking())
    longer = ledger.heartbeat(hold.hold_id, NOON + timedelta(minutes=9))
    assert longer.expires_at == NOON + timedelta(minutes=9)
    assert ledger.heartbeat(hold.hold_id, NOON) == longer
    clock.step(minutes=6)
    assert ledger.expire() == 0
    with pytest.raises(InvalidBudget, match="at most a day after it was opened"):
        ledger.heartbeat(hold.hold_id, NOON + timedelta(days=1, seconds=1))
    clock.step(minutes=3)
    assert ledger.expire() == 1
    with pytest.raises(HoldConflict, match="can't be kept open"):
        ledger.heartbeat(hold.hold_id, NOON + timedelta(hours=2))


def test_a_hold_stays_in_the_window_in_which_it_was_opened(ledger, clock):
    clock.now = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    limits = [Limit(GLOBAL, "day", 100)]
    hold = ledger.reserve(asking("old", expires_at=clock.now + timedelta(minutes=5)), limits)
    clock.step(microseconds=1)
    ledger.reserve(asking("new", expires_at=clock.now + timedelta(minutes=5)), limits)
    ledger.settle(hold.hold_id, Amount(90), key="s")
    eve = clock.now - timedelta(seconds=1)
    assert [used(ledger, window=window, at=eve) for window in ("day", "month")] == [(90, 0), (90, 0)]
    assert [used(ledger, window=window) for window in ("day", "month", "total")] == [(0, 100), (0, 100), (90, 100)]


def test_a_clock_that_steps_back_forgets_nothing(ledger, clock):
    limits = [Limit(GLOBAL, "day", 100)]
    ledger.reserve(asking("a", 70), limits)
    clock.step(days=1)
    ledger.reserve(asking("b", 70), limits)
    clock.step(days=-1)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(asking("c", 70), limits)


def test_a_limit_of_a_scope_that_the_request_does_not_name_is_refused(ledger):
    with pytest.raises(InvalidBudget, match="of a scope that the request doesn't name"):
        ledger.reserve(asking(scopes=(GLOBAL,)), [Limit(ANN, "day", 100)])
    with pytest.raises(InvalidBudget, match="two limits for one scope and window"):
        ledger.reserve(asking(), [Limit(ANN, "day", 100), Limit(ANN, "day", 50)])


def test_a_refusal_does_not_touch_its_neighbours(ledger):
    limits = [Limit(GLOBAL, "day", 100)]
    holds = [ledger.reserve(asking("a", 100), limits)]
    with pytest.raises(BudgetExceeded):
        ledger.reserve(asking("b", 1), limits)
    ledger.void(holds[0].hold_id, "not_sent", key="v")
    assert ledger.reserve(asking("b", 1), limits).state == "open"


def test_what_was_written_is_there_after_a_restart(url, clock):
    with open_ledger(url, clock=clock) as ledger:
        hold = ledger.reserve(asking())
    with pytest.raises(LedgerUnavailable, match="closed"):
        ledger.settle(hold.hold_id, Amount(1), key="s")
    with open_ledger(url, clock=clock) as ledger:
        assert ledger.hold(hold.hold_id) == hold
        assert ledger.settle(hold.hold_id, Amount(1), key="s").state == "settled"
        assert used(ledger) == (1, 0)


def test_what_is_queued_at_shutdown_is_written_before_it(url, clock):
    ledger = open_ledger(url, clock=clock)
    answers = [ledger.submit(Reserve(asking(f"k{number}"))) for number in range(50)]
    ledger.close()
    assert {answer.result(0).state for answer in answers} == {"open"}
    with open_ledger(url, clock=clock) as again:
        assert used(again) == (0, 5000)


def test_several_replicas_that_open_and_repair_the_ledger_do_not_multiply_what_was_spent(url, clock):
    with open_ledger(url, clock=clock) as one, open_ledger(url, clock=clock) as other:
        hold = one.reserve(asking())
        assert [replica.reconcile(repair=True) for replica in (one, other, one)] == [[], [], []]
        other.settle(hold.hold_id, Amount(60), key="s")
        assert (used(one), used(other)) == ((60, 0), (60, 0))


@pytest.mark.parametrize("then", [1, 60, 10**9])
def test_a_limit_that_changes_strands_no_hold(ledger, then):
    hold = ledger.reserve(asking(), [Limit(GLOBAL, "day", 100)])
    ledger.limits.put(Limit(GLOBAL, "day", then), changed_by="eve")
    assert ledger.settle(hold.hold_id, Amount(60), key="s").state == "settled"
    fits = ledger.usage(GLOBAL, "day").posted.nanousd + 1 <= then
    try:
        ledger.reserve(asking("k2", 1), ledger.limits.limits())
    except BudgetExceeded:
        assert not fits
    else:
        assert fits


def test_a_fork_of_the_process_that_opened_the_ledger_is_told_to_open_its_own(ledger, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(LedgerUnavailable, match="open it in each process"):
        ledger.reserve(asking())


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_hold_id_belongs_to_one_tenant_and_key(tenant, key):
    assert hold_id_of("a" + tenant, key, 0) != hold_id_of(tenant, "a" + key, 0) or tenant == key == ""
