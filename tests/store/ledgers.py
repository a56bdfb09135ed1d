"""What the tests of the ledger share: a clock that a test sets, and a way to ask for a hold."""

from datetime import UTC, datetime, timedelta

from pointsman.budget import GLOBAL, Amount, HoldRequest, Scope

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = Scope("user", "ann")


class Clock:
    """The time that a test says it is."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now

    def step(self, **delta):
        self.now += timedelta(**delta)


def asking(key="k1", amount=100, scopes=(GLOBAL, ANN), **more):
    """Return a request to hold so many nano-USD until five past noon."""
    held = amount if isinstance(amount, Amount) else Amount(amount)
    return HoldRequest(key, tuple(scopes), held, **{"expires_at": NOON + timedelta(minutes=5)} | more)
