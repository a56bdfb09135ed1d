"""What deciding many tasks in one pass saves over deciding them one by one: processor time, in process and warm.

    python tests/bench/batching.py

Prints a table and saves it under out/bench/. Processor time counts all threads, so that a parallel pass gains nothing
by using more of them.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pointsman import Router, Task
from pointsman.types import PROFILES

ROOT = Path(__file__).resolve().parents[2]
SIZES = (1, 8, 32, 256)
ROUNDS = 3


def main() -> None:
    """Measure, print and save."""
    tasks = [Task(text) for text in _held_out()]
    rows = [row for profile in PROFILES for row in gains(Router.load(profile=profile), profile, tasks)]
    path = ROOT / "out" / "bench" / "batching.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
    table = Table("profile", "tasks a pass", "processor µs a task", "of one by one")
    for row in rows:
        table.add_row(row["profile"], str(row["size"]), f"{row['cpu_us']:.0f}", f"{row['share']:.0%}")
    Console().print(table)


def gains(router: Router, profile: str, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Return the processor microseconds a task takes in passes of each size, and their share of those one by one."""
    taken = {size: _cpu_us(lambda size=size: _decide(router, tasks, size)) / len(tasks) for size in SIZES}
    return [{"profile": profile, "size": n, "cpu_us": us, "share": us / taken[1]} for n, us in taken.items()]


def _decide(router: Router, tasks: Sequence[Task], size: int) -> None:
    for start in range(0, len(tasks), size):
        router.try_route_many(tasks[start : start + size])


def _cpu_us(work: Callable[[], None]) -> float:
    """Return the least processor time of a few rounds, after one that warms up."""
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - began)
    return min(times) / 1000


def _held_out() -> list[str]:
    lines = (ROOT / "datasets" / "tasks" / "held-out" / "tasks.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


if __name__ == "__main__":
    main()
