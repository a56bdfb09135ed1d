"""The entries in memory: by tenant and digest, the least recently used leaving first."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from pointsman.caching.words import Entry

MAX_BYTES: Final = 64 << 20


class Shelf:
    """At most `max_entries` entries and `max_bytes` of answers, of all tenants together. Not safe between threads.

    What has to leave is taken from the tenant with the most entries, so that one tenant's flood never empties another
    tenant's cache.
    """

    def __init__(self, max_entries: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._by_tenant: dict[str, OrderedDict[bytes, Entry]] = {}
        self._entries = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._entries

    def count(self, tenant: str | None) -> int:
        """Return how many entries the tenant has; None: all tenants."""
        return self._entries if tenant is None else len(self._by_tenant.get(tenant, ()))

    def get(self, tenant: str, digest: bytes) -> Entry | None:
        """Return the entry, which counts as used from then on; None where there is none."""
        entries = self._by_tenant.get(tenant)
        if entries is None or digest not in entries:
            return None
        entries.move_to_end(digest)
        return entries[digest]

    def peek(self, tenant: str, digest: bytes) -> Entry | None:
        """Return the entry without counting that as a use."""
        entries = self._by_tenant.get(tenant)
        return None if entries is None else entries.get(digest)

    def add(self, entry: Entry) -> list[Entry]:
        """Add an entry, in place of that of the same digest; return the entries that left, the replaced one first."""
        gone = []
        replaced = self.remove(entry.tenant, entry.digest)
        if replaced is not None:
            gone.append(replaced)
        self._by_tenant.setdefault(entry.tenant, OrderedDict())[entry.digest] = entry
        self._entries += 1
        self._bytes += len(entry.answer.body)
        while self._entries > self._max_entries or self._bytes > self._max_bytes:
            gone.append(self._evicted())
        return gone

    def remove(self, tenant: str, digest: bytes) -> Entry | None:
        """Take an entry out and return it; None where there is none."""
        entries = self._by_tenant.get(tenant)
        entry = None if entries is None else entries.pop(digest, None)
        if entry is None or entries is None:
            return None
        if not entries:
            del self._by_tenant[tenant]
        self._entries -= 1
        self._bytes -= len(entry.answer.body)
        return entry

    def of(self, tenant: str | None) -> Iterator[Entry]:
        """Yield the entries of a tenant, the least recently used first; None: of all tenants."""
        found = self._by_tenant.values() if tenant is None else [self._by_tenant.get(tenant, OrderedDict())]
        for entries in list(found):
            yield from list(entries.values())

    def _evicted(self) -> Entry:
        tenant = max(self._by_tenant, key=lambda name: len(self._by_tenant[name]))
        gone = self.remove(tenant, next(iter(self._by_tenant[tenant])))
        assert gone is not None
        return gone
