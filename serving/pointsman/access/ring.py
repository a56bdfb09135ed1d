"""The keys that count, in memory: a request's key is checked without the database."""

import hmac
import logging
import threading
from collections.abc import Callable
from datetime import date, datetime
from typing import Final, Protocol

import msgspec

from pointsman.access.records import StoredKey
from pointsman.access.tokens import TOKEN_CHARACTERS, digest_of, fingerprint_of, id_of
from pointsman.access.words import NO_LIMITS, Principal, Rates
from pointsman.errors import LedgerUnavailable, Unauthenticated

STALE_AFTER_S: Final = 60.0
REFRESH_S: Final = 1.0
_LOG: Final = logging.getLogger("pointsman.access")
_REFUSAL: Final = (
    "The key isn't known, or no longer counts. Send a key of this deployment as Authorization: Bearer pm-..., or as "
    "x-api-key; an admin makes them with: pointsman keys create"
)
_NO_DIGEST: Final = bytes(32)
_NOBODY: Final = StoredKey(Principal(role="read-only"), _NO_DIGEST, None, None, None, "")


class KeyStore(Protocol):
    """Where keys are stored, as far as a ring asks; everything raises LedgerUnavailable where it can't be reached."""

    def changes(self) -> int:
        """Return how often keys or users were changed."""
        ...

    def usable(self) -> list[StoredKey]:
        """Return every key that isn't revoked."""
        ...

    def mark_used(self, key_ids: set[str], day: date) -> None:
        """Keep the last day on which keys were used."""
        ...


class KeyRing:
    """Says whose a key is, from memory, which `refresh` brings up to date: what it finds counts from then on.

    `now` is the moment that expiry is judged by, `clock` gives seconds that never go back. `defaults` are the rates of
    keys that have none of their own. A ring that couldn't be refreshed for `STALE_AFTER_S` refuses every key.
    """

    def __init__(
        self,
        store: KeyStore,
        secret: bytes,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        defaults: Rates = NO_LIMITS,
    ) -> None:
        self._store = store
        self._secret = secret
        self._now = now
        self._clock = clock
        self._defaults = defaults
        self._keys: dict[str, StoredKey] = {}
        self._changes: int | None = None
        self._fresh_at: float | None = None
        self._used: dict[str, date] = {}
        self._unmarked: set[str] = set()
        self._refreshing = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"

    def principal(self, token: str) -> Principal:
        """Return whose the key is.

        The work and the message are the same for a key that is unknown, wrong, revoked or expired.

        Raises:
            Unauthenticated: it doesn't count.
            LedgerUnavailable: the keys in memory are too old to be believed.
        """
        if self._fresh_at is None or self._clock() - self._fresh_at > STALE_AFTER_S:
            raise LedgerUnavailable(
                "the keys couldn't be read from the database for a minute, so that none is believed. Try again.",
                retry_after_s=1,
            )
        shown = token[: TOKEN_CHARACTERS + 1]
        found = self._keys.get(id_of(shown), _NOBODY)
        digest, now = digest_of(self._secret, shown), self._now()
        is_present = hmac.compare_digest(digest, found.digest)
        is_previous = hmac.compare_digest(digest, found.previous or _NO_DIGEST)
        counts_still = found.previous_until is not None and now < found.previous_until
        is_alive = found.expires is None or now < found.expires
        if found is _NOBODY or not ((is_present or (is_previous and counts_still)) and is_alive):
            raise Unauthenticated(_REFUSAL)
        self._note_use(found.principal.key or "", now.date())
        return found.principal

    def refresh(self) -> bool:
        """Read the keys again where they were changed; return whether they were.

        Raises:
            LedgerUnavailable: the database can't be used; the keys stay as they were.
        """
        with self._refreshing:
            began, changes = self._clock(), self._store.changes()
            is_changed = changes != self._changes
            if is_changed:
                self._take(self._store.usable())
                self._changes = changes
            self._fresh_at = began
            self._mark_used()
            return is_changed

    def _take(self, stored: list[StoredKey]) -> None:
        self._keys = {one.principal.key or "": self._with_defaults(one) for one in stored}
        self._used = {key_id: day for key_id, day in self._used.items() if key_id in self._keys}
        own = fingerprint_of(self._secret)
        foreign = sum(one.fingerprint != own for one in stored)
        if foreign:
            _LOG.error(
                "%d of %d keys were stored under another secret than this server's, and are refused: "
                "give it theirs (keys.secret), or rotate them",
                foreign,
                len(stored),
            )

    def _with_defaults(self, stored: StoredKey) -> StoredKey:
        own, defaults = stored.principal.rates, self._defaults
        rates = Rates(
            own.requests_per_minute or defaults.requests_per_minute, own.tokens_per_minute or defaults.tokens_per_minute
        )
        return msgspec.structs.replace(stored, principal=msgspec.structs.replace(stored.principal, rates=rates))

    def _note_use(self, key_id: str, day: date) -> None:
        if self._used.get(key_id) != day:
            self._used[key_id] = day
            self._unmarked.add(key_id)

    def _mark_used(self) -> None:
        if not self._unmarked:
            return
        taken = set(self._unmarked)
        self._store.mark_used(taken, self._now().date())
        self._unmarked -= taken  # in place: requests go on adding to it
