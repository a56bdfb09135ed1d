"""The log of requests: events are added without waiting, written in batches, read in pages."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, and_, select

from pointsman.budget.books import microseconds, moment
from pointsman.budget.windows import utc
from pointsman.errors import InvalidInput
from pointsman.events import Event
from pointsman.settings import PrivacySettings
from pointsman.store.database import Database
from pointsman.store.event_keeping import add_mark, delete_before, erase_user, last_reset
from pointsman.store.event_rows import event_of
from pointsman.store.event_writing import FLUSH_S, ROOM, EventWriter
from pointsman.store.opening import open_database, utc_now
from pointsman.store.tables import LOG, OUTCOMES

PAGE: Final = 1000
DAY_US: Final = 86_400_000_000
FLUSH_TIMEOUT_S: Final = 10.0
T = TypeVar("T")


class Line(NamedTuple):
    """A line of the log: its number, its event, and what was reported about its decision (JSON, the first first)."""

    number: int
    event: Event
    outcomes: tuple[str, ...] = ()


class EventLog:
    """The log of one database; `open_log` makes it. Use it as a context, or close it, else the last events are lost.

    `add` is for an event loop; everything else waits for the database, and belongs into a thread.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        privacy: PrivacySettings = PrivacySettings(),  # noqa: B008
        room: int = ROOM,
        flush_s: float = FLUSH_S,
    ) -> None:
        if privacy.text == "redacted":
            from pointsman.privacy.redaction import check_extra

            check_extra()
        self._database = database
        self.clock = clock
        self.opened_at = utc(clock())
        self._privacy = privacy
        self._writer = EventWriter(database, privacy.text, room=room, flush_s=flush_s)

    @property
    def lost(self) -> int:
        """How many events of this process weren't written: the queue was full, or the database refused them."""
        return self._writer.lost

    @property
    def waiting(self) -> int:
        """How many events of this process wait to be written."""
        return self._writer.waiting

    def add(self, event: Event) -> None:
        """Queue an event. Never blocks and never raises; where the queue is full, the event is lost and counted."""
        self._writer.add(event)

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Return when everything that was added before is written.

        Raises:
            LedgerUnavailable: it wasn't in time; the events still wait.
        """
        self._writer.flush(timeout_s)

    def close(self) -> None:
        """Write what waits, then close the database."""
        self._writer.close()
        self._database.dispose()

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, question: Callable[[Connection], T]) -> T:
        """Return what the question finds in one state of the database.

        Raises:
            LedgerUnavailable: the database can't be read.
        """
        return self._database.read(question)

    def events(
        self,
        tenant: str = "default",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        limit: int = PAGE,
    ) -> list[Line]:
        """Return at most `limit` lines after the numbered one, in order, with the outcomes reported for them.

        `since` is included, `until` isn't. Ask again with the last number for the next page.
        """
        column = LOG.c
        conditions = [column.tenant == tenant, column.number > after]
        conditions += [] if since is None else [column.at_us >= microseconds(utc(since))]
        conditions += [] if until is None else [column.at_us < microseconds(utc(until))]
        query = select(LOG).where(and_(*conditions)).order_by(column.number).limit(limit)

        def lines(connection: Connection) -> list[Line]:
            rows = connection.execute(query).mappings().all()
            outcomes = _outcomes(connection, tenant, [row["decision_id"] for row in rows])
            return [Line(row["number"], event_of(row), outcomes.get(row["decision_id"], ())) for row in rows]

        return self.read(lines)

    def pages(
        self,
        tenant: str = "default",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = PAGE,
    ) -> Iterator[list[Line]]:
        """Yield the tenant's lines a page at a time, each read when it is asked for."""
        after = 0
        while page := self.events(tenant, since=since, until=until, after=after, limit=limit):
            yield page
            after = page[-1].number

    def expire(self, now: datetime | None = None, *, days: float | None = None, made_by: str = "retention") -> int:
        """Delete the lines of all tenants that are older than `days` (None: the retention); return how many."""
        kept = self._privacy.retention_days if days is None else days
        if kept is None:
            return 0
        at = utc(now or self.clock())
        before = microseconds(at) - round(kept * DAY_US)
        return delete_before(self._database, before, microseconds(at), made_by)

    def erase(self, tenant: str, user: str, *, made_by: str = "cli") -> int:
        """Take a user out of the lines of the tenant; return how many lines it were.

        User, key, agent, further tags, text and features become NULL, and the decision's id is replaced, so that
        neither the ledger nor an outcome leads back. Money, tokens and times stay.

        Raises:
            InvalidInput: no user is named.
        """
        if not user:
            raise InvalidInput("the user is empty; name the one whose data is to be erased.", field="user")
        self.flush()
        return erase_user(self._database, tenant, user, microseconds(utc(self.clock())), made_by)

    def reset(self, tenant: str = "default", *, made_by: str = "cli", reason: str = "") -> datetime:
        """Let statistics begin at this moment; nothing is deleted. Return the moment."""
        at = utc(self.clock())
        self._database.administer(
            lambda connection: add_mark(connection, "reset", tenant, microseconds(at), made_by=made_by, reason=reason)
        )
        return at

    def since(self, tenant: str = "default") -> datetime | None:
        """Return when the tenant's statistics begin: at its last reset; None where there was none."""
        found = self.read(lambda connection: last_reset(connection, tenant))
        return None if found is None else moment(found)


def open_log(
    url: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    privacy: PrivacySettings = PrivacySettings(),  # noqa: B008
    room: int = ROOM,
    flush_s: float = FLUSH_S,
) -> EventLog:
    """Return the log at the URL, in the database of the ledger; a SQLite file is made and upgraded as needed.

    Raises:
        InvalidInput: another URL.
        LedgerUnavailable: the database can't be reached, or has another schema.
        MissingExtra: a PostgreSQL URL without psycopg, or redacted text without its libraries.
    """
    found = open_database(url)
    try:
        return EventLog(found, clock=clock, privacy=privacy, room=room, flush_s=flush_s)
    except BaseException:
        found.dispose()
        raise


def _outcomes(connection: Connection, tenant: str, decision_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    column = OUTCOMES.c
    found: dict[str, tuple[str, ...]] = {}
    for first in range(0, len(decision_ids), PAGE):
        named = column.decision_id.in_(decision_ids[first : first + PAGE])
        query = select(column.decision_id, column.body).where(column.tenant == tenant, named).order_by(column.at_us)
        rows: Sequence[Any] = connection.execute(query).fetchall()
        for decision_id, body in rows:
            found[decision_id] = (*found.get(decision_id, ()), body)
    return found
