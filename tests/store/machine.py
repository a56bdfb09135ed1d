"""A state machine that does anything to a ledger, in any order, beside a plain model of what must come of it.

`test_state_machine.py` runs a few rounds of it, `make bench-ledger` ten thousand.
"""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from ledgers import Clock, asking

from pointsman.budget import GLOBAL, Amount, Limit, Scope, window_id
from pointsman.budget.books import hold_id_of
from pointsman.errors import LedgerUnavailable, PointsmanError
from pointsman.store import Writing, open_ledger
from pointsman.store.backend import FAILPOINTS, Gone

SCOPES = (GLOBAL, Scope("user", "ann"), Scope("user", "bob"), Scope("tier", "simple"))
WINDOWS = ("day", "month", "total")
AMOUNTS = st.integers(0, 60)
# The last second of a leap day, of a leap second's day, and both sides of a change to and from daylight saving.
TURNS = (
    datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
    datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 0, 1, tzinfo=UTC),
)
STEPS = st.one_of(
    st.sampled_from(TURNS),
    st.sampled_from([timedelta(seconds=s) for s in (-90_000, -3600, -1, 1, 200, 3600, 90_000, 3_000_000)]),
)


@dataclass
class Modelled:
    """A hold, as the model knows it."""

    opened: datetime
    expires: datetime
    amount: int
    scopes: tuple[Scope, ...]
    state: str = "open"
    bill: int = 0
    ended_by: str = ""


class BudgetMachine(RuleBasedStateMachine):
    """Runs on a SQLite file; what the ledger answers and holds must be what the model says."""

    holds = Bundle("holds")
    empty: Path

    @initialize(limits=st.lists(st.tuples(st.sampled_from(SCOPES), st.sampled_from(WINDOWS), st.integers(0, 200))))
    def start(self, limits):
        self.folder = Path(tempfile.mkdtemp(prefix="machine"))
        self.url = f"sqlite:///{self.folder}/ledger.db"
        shutil.copy(self.empty, self.folder / "ledger.db")
        self.limits = [Limit(*key, amount) for key, amount in {limit[:2]: limit[2] for limit in limits}.items()]
        self.clock, self.model, self.frozen, self.armed = Clock(), {}, set(), []
        self.ledger = None
        self.open()

    def open(self):
        if self.ledger is not None:
            self.ledger.close()
        self.ledger = open_ledger(self.url, clock=self.clock, writing=Writing(failpoint=self.failpoint), timeout_s=60)

    def failpoint(self, name):
        if self.armed and self.armed[0] == name:
            raise Gone(f"crash at {self.armed.pop(0)}")

    def teardown(self):
        if hasattr(self, "ledger"):
            try:
                assert self.ledger.reconcile() == []
            finally:
                self.ledger.close()
                shutil.rmtree(self.folder)

    def attempt(self, act, is_allowed):
        """Return whether it happened: if the model allows it, and no crash came before the commit."""
        crash = self.armed[0] if self.armed else None
        try:
            act()
        except LedgerUnavailable:
            return is_allowed and crash == "committed"
        except PointsmanError:
            assert not is_allowed
            return False
        finally:
            self.armed.clear()
        assert is_allowed
        return True

    def count(self, scope, name):
        """Return (posted, held) of the scope's window, summed over all holds of the model."""
        mine = [
            hold
            for hold in self.model.values()
            if scope in hold.scopes and any(window_id(window, hold.opened) == name for window in WINDOWS)
        ]
        return sum(hold.bill for hold in mine), sum(hold.amount for hold in mine if hold.state == "open")

    @rule(target=holds, number=st.integers(0, 9), amount=AMOUNTS, others=st.sets(st.sampled_from(SCOPES[1:])))
    def reserve(self, number, amount, others):
        scopes, now, key = (GLOBAL, *sorted(others)), self.clock.now, f"k{number}"
        limits = [limit for limit in self.limits if limit.scope in scopes]
        used = [sum(self.count(limit.scope, window_id(limit.window, now))) for limit in limits]
        fits = all(count + amount <= limit.amount for count, limit in zip(used, limits, strict=True))
        request = asking(key, amount, scopes, expires_at=now + timedelta(minutes=5))
        is_allowed = key in self.model or (fits and not self.frozen & set(scopes))
        happened = self.attempt(lambda: self.ledger.reserve(request, limits), is_allowed)
        if not happened or key in self.model:
            return multiple()
        self.model[key] = Modelled(now, request.expires_at, amount, scopes)
        return key

    def id_of(self, key):
        return hold_id_of("default", key, 0)

    def end(self, hold, state, bill, ended_by):
        hold.state = "corrected" if hold.state == "presumed" else state
        hold.bill, hold.ended_by = bill, ended_by
        if bill > hold.amount:
            self.frozen.add(max(hold.scopes, key=lambda scope: scope.narrowness))

    @rule(key=holds, bill=AMOUNTS)
    def settle(self, key, bill):
        hold, by = self.model[key], f"s{bill}"
        is_live = hold.state in ("open", "presumed")
        is_allowed = not bill == 0 < hold.amount if is_live else hold.ended_by == by
        if self.attempt(lambda: self.ledger.settle(self.id_of(key), Amount(bill), key=by), is_allowed) and is_live:
            self.end(hold, "settled", bill, by)

    @rule(key=holds)
    def void(self, key):
        hold = self.model[key]
        is_live = hold.state in ("open", "presumed")
        is_allowed = is_live or hold.ended_by == "v"
        if self.attempt(lambda: self.ledger.void(self.id_of(key), "not_sent", key="v"), is_allowed) and is_live:
            self.end(hold, "voided", 0, "v")

    @rule(key=holds, bill=AMOUNTS)
    def correct(self, key, bill):
        hold, by = self.model[key], f"c{bill}"
        is_live = hold.state == "presumed"
        act = partial(self.ledger.correct, self.id_of(key), Amount(bill), "invoice", key=by)
        if self.attempt(act, is_live or hold.ended_by == by) and is_live:
            self.end(hold, "corrected", bill, by)

    @rule(key=holds, minutes=st.integers(-5, 60))
    def keep_alive(self, key, minutes):
        hold, until = self.model[key], self.clock.now + timedelta(minutes=minutes)
        is_allowed = hold.state == "open" and until <= hold.opened + timedelta(days=1)
        if self.attempt(lambda: self.ledger.heartbeat(self.id_of(key), until), is_allowed):
            hold.expires = max(hold.expires, until)

    @rule()
    def an_hour_passes(self):
        self.clock.step(hours=1)
        self.expire()

    @rule()
    def expire(self):
        if self.attempt(self.ledger.expire, True):
            for hold in self.model.values():
                if hold.state == "open" and hold.expires <= self.clock.now:
                    self.end(hold, "presumed", hold.amount, "expiry")

    @rule(step=STEPS)
    def step_the_clock(self, step):
        self.clock.now = step if isinstance(step, datetime) else self.clock.now + step

    @rule(name=st.sampled_from(FAILPOINTS[1:]), times=st.sampled_from([1, 2]))
    def lose_the_connection_soon(self, name, times):
        self.armed[:] = [name] * times

    @rule()
    def restart(self):
        self.armed.clear()
        self.open()

    @rule()
    def unfreeze(self):
        self.armed.clear()
        for scope in self.frozen:
            assert self.ledger.unfreeze(scope, "looked into")
        self.frozen.clear()

    @invariant()
    def the_ledger_is_the_model(self):
        for scope in SCOPES:
            for window in WINDOWS:
                usage = self.ledger.usage(scope, window)
                assert (usage.posted.nanousd, usage.held.nanousd) == self.count(scope, usage.window_id)
        assert {freeze.scope for freeze in self.ledger.freezes()} == self.frozen
        for key, hold in self.model.items():
            assert self.ledger.hold(self.id_of(key)).state == hold.state
