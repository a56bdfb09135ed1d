"""The words of the cache: an answer that is kept, and one that was found."""

from typing import Literal

import msgspec

from pointsman.chat import Protocol
from pointsman.registry import TokenUsage

HitKind = Literal["exact", "semantic"]


class Answer(msgspec.Struct, frozen=True):
    """A whole answer as a provider gave it: its body in `protocol`, never a stream, and what it cost then.

    `usage` is None where the provider stated none; `created_us` is microseconds since 1970 (UTC).
    """

    body: bytes
    protocol: Protocol
    model: str
    usage: TokenUsage | None
    cost_nanousd: int
    created_us: int

    def __repr__(self) -> str:
        """Show everything but the answer's words."""
        return f"Answer({len(self.body)} bytes of {self.protocol}, model={self.model!r}, created_us={self.created_us})"


class Cached(msgspec.Struct, frozen=True):
    """An answer that was found. `similarity` is the cosine of the two questions, 1.0 where the words are the same."""

    answer: Answer
    kind: HitKind
    similarity: float
    age_s: float

    @property
    def body(self) -> bytes:
        """The answer's body, in `protocol`."""
        return self.answer.body

    @property
    def protocol(self) -> Protocol:
        """The shape of the body."""
        return self.answer.protocol

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.answer.model

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens that weren't bought again."""
        return self.answer.usage

    @property
    def cost_nanousd(self) -> int:
        """What the answer cost when it was bought."""
        return self.answer.cost_nanousd

    @property
    def created_us(self) -> int:
        """When it was bought, in microseconds since 1970 (UTC)."""
        return self.answer.created_us


class Question(msgspec.Struct, frozen=True):
    """The last user turn, and the digest of everything around it: `place`. Only questions of one place are alike."""

    place: bytes
    text: str

    def __repr__(self) -> str:
        """Show where it was asked, not what."""
        return f"Question(place={self.place.hex()}, {len(self.text)} characters)"


class Entry(msgspec.Struct, frozen=True):
    """An answer with what it answers.

    `digest` identifies the request; `question` is None where only the very same request may be answered. `embedding` is
    the question's, float32 as bytes, None where it isn't known yet. `number` is its row in the store, None before.
    """

    tenant: str
    digest: bytes
    answer: Answer
    question: Question | None = None
    embedding: bytes | None = None
    number: int | None = None


class CacheCount(msgspec.Struct):
    """How many lookups of one kind there were, and what they saved."""

    lookups: int = 0
    tokens_saved: int = 0
    saved_nanousd: int = 0

    def add(self, other: "CacheCount") -> None:
        """Add another count to this one."""
        self.lookups += other.lookups
        self.tokens_saved += other.tokens_saved
        self.saved_nanousd += other.saved_nanousd


class CacheStatistics(msgspec.Struct, frozen=True):
    """What the cache did for a tenant. `hit_rate` is hits per lookup, None before the first."""

    entries: int
    exact_hits: int
    semantic_hits: int
    misses: int
    hit_rate: float | None
    tokens_saved: int
    saved_nanousd: int


def statistics(entries: int, counts: dict[str, CacheCount]) -> CacheStatistics:
    """Return the statistics of counts by kind: "exact", "semantic" and "miss"."""
    exact, semantic, miss = (counts.get(kind, CacheCount()) for kind in ("exact", "semantic", "miss"))
    hits = exact.lookups + semantic.lookups
    return CacheStatistics(
        entries=entries,
        exact_hits=exact.lookups,
        semantic_hits=semantic.lookups,
        misses=miss.lookups,
        hit_rate=hits / (hits + miss.lookups) if hits + miss.lookups else None,
        tokens_saved=exact.tokens_saved + semantic.tokens_saved,
        saved_nanousd=exact.saved_nanousd + semantic.saved_nanousd,
    )
