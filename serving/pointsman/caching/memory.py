"""Everything that is cached, as one process has it in memory: by request, by wording, and by meaning."""

from typing import Final

import numpy as np

from pointsman.caching.digest import seed_digest
from pointsman.caching.guard import difference
from pointsman.caching.nearest import Neighbourhood, Vector
from pointsman.caching.shelf import Shelf
from pointsman.caching.wording import wording
from pointsman.caching.words import Entry, Question

LONGEST_QUESTION: Final = 600
"""Characters; the encoder's window holds not many more, so of longer questions only the same words are the same."""
_TRIED: Final = 5
"""Nearest questions that the guard looks at before a lookup is a miss."""

_Place = tuple[str, bytes]


class AnswerMemory:
    """At most `max_entries` entries, each for `ttl_us`; not safe between threads.

    Moments are microseconds since 1970 (UTC).
    """

    def __init__(self, max_entries: int, ttl_us: int) -> None:
        self._shelf = Shelf(max_entries)
        self._ttl_us = ttl_us
        self._digests: dict[_Place, dict[str, bytes]] = {}
        self._near: dict[_Place, Neighbourhood] = {}
        self.has_seeds = False

    def __len__(self) -> int:
        return len(self._shelf)

    def count(self, tenant: str | None) -> int:
        """Return how many entries the tenant has; None: all tenants."""
        return self._shelf.count(tenant)

    def add(self, entry: Entry) -> None:
        """Keep an entry in place of that of the same request; what is one too many leaves."""
        for gone in self._shelf.add(entry):
            self._forget(gone)
        question = entry.question
        if question is None or self._shelf.peek(entry.tenant, entry.digest) is not entry:
            return
        self.has_seeds = self.has_seeds or entry.digest == seed_digest(question)
        place = (entry.tenant, question.place)
        self._digests.setdefault(place, {})[wording(question.text)] = entry.digest
        if entry.embedding is not None and len(question.text) <= LONGEST_QUESTION:
            vector = np.frombuffer(entry.embedding, dtype=np.float32)
            self._near.setdefault(place, Neighbourhood()).add(entry.digest, vector)

    def holds(self, entry: Entry) -> bool:
        """Return whether this very entry is still there."""
        return self._shelf.peek(entry.tenant, entry.digest) is entry

    def clear(self, tenant: str | None) -> int:
        """Forget the entries of a tenant (None: all); return how many."""
        entries = list(self._shelf.of(tenant))
        for entry in entries:
            self._remove(entry)
        return len(entries)

    def expire(self, now_us: int) -> None:
        """Forget what is older than its time."""
        for entry in self._shelf.of(None):
            if now_us - entry.answer.created_us >= self._ttl_us:
                self._remove(entry)

    def same(self, tenant: str, digest: bytes, now_us: int, max_age_us: float) -> Entry | None:
        """Return the entry of this very request, no older than `max_age_us`; None where there is none."""
        entry = self._shelf.get(tenant, digest)
        return entry if entry is not None and self._is_fresh(entry, now_us, max_age_us) else None

    def same_words(self, tenant: str, question: Question, now_us: int, max_age_us: float) -> Entry | None:
        """Return the entry of this question in other dress: spaces, capitals, courtesy."""
        digest = self._digests.get((tenant, question.place), {}).get(wording(question.text))
        return None if digest is None else self.same(tenant, digest, now_us, max_age_us)

    def has_questions(self, tenant: str, place: bytes) -> bool:
        """Return whether something was asked in this place."""
        return (tenant, place) in self._digests

    def alike(
        self, tenant: str, question: Question, vector: Vector, at_least: float, now_us: int, max_age_us: float
    ) -> tuple[Entry, float] | None:
        """Return the nearest entry that the guard lets pass, with its cosine, which is `at_least` so much."""
        near = self._near.get((tenant, question.place))
        if near is None or len(question.text) > LONGEST_QUESTION:
            return None
        for digest, cosine in near.nearest(vector, at_least=at_least, most=_TRIED):
            entry = self._shelf.peek(tenant, digest)
            if entry is None or entry.question is None or not self._is_fresh(entry, now_us, max_age_us):
                continue
            if difference(entry.question.text, question.text) is None:
                self._shelf.get(tenant, digest)
                return entry, cosine
        return None

    def _is_fresh(self, entry: Entry, now_us: int, max_age_us: float) -> bool:
        age_us = now_us - entry.answer.created_us
        return age_us < self._ttl_us and age_us <= max_age_us

    def _remove(self, entry: Entry) -> None:
        self._shelf.remove(entry.tenant, entry.digest)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        question = entry.question
        if question is None:
            return
        place = (entry.tenant, question.place)
        digests, near = self._digests.get(place, {}), self._near.get(place)
        words = wording(question.text)
        if digests.get(words) == entry.digest:
            del digests[words]
            if not digests:
                self._digests.pop(place, None)
        if near is not None:
            near.remove(entry.digest)
            if not len(near):
                self._near.pop(place, None)
