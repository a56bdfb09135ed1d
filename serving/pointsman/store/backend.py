"""What a database must do for the writer: lock, load, write and commit one group of operations."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from pointsman.budget.books import Account, Books, Counter, FreezeRow, HoldRow, Payer

Failpoint = Callable[[str], None]
"""Called with the name of each point at which a crash is worth testing; does nothing in earnest."""

FAILPOINTS: Final = ("begun", "loaded", "applied", "holds_written", "entries_written", "written", "committed")


def no_failpoint(name: str) -> None:
    """Go on."""


class Busy(Exception):
    """Another process holds the lock, or the transaction lost a race: nothing was written, try again."""


class Gone(Exception):
    """The database can't be used now; what was begun isn't committed, or nobody can tell."""


class Refused(Exception):
    """The database refuses a row: the counters disagree with the entries, or were written by hand."""


class Backend(Protocol):
    """One connection that writes, used by one thread. Everything raises `Busy`, `Gone` or `Refused`."""

    def begin(self) -> None:
        """Start a transaction that no other writer can interleave with."""
        ...

    def holds(self, hold_ids: Iterable[str]) -> dict[str, HoldRow]:
        """Return the holds that exist, locked."""
        ...

    def counters(self, accounts: Iterable[Account]) -> dict[Account, Counter]:
        """Return the counters, locked; one that doesn't exist yet may be missing."""
        ...

    def freezes(self) -> dict[Payer, FreezeRow]:
        """Return all payers that are stopped."""
        ...

    def due(self, now_us: int, at_most: int) -> list[str]:
        """Return open holds past their expiry, at most so many, the longest overdue first."""
        ...

    def write(self, books: Books, failpoint: Failpoint) -> None:
        """Write what changed."""
        ...

    def commit(self) -> None:
        """Make the group durable, then return."""
        ...

    def rollback(self) -> None:
        """Undo what was begun; never raises."""
        ...

    def close(self) -> None:
        """Let go of the database; never raises."""
        ...
