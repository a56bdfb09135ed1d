"""What the ledger does in a second, and what it survives: prints tables and saves them as JSON under out/bench/.

    python tests/bench/ledger.py [--speed] [--kills ROUNDS] [--machine EXAMPLES]

Without a flag it measures the speed, kills 100 processes and runs 10,000 rounds of the state machine. Every speed
stands beside bare SQL of the same run that does the least that a reservation needs, so that figures of different
machines and days can be compared.
"""

import argparse
import asyncio
import json
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "store"))

from clusters import Missing, new_cluster  # noqa: E402
from machine import BudgetMachine  # noqa: E402
from test_crashes import check_after_crash, crash  # noqa: E402

from pointsman.budget import GLOBAL, Amount, HoldRequest, Limit, Scope  # noqa: E402
from pointsman.budget.operations import Reserve, Settle  # noqa: E402
from pointsman.store import StoreLedger, Writing, open_ledger, upgrade  # noqa: E402
from pointsman.store.backend import FAILPOINTS  # noqa: E402
from pointsman.store.sqlite import connect  # noqa: E402

CALLERS = 64
SECONDS = 5.0
ROUNDS = 3
STEPS = 50
Step = Callable[[int, int], None]


def main() -> None:
    """Measure what was asked for, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", action="store_true", help="measure the speed")
    parser.add_argument("--kills", type=int, default=0, metavar="ROUNDS", help="kill so many processes")
    parser.add_argument(
        "--machine", type=int, default=0, metavar="EXAMPLES", help="run so many rounds beside the model"
    )
    chosen = parser.parse_args()
    if not (chosen.speed or chosen.kills or chosen.machine):
        chosen = argparse.Namespace(speed=True, kills=100, machine=10_000)
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    }
    with tempfile.TemporaryDirectory() as folder:
        if chosen.speed:
            report["speed"] = [*_sqlite_speed(Path(folder)), *_postgresql_speed()]
        if chosen.kills:
            report["kills"] = _kills(Path(folder), chosen.kills)
        if chosen.machine:
            report["machine_rounds"] = _machine(Path(folder), chosen.machine)
    path = ROOT / "out" / "bench" / "ledger.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    _print(report, path)


def _sqlite_speed(folder: Path) -> Iterator[dict[str, Any]]:
    yield _best(lambda: _bare_sqlite(folder), "bare SQL, SQLite FULL, reserve + settle", 1)
    for callers in (1, CALLERS):
        for group in (1, 256):
            what = f"SQLite FULL, reserve + settle, {'group commit' if group > 1 else 'a commit each'}"
            yield _best(lambda n=callers, g=group: _threads(_fresh(folder, g), n, _pair), what, callers)
    yield _best(lambda: _tasks(_fresh(folder, 256), CALLERS), "SQLite FULL, reserve + settle, asyncio", CALLERS)


def _postgresql_speed() -> Iterator[dict[str, Any]]:
    try:
        with new_cluster(is_durable=True) as cluster:
            for name, scope in (("one hot scope", lambda _: GLOBAL), ("many scopes", lambda n: Scope("user", f"u{n}"))):
                url = cluster.database()
                upgrade(url)
                bare = f"bare SQL, PostgreSQL, reserve, {name}"
                yield _best(lambda u=url, s=scope: _bare_postgresql(u, s), bare, CALLERS)
                what = f"PostgreSQL, reserve, {name}"
                yield _best(lambda u=url, s=scope: _threads(open_ledger(u), CALLERS, _reserving(s)), what, CALLERS)
    except Missing as reason:
        print(f"PostgreSQL isn't measured: {reason}")


def _fresh(folder: Path, group: int) -> StoreLedger:
    name = folder / f"{time.monotonic_ns()}.db"
    return open_ledger(f"sqlite:///{name}", writing=Writing(group=group), timeout_s=60)


def _best(run: Callable[[], dict[str, float]], what: str, callers: int) -> dict[str, Any]:
    """Return the middle of the rounds by speed."""
    rounds = sorted((run() for _ in range(ROUNDS)), key=lambda one: one["per_second"])
    return {"what": what, "callers": callers, **rounds[len(rounds) // 2]}


def _asking(key: str, scope: Scope) -> HoldRequest:
    return HoldRequest(key, (scope,), Amount(1000), datetime.now(UTC) + timedelta(minutes=5))


def _pair(ledger: StoreLedger, caller: int, number: int) -> None:
    hold = ledger.reserve(_asking(f"{caller}-{number}", GLOBAL), [Limit(GLOBAL, "day", 10**17)])
    ledger.settle(hold.hold_id, Amount(900), key="s")


def _reserving(scope: Callable[[int], Scope]) -> Callable[[StoreLedger, int, int], None]:
    tag = time.monotonic_ns()

    def reserve(ledger: StoreLedger, caller: int, number: int) -> None:
        payer = scope((caller * 7919 + number) % 10_000)
        ledger.reserve(_asking(f"{tag}-{id(ledger)}-{caller}-{number}", payer), [Limit(payer, "day", 10**17)])

    return reserve


def _threads(ledger: StoreLedger, callers: int, step: Callable[[StoreLedger, int, int], None]) -> dict[str, float]:
    with ledger:
        return _loop(callers, lambda caller, number: step(ledger, caller, number))


def _loop(callers: int, step: Step) -> dict[str, float]:
    """Return the speed and the latencies of callers that go on as soon as they are answered."""
    took_ms: list[list[float]] = [[] for _ in range(callers)]
    end = time.perf_counter() + SECONDS

    def call(caller: int) -> None:
        number = 0
        while (begun := time.perf_counter()) < end:
            step(caller, number)
            took_ms[caller].append((time.perf_counter() - begun) * 1e3)
            number += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _figures([one for mine in took_ms for one in mine])


def _tasks(ledger: StoreLedger, callers: int) -> dict[str, float]:
    """Return the same for coroutines on one event loop, which queue operations without a thread each."""
    took_ms: list[float] = []

    async def call(caller: int, end: float) -> None:
        number = 0
        while (begun := time.perf_counter()) < end:
            request = _asking(f"{caller}-{number}", GLOBAL)
            reserve = Reserve(request, (Limit(GLOBAL, "day", 10**17),))
            row = await asyncio.wrap_future(ledger.submit(reserve))
            await asyncio.wrap_future(ledger.submit(Settle(row.hold_id, Amount(900), "s")))
            took_ms.append((time.perf_counter() - begun) * 1e3)
            number += 1

    async def crowd() -> None:
        end = time.perf_counter() + SECONDS
        await asyncio.gather(*(call(caller, end) for caller in range(callers)))

    with ledger:
        asyncio.run(crowd())
    return _figures(took_ms)


def _figures(took_ms: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took_ms, n=100)
    return {"per_second": len(took_ms) / SECONDS, "p50_ms": cuts[49], "p99_ms": cuts[98]}


def _bare_sqlite(folder: Path) -> dict[str, float]:
    connection = connect(folder / f"{time.monotonic_ns()}.db")
    connection.execute("CREATE TABLE counter (id INTEGER PRIMARY KEY, posted INTEGER, held INTEGER)")
    connection.execute("CREATE TABLE hold (id TEXT PRIMARY KEY, amount INTEGER, state TEXT)")
    connection.execute("INSERT INTO counter VALUES (1, 0, 0)")
    lock = threading.Lock()

    def step(caller: int, number: int) -> None:
        with lock:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE counter SET held = held + 9 WHERE id = 1 AND posted + held + 9 <= 1e17")
            connection.execute("INSERT INTO hold VALUES (?, 9, 'open')", (f"{caller}-{number}",))
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE hold SET state = 'settled' WHERE id = ?", (f"{caller}-{number}",))
            connection.execute("UPDATE counter SET held = held - 9, posted = posted + 9 WHERE id = 1")
            connection.execute("COMMIT")

    figures = _loop(1, step)
    connection.close()
    return figures


def _bare_postgresql(url: str, scope: Callable[[int], Scope]) -> dict[str, float]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare, bare_hold")
        connection.execute("CREATE TABLE bare (id text PRIMARY KEY, posted bigint, held bigint)")
        connection.execute("CREATE TABLE bare_hold (id text PRIMARY KEY, amount bigint)")
        for name in {str(scope(number)) for number in range(10_000)}:
            connection.execute("INSERT INTO bare VALUES (%s, 0, 0)", (name,))
    statement = (
        "WITH paid AS (UPDATE bare SET held = held + 9 WHERE id = %s AND posted + held + 9 <= 1e17 RETURNING id) "
        "INSERT INTO bare_hold SELECT %s, 9 FROM paid"
    )
    connections = [psycopg.connect(url, autocommit=True) for _ in range(CALLERS)]

    def step(caller: int, number: int) -> None:
        name = str(scope((caller * 7919 + number) % 10_000))
        connections[caller].execute(statement, (name, f"{caller}-{number}"), prepare=True)

    figures = _loop(CALLERS, step)
    for connection in connections:
        connection.close()
    return figures


def _kills(folder: Path, rounds: int) -> dict[str, int]:
    """Kill a process at a random failpoint, so many times; raises AssertionError where anything was lost."""
    rng = random.Random(0)
    with _both(folder) as urls:
        for number in range(rounds):
            url, name, nth = urls(number), rng.choice(FAILPOINTS), rng.randrange(1, 40)
            open_ledger(url).close()
            check_after_crash(url, crash(url, name, nth), is_committed=name == "committed")
    return {"rounds": rounds, "lost": 0, "stranded": 0}


@contextmanager
def _both(folder: Path) -> Iterator[Callable[[int], str]]:
    """Yield a function that gives a SQLite file and a PostgreSQL database in turn."""
    try:
        with new_cluster() as cluster:
            cluster.run("CREATE DATABASE empty")
            upgrade(cluster.url("empty"))
            yield lambda number: cluster.database("empty") if number % 2 else f"sqlite:///{folder}/kill{number}.db"
    except Missing as reason:
        print(f"PostgreSQL isn't killed: {reason}")
        yield lambda number: f"sqlite:///{folder}/kill{number}.db"


def _machine(folder: Path, examples: int) -> dict[str, int]:
    """Run the state machine; raises AssertionError with the shortest failing story."""
    empty = folder / "empty.db"
    open_ledger(f"sqlite:///{empty}").close()
    machine = type("Machine", (BudgetMachine,), {"empty": empty})
    checks = list(HealthCheck)
    many = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks, database=None
    )
    run_state_machine_as_test(machine, settings=many)
    return {"examples": examples, "steps": STEPS, "violations": 0}


def _print(report: dict[str, Any], path: Path) -> None:
    console = Console()
    if "speed" in report:
        table = Table("what", "callers", "a second", "p50 ms", "p99 ms", title=report["machine"])
        for row in report["speed"]:
            speeds = (f"{row['per_second']:,.0f}", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}")
            table.add_row(row["what"], str(row["callers"]), *speeds)
        console.print(table)
    for name in ("kills", "machine_rounds"):
        if name in report:
            console.print(name, report[name])
    console.print(f"saved to {path}")


if __name__ == "__main__":
    main()
