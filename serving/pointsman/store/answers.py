"""The cache in the database: answers, when they were cleared, and what they saved; shared by all processes.

Rows are numbered in the order in which they were committed, so that a process finds what others added since it last
looked. Raises LedgerUnavailable where the database can't be used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.engine import Row

from pointsman.caching.words import Answer, CacheCount, Entry, Question
from pointsman.registry import TokenUsage
from pointsman.store.database import Database
from pointsman.store.tables import CACHE_CLEARS, CACHE_COUNTS, CACHED_ANSWERS

T = TypeVar("T")
AT_ONCE: Final = 1000
EVERYONE: Final = ""
"""The tenant under which a clearing of all tenants is written."""
_ONE_AT_A_TIME: Final = 7_015_743
"""The advisory lock of those who write: on PostgreSQL, else, a lower number could be committed after a higher one."""

_ANSWERS: Final = CACHED_ANSWERS.c
_COUNTS: Final = CACHE_COUNTS.c


class StoredAnswers:
    """The rows of the cache. `encoder` names what made the embeddings; those of another one aren't read."""

    def __init__(self, database: Database, encoder: str = "") -> None:
        self._database = database
        self._encoder = encoder

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep entries, each in place of that of the same request."""
        rows = [_row(entry, self._encoder) for entry in {(one.tenant, one.digest): one for one in entries}.values()]
        if rows:
            self._write(lambda connection: _replaced(connection, rows))

    def after(self, number: int, since_us: int) -> list[Entry]:
        """Return entries with a higher number that were made after that moment, in the order of numbers."""
        query = select(CACHED_ANSWERS).where(_ANSWERS.number > number, _ANSWERS.created_us > since_us)
        ordered = query.order_by(_ANSWERS.number).limit(AT_ONCE)
        return [self._entry(row) for row in self._database.read(lambda connection: connection.execute(ordered).all())]

    def touch(self, used_us: Mapping[int, int]) -> None:
        """Write when entries were last used, by their numbers."""
        if used_us:
            self._write(lambda connection: _touched(connection, used_us))

    def prune(self, before_us: int, most: int) -> int:
        """Delete entries made until that moment, then the least recently used above so many; return how many."""
        return self._write(lambda connection: _pruned(connection, before_us, most))

    def clear(self, tenant: str | None) -> int:
        """Delete the entries of a tenant (None: of all), for all processes; return how many."""
        return self._write(lambda connection: _cleared(connection, tenant))

    def clears(self) -> dict[str, int]:
        """Return how often each tenant was cleared; all tenants together are under `EVERYONE`."""
        query = select(CACHE_CLEARS)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return {row.tenant: row.clears for row in rows}

    def count(self, tenant: str | None) -> int:
        """Return how many entries the tenant has; None: all tenants."""
        query = select(func.count()).select_from(CACHED_ANSWERS)
        if tenant is not None:
            query = query.where(_ANSWERS.tenant == tenant)
        return self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    def add_counts(self, counts: Mapping[tuple[str, str], CacheCount]) -> None:
        """Add to what lookups came to, by tenant and kind."""
        if counts:
            self._write(lambda connection: _counted(connection, counts))

    def counts(self, tenant: str | None) -> dict[str, CacheCount]:
        """Return what the lookups of a tenant (None: of all) came to, by kind."""
        query = select(_COUNTS.kind, _COUNTS.lookups, _COUNTS.tokens_saved, _COUNTS.saved_nanousd)
        if tenant is not None:
            query = query.where(_COUNTS.tenant == tenant)
        found: dict[str, CacheCount] = {}
        for kind, *amounts in self._database.read(lambda connection: connection.execute(query).all()):
            found.setdefault(kind, CacheCount()).add(CacheCount(*amounts))
        return found

    def close(self) -> None:
        """Let go of the database."""
        self._database.dispose()

    def _write(self, change: Callable[[Connection], T]) -> T:
        def alone(connection: Connection) -> T:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
            return change(connection)

        return self._database.administer(alone)

    def _entry(self, row: Row[Any]) -> Entry:
        usage = None if row.usage is None else msgspec.json.decode(row.usage, type=TokenUsage)
        answer = Answer(bytes(row.body), row.protocol, row.model, usage, row.cost_nanousd, row.created_us)
        question = None if row.place is None or row.question is None else Question(bytes(row.place), row.question)
        is_ours = row.embedding is not None and row.encoder == self._encoder
        embedding = bytes(row.embedding) if is_ours else None
        return Entry(row.tenant, bytes(row.digest), answer, question, embedding, row.number)


def _row(entry: Entry, encoder: str) -> dict[str, Any]:
    answer, question = entry.answer, entry.question
    return {
        "tenant": entry.tenant,
        "digest": entry.digest,
        "place": None if question is None else question.place,
        "question": None if question is None else question.text,
        "embedding": entry.embedding,
        "encoder": encoder,
        "body": answer.body,
        "protocol": answer.protocol,
        "model": answer.model,
        "usage": None if answer.usage is None else msgspec.json.encode(answer.usage).decode(),
        "cost_nanousd": answer.cost_nanousd,
        "created_us": answer.created_us,
        "used_us": answer.created_us,
    }


def _replaced(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        same = (_ANSWERS.tenant == row["tenant"]) & (_ANSWERS.digest == row["digest"])
        connection.execute(delete(CACHED_ANSWERS).where(same))
    connection.execute(insert(CACHED_ANSWERS), rows)


def _touched(connection: Connection, used_us: Mapping[int, int]) -> None:
    for number, moment in sorted(used_us.items()):
        connection.execute(update(CACHED_ANSWERS).where(_ANSWERS.number == number).values(used_us=moment))


def _pruned(connection: Connection, before_us: int, most: int) -> int:
    gone = connection.execute(delete(CACHED_ANSWERS).where(_ANSWERS.created_us <= before_us)).rowcount
    count = connection.execute(select(func.count()).select_from(CACHED_ANSWERS)).scalar_one()
    if count <= most:
        return int(gone)
    oldest = select(_ANSWERS.number).order_by(_ANSWERS.used_us, _ANSWERS.number).limit(count - most)
    return int(gone) + connection.execute(delete(CACHED_ANSWERS).where(_ANSWERS.number.in_(oldest))).rowcount


def _cleared(connection: Connection, tenant: str | None) -> int:
    name = EVERYONE if tenant is None else tenant
    again = update(CACHE_CLEARS).where(CACHE_CLEARS.c.tenant == name).values(clears=CACHE_CLEARS.c.clears + 1)
    if not connection.execute(again).rowcount:
        connection.execute(insert(CACHE_CLEARS).values(tenant=name, clears=1))
    query = delete(CACHED_ANSWERS)
    if tenant is not None:
        query = query.where(_ANSWERS.tenant == tenant)
    return int(connection.execute(query).rowcount)


def _counted(connection: Connection, counts: Mapping[tuple[str, str], CacheCount]) -> None:
    for (tenant, kind), count in sorted(counts.items(), key=lambda item: item[0]):
        fields = msgspec.structs.asdict(count)
        more = {name: _COUNTS[name] + value for name, value in fields.items()}
        place = (_COUNTS.tenant == tenant) & (_COUNTS.kind == kind)
        if not connection.execute(update(CACHE_COUNTS).where(place).values(more)).rowcount:
            connection.execute(insert(CACHE_COUNTS).values(tenant=tenant, kind=kind, **fields))
