from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from pointsman.access import KeyRing, Principal, StoredKey
from pointsman.access.tokens import digest_of, fingerprint_of, new_token
from pointsman.errors import LedgerUnavailable

SECRET = b"the secret of this deployment"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """Keys in memory, in the place of a database, and the clocks that a test sets."""

    stored: list = field(default_factory=list)
    used: list = field(default_factory=list)
    count: int = 0
    reads: int = 0
    is_gone: bool = False
    seconds: float = 1000.0

    def put(self, token, *, secret=SECRET, **more):
        principal = more.pop("principal", None) or Principal(role="member", key=token[3:11], user="ann")
        fields = {"expires": None, "previous": None, "previous_until": None, "fingerprint": fingerprint_of(secret)}
        self.stored.append(StoredKey(principal, digest_of(secret, token), **fields | more))
        self.count += 1

    def changes(self):
        if self.is_gone:
            raise LedgerUnavailable("the database is gone")
        return self.count

    def usable(self):
        self.reads += 1
        return list(self.stored)

    def mark_used(self, key_ids, day):
        self.used.append((key_ids, day))

    def now(self):
        return NOON + timedelta(seconds=self.seconds - 1000)


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def ring(shelf):
    made = KeyRing(shelf, SECRET, now=shelf.now, clock=lambda: shelf.seconds)
    made.refresh()
    return made


@pytest.fixture
def token(shelf, ring):
    """Return a key that counts."""
    made = new_token(lambda count: bytes(range(count)))
    shelf.put(made)
    ring.refresh()
    return made
