"""Decision latency and throughput, in process and warm: prints tables and saves them as JSON under out/bench/.

Every latency stands beside its limit and beside a yardstick of the same run, the tokenizer alone on the same texts, so
that figures of different machines and days can be compared.
"""

import json
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from pointsman import Router, Task
from pointsman.types import PROFILES

ROOT = Path(__file__).resolve().parents[2]
LIMITS_US = {"fast": 150.0, "deep": 1500.0, "auto": 1500.0}
ROUNDS = 5


def main() -> None:
    """Measure, print and save."""
    texts = {"20 words": _held_out(18, 22), "any length": _held_out(1, 10_000)}
    results = [row for name, chosen in texts.items() for row in _latencies(name, chosen)]
    results += [_throughput(profile, texts["20 words"]) for profile in PROFILES]
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}",
        "memory_mb": memory_mb,
        "results": results,
    }
    path = ROOT / "out" / "bench" / "decisions.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    _print(report, path)


def _held_out(least: int, most: int) -> list[str]:
    lines = (ROOT / "datasets" / "tasks" / "held-out" / "tasks.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    return [text for text in texts if least <= len(text.split()) <= most]


def _latencies(name: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    tokenizer = Tokenizer.from_file(str(ROOT / "models" / "default" / "tokenizer.json"))
    yardstick = _microseconds(lambda text: tokenizer.encode(text), texts)
    rows = [_row(name, "tokenizer alone", yardstick, yardstick, None)]
    for profile in PROFILES:
        router = Router.load(profile=profile)
        measured = _microseconds(lambda text, route=router.route: route(Task(text)), texts)
        rows.append(
            _row(name, f"route, {profile}", measured, yardstick, LIMITS_US[profile] if name == "20 words" else None)
        )
    return rows


def _microseconds(call: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    for text in texts:
        call(text)
    times = []
    for _ in range(ROUNDS):
        for text in texts:
            start = time.perf_counter()
            call(text)
            times.append((time.perf_counter() - start) * 1e6)
    return times


def _row(texts: str, what: str, times: list[float], yardstick: list[float], limit: float | None) -> dict[str, Any]:
    quantiles = statistics.quantiles(times, n=100)
    return {
        "texts": texts,
        "what": what,
        "p50_us": quantiles[49],
        "p99_us": quantiles[98],
        "per_second": 1e6 / statistics.mean(times),
        "p50_to_tokenizer": quantiles[49] / statistics.median(yardstick),
        "p50_to_limit": None if limit is None else quantiles[49] / limit,
    }


def _throughput(profile: str, texts: Sequence[str]) -> dict[str, Any]:
    router = Router.load(profile=profile)
    tasks = [Task(f"{text} ({number})") for number in range(max(1, 2_000 // len(texts))) for text in texts]
    router.route_many(tasks[:100])
    start = time.perf_counter()
    router.route_many(tasks)
    seconds = time.perf_counter() - start
    return {
        "texts": "20 words",
        "what": f"route_many, {profile}, {len(tasks):,} tasks",
        "per_second": len(tasks) / seconds,
    }


def _print(report: dict[str, Any], path: Path) -> None:
    table = Table(
        "texts",
        "what",
        "p50 µs",
        "p99 µs",
        "a second",
        "p50 / tokenizer",
        "p50 / limit",
        title="Decisions, in process, warm",
    )
    for row in report["results"]:
        table.add_row(
            row["texts"],
            row["what"],
            *(_number(row.get(name), digits) for name, digits in (
                ("p50_us", 0), ("p99_us", 0), ("per_second", 0), ("p50_to_tokenizer", 1), ("p50_to_limit", 2))),
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(f"{report['machine']}; peak memory {report['memory_mb']:.0f} MB; saved to {path.relative_to(ROOT)}")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    main()
