"""A process of many threads that reserve at once: `python spender.py URL THREADS [--unguarded]`.

It says "ready", waits for a line, and prints how many of its reservations of 10 fitted a limit of 1,000. Without the
guard it reads the counters unlocked, says "read", and waits for another line before it writes: check, then deduct.
"""

import sys
import threading
from datetime import UTC, datetime, timedelta

from ledgers import asking

from pointsman.budget import GLOBAL, Limit
from pointsman.budget.books import microseconds
from pointsman.errors import BudgetExceeded
from pointsman.store import postgres
from pointsman.store.database import database
from pointsman.store.ledger import StoreLedger
from pointsman.store.rows import counters_of
from pointsman.store.sqlite import SqliteBackend
from pointsman.store.writer import Writer

LIMITS = [Limit(GLOBAL, "day", 1000)]


def wait(word):
    print(word, flush=True)
    sys.stdin.readline()


class UnguardedSqlite(SqliteBackend):
    """Takes the lock only to write."""

    has_waited = False

    def begin(self):
        pass

    def write(self, books, failpoint):
        if not self.has_waited:
            self.has_waited = True
            wait("read")
        super().begin()
        super().write(books, failpoint)

    def commit(self):
        if self._connection.in_transaction:
            super().commit()


class UnguardedPostgres(postgres.PostgresBackend):
    """Reads the counters without a lock."""

    has_waited = False

    def counters(self, accounts):
        ordered = sorted(accounts)
        self._run(postgres._ADD_COUNTERS, postgres._ACCOUNT, ordered)
        super().commit()
        unlocked = postgres._FIND_COUNTERS.removesuffix(" FOR UPDATE")
        found = counters_of(self._rows(unlocked, [postgres._table(postgres._ACCOUNT, ordered)]))
        if not self.has_waited:
            self.has_waited = True
            wait("read")
        return found


def main(url, threads, is_guarded):
    found = database(url)
    unguarded = UnguardedSqlite if found.is_embedded else UnguardedPostgres
    place = found.name if found.is_embedded else url
    clock = lambda: datetime.now(UTC)  # noqa: E731
    connect = found.connect if is_guarded else lambda: unguarded(place)
    ledger = StoreLedger(found, Writer(connect, lambda: microseconds(clock())), clock, 60)
    barrier = threading.Barrier(threads)
    admitted = []

    def spend(number):
        key = f"{id(ledger)}-{threading.get_native_id()}-{number}"
        barrier.wait()
        try:
            ledger.reserve(asking(key, 10, (GLOBAL,), expires_at=clock() + timedelta(hours=1)), LIMITS)
        except BudgetExceeded:
            return
        admitted.append(key)

    wait("ready")
    crowd = [threading.Thread(target=spend, args=(number,)) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    ledger.close()
    print(len(admitted), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "--unguarded" not in sys.argv)
