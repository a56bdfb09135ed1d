"""How the caches of several processes become one: what is put is written, what others wrote is read."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.caching.memory import AnswerMemory
from pointsman.caching.nearest import Vector
from pointsman.caching.words import CacheCount, Cached, Entry
from pointsman.errors import LedgerUnavailable

if TYPE_CHECKING:
    from pointsman.store import StoredAnswers

MAX_WAITING: Final = 10_000
"""Answers that wait for a database that is gone; the oldest are given up."""
PRUNE_EVERY: Final = 60
"""Syncs between two prunings."""
_LOG: Final = logging.getLogger("pointsman.cache")


class Sharing:
    """What one process has for the others, and takes from them; `lock` guards the memory and what waits.

    `waiting` are entries that aren't written yet. `vector_of` gives a text's embedding, None where only the very same
    request is to be found.
    """

    def __init__(
        self,
        store: "StoredAnswers | None",
        memory: AnswerMemory,
        lock: threading.Lock,
        vector_of: Callable[[str], Vector | None],
        ttl_us: int,
        max_entries: int,
    ) -> None:
        self._store = store
        self._memory = memory
        self._lock = lock
        self._vector_of = vector_of
        self._ttl_us = ttl_us
        self._max_entries = max_entries
        self._one_sync = threading.Lock()
        self.waiting: deque[Entry] = deque(maxlen=MAX_WAITING)
        self._used_us: dict[int, int] = {}
        self._counts: dict[tuple[str, str], CacheCount] = {}
        self._clears: dict[str, int] | None = None
        self._number = 0
        self._syncs = 0
        self._is_failing = False

    def count(self, tenant: str, found: Cached | None) -> None:
        """Count a lookup and what it saved."""
        kind = "miss" if found is None else found.kind
        usage = None if found is None else found.usage
        tokens = 0 if usage is None else usage.input_tokens + usage.output_tokens
        one = CacheCount(1, tokens, 0 if found is None else found.cost_nanousd)
        with self._lock:
            self._counts.setdefault((tenant, kind), CacheCount()).add(one)

    def used(self, entry: Entry, now_us: int) -> None:
        """Note when an entry was used."""
        if entry.number is not None:
            with self._lock:
                self._used_us[entry.number] = now_us

    def sync(self, now_us: int) -> None:
        """Embed and write what waits, and read what others wrote; a database that fails is tried again by the next."""
        with self._one_sync:
            with self._lock:
                self._memory.expire(now_us)
                entries = list(self.waiting)
                self.waiting.clear()
            embedded = [self._embedded(entry) for entry in entries]
            if self._store is None:
                return
            try:
                self._share(self._store, embedded, now_us)
            except LedgerUnavailable as error:
                self._failed(embedded, error)
            else:
                self._is_failing = False

    def clear(self, tenant: str | None) -> int:
        """Forget the entries of a tenant (None: of all) here and in the store; return how many."""
        with self._one_sync:
            with self._lock:
                count = self._forget(tenant)
            return count if self._store is None else self._store.clear(tenant)

    def entries(self, tenant: str | None) -> int:
        """Return how many entries the tenant has, here or in the store; None: all tenants."""
        if self._store is not None and not self._is_failing:
            return self._store.count(tenant)
        with self._lock:
            return self._memory.count(tenant)

    def counts(self, tenant: str | None) -> dict[str, CacheCount]:
        """Return what lookups of a tenant (None: of all) came to, by kind; of all processes where there is a store."""
        shared = self._store is not None and not self._is_failing
        found = self._store.counts(tenant) if self._store is not None and shared else {}
        with self._lock:
            for (name, kind), count in self._counts.items():
                if tenant is None or name == tenant:
                    found.setdefault(kind, CacheCount()).add(count)
        return found

    def close(self) -> None:
        """Let go of the database."""
        if self._store is not None:
            self._store.close()

    def _share(self, store: "StoredAnswers", entries: list[Entry], now_us: int) -> None:
        self._drop_cleared(store, entries)
        store.add(entries)
        entries.clear()
        with self._lock:
            used_us, self._used_us = self._used_us, {}
            counts, self._counts = self._counts, {}
        try:
            store.touch(used_us)
            store.add_counts(counts)
        except LedgerUnavailable:
            with self._lock:
                for place, count in counts.items():
                    self._counts.setdefault(place, CacheCount()).add(count)
            raise
        self._syncs += 1
        if self._syncs % PRUNE_EVERY == 1:
            store.prune(now_us - self._ttl_us, self._max_entries)
        self._read(store, now_us)

    def _drop_cleared(self, store: "StoredAnswers", entries: list[Entry]) -> None:
        """Forget what was cleared since the last sync, by whomever, and take it out of what is to be written."""
        clears = store.clears()
        known, self._clears = self._clears, clears
        if known is None or known == clears:
            return
        changed = {tenant for tenant, times in clears.items() if known.get(tenant) != times}
        with self._lock:
            for tenant in changed:
                self._forget(tenant or None)
        self._number = 0
        entries[:] = [entry for entry in entries if not changed & {entry.tenant, ""}]

    def _read(self, store: "StoredAnswers", now_us: int) -> None:
        while rows := store.after(self._number, now_us - self._ttl_us):
            for entry in rows:
                self._embedded(entry, is_new=True)
            self._number = rows[-1].number or 0

    def _embedded(self, entry: Entry, *, is_new: bool = False) -> Entry:
        """Return the entry with its question's embedding, which is then in memory as well."""
        vector = None
        if entry.question is not None and entry.embedding is None:
            vector = self._vector_of(entry.question.text)
        found = entry if vector is None else msgspec.structs.replace(entry, embedding=vector.tobytes())
        with self._lock:
            if is_new or (found is not entry and self._memory.holds(entry)):
                self._memory.add(found)
        return found

    def _forget(self, tenant: str | None) -> int:
        kept = [] if tenant is None else [entry for entry in self.waiting if entry.tenant != tenant]
        self.waiting.clear()
        self.waiting.extend(kept)
        return self._memory.clear(tenant)

    def _failed(self, entries: list[Entry], error: LedgerUnavailable) -> None:
        with self._lock:
            self.waiting.extendleft(reversed(entries))
        if not self._is_failing:
            _LOG.warning("the cache goes on in memory only: %s", error.message)
        self._is_failing = True
