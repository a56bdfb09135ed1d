"""The gateway beside LiteLLM's proxy on one upstream: prints a table and saves it as JSON under out/bench/.

    python tests/bench/gateway.py [--requests N] [--profiles fast auto] [--no-litellm]

Everything is a process of its own: the provider that stands in, which answers at once; `pointsman serve` with a key,
budgets and SQLite; the load. "Added" is the latency of one client less that of the same load on the provider itself, in
the same run. LiteLLM's proxy is measured where `scripts/bench_litellm.sh` installed it; it gets fewer requests.
"""

import argparse
import contextlib
import json
import os
import platform
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
LITELLM = Path(os.environ.get("LITELLM_BIN", ROOT / ".venv-litellm" / "bin" / "litellm"))
LITELLM_SHARE = 10
"""LiteLLM's proxy gets this part of the requests."""
PATIENCE_S = 60.0
ROUNDS = 3
CHAT = "/v1/chat/completions"
TICKS = os.sysconf("SC_CLK_TCK")
NO_VARIABLES: dict[str, str] = {}
BASELINE, CHEAP = "gpt-4o", "gpt-4o-mini"


@dataclass(frozen=True)
class Server:
    """A running server: `key` is what it is called with, `ready_s` and `ready_cpu_s` what its start took."""

    name: str
    port: int
    key: str
    model: str
    pid: int
    profile: str | None = None
    ready_s: float = 0.0
    ready_cpu_s: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{CHAT}"

    def load(self, requests: int, clients: int, first: int, *, is_stream: bool = False) -> dict[str, Any]:
        """Return what a load on it saw, with the CPU that the server used for each request.

        Raises:
            SystemExit: an answer that isn't 200; a benchmark of refusals says nothing.
        """
        words = [
            sys.executable,
            str(ROOT / "tests" / "bench" / "gateway_load.py"),
            "--url",
            self.url,
            "--key",
            self.key,
        ]
        words += ["--model", self.model, "--requests", str(requests), "--clients", str(clients), "--first", str(first)]
        before = cpu_seconds(self.pid)
        out = subprocess.run([*words, *(["--stream"] if is_stream else [])], check=True, capture_output=True, text=True)
        seen: dict[str, Any] = json.loads(out.stdout)
        if seen["refused"]:
            raise SystemExit(f"{self.name} refused {seen['refused']} of {requests} requests: {seen['refusal']}")
        return seen | {"cpu_us": (cpu_seconds(self.pid) - before) / requests * 1e6}


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=6000, help="of each load (default: %(default)s)")
    parser.add_argument("--profiles", nargs="*", default=["fast", "auto"])
    parser.add_argument("--no-litellm", action="store_true", help="leave LiteLLM's proxy out")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, provider(Path(folder)) as upstream:
        for profile in args.profiles:
            with gateway(Path(folder), upstream, profile) as server:
                rows.append(measured(server, upstream, args.requests))
        if not args.no_litellm and LITELLM.exists():
            with litellm(Path(folder), upstream) as server:
                rows.append(measured(server, upstream, max(100, args.requests // LITELLM_SHARE)))
    report = {"machine": machine(), "requests": args.requests, "results": rows}
    path = ROOT / "out" / "bench" / "gateway.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    show(report, path)


def measured(server: Server, upstream: Server, requests: int) -> dict[str, Any]:
    """Return everything about one server; `requests` is the size of each load with many clients."""
    few = max(100, requests // 10)
    server.load(few, 16, 0)
    before = rss_mb(server.pid)
    added = [one_client(server, upstream, few, 100_000 * (turn + 1)) for turn in range(ROUNDS)]
    direct, alone = ([pair[side] for pair in added] for side in (0, 1))
    return {
        "server": server.name,
        "profile": server.profile,
        "ready_s": server.ready_s,
        "ready_cpu_s": server.ready_cpu_s,
        "added_p50_ms": median_of(alone, "p50_ms") - median_of(direct, "p50_ms"),
        "added_p99_ms": median_of(alone, "p99_ms") - median_of(direct, "p99_ms"),
        "one_client": alone,
        "one_client_direct": direct,
        "clients_16": server.load(requests, 16, 1_000_000),
        "clients_64": server.load(requests, 64, 2_000_000),
        "streams_16": server.load(requests // 2, 16, 3_000_000, is_stream=True),
        "rss_before_mb": before,
        "rss_mb": rss_mb(server.pid),
    }


def one_client(server: Server, upstream: Server, requests: int, first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what one client saw of the provider itself, and of the server."""
    return upstream.load(requests, 1, first), server.load(requests, 1, first)


def median_of(seen: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in seen)


@contextlib.contextmanager
def provider(folder: Path) -> Iterator[Server]:
    """Run the provider that stands in."""
    port = free_port()
    words = [sys.executable, str(ROOT / "tests" / "gateway" / "provider.py"), "--port", str(port)]
    with running(words, folder / "provider.log", f"http://127.0.0.1:{port}/_invoice") as (pid, *_):
        yield Server("the provider itself", port, "sk-test", CHEAP, pid)


@contextlib.contextmanager
def gateway(folder: Path, upstream: Server, profile: str) -> Iterator[Server]:
    """Run `pointsman serve` with a key of its own making; that it asks for keys is tried."""
    database = f"sqlite:///{folder}/{profile}.db"
    config = folder / f"{profile}.json"
    config.write_text(json.dumps({
        "providers": {"openai": {"base_url": f"http://127.0.0.1:{upstream.port}/v1", "api_key": "sk-test"}},
        "models": {CHEAP: {"provider": "openai"}, BASELINE: {"provider": "openai"}},
        "routing": {"profile": profile, "baseline": BASELINE},
        "budgets": {"daily_usd": 100_000},
        "keys": {"required": True},
        "database_url": database,
    }))  # fmt: skip
    pointsman = [sys.executable, "-m", "pointsman.cli"]
    made = [*pointsman, "keys", "create", "--user", "bench", "--database-url", database, "--json"]
    key = json.loads(subprocess.run(made, check=True, capture_output=True, text=True).stdout)["token"]
    port = free_port()
    words = [*pointsman, "serve", "--config", str(config), "--port", str(port)]
    with running(words, folder / f"{profile}.log", f"http://127.0.0.1:{port}/readyz") as (pid, ready_s, cpu_s):
        is_guarded = "asks for keys" if answers_401(port) else "WITHOUT KEYS"
        yield Server(f"{profile}, {is_guarded}", port, key, "auto", pid, profile, ready_s, cpu_s)


@contextlib.contextmanager
def litellm(folder: Path, upstream: Server) -> Iterator[Server]:
    """Run LiteLLM's proxy, one worker, on the same upstream: it checks a key and passes one model through."""
    config = folder / "litellm.yaml"
    parameters = {"model": f"openai/{CHEAP}", "api_base": f"http://127.0.0.1:{upstream.port}/v1", "api_key": "sk-test"}
    key = f"sk-{secrets.token_hex(32)}"
    settings = {"general_settings": {"master_key": key}, "litellm_settings": {"telemetry": False}}
    config.write_text(json.dumps({"model_list": [{"model_name": CHEAP, "litellm_params": parameters}], **settings}))
    port = free_port()
    words = [str(LITELLM), "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else it first asks the network for its prices
    ready = f"http://127.0.0.1:{port}/health/liveliness"
    with running(words, folder / "litellm.log", ready, local) as (pid, ready_s, cpu_s):
        yield Server("LiteLLM's proxy", port, key, CHEAP, pid, None, ready_s, cpu_s)


@contextlib.contextmanager
def running(
    words: list[str], log: Path, ready_url: str, variables: dict[str, str] = NO_VARIABLES
) -> Iterator[tuple[int, float, float]]:
    """Run a process; yield its id, and the seconds and CPU seconds until it answered at `ready_url`."""
    started = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env=os.environ | variables)
    try:
        while not answers(ready_url):
            if process.poll() is not None or time.perf_counter() - started > PATIENCE_S:
                raise SystemExit(f"{' '.join(words)} didn't start:\n{log.read_text()[-2000:]}")
            time.sleep(0.005)
        yield process.pid, time.perf_counter() - started, cpu_seconds(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def answers(url: str) -> bool:
    """Return whether a server answers there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def answers_401(port: int) -> bool:
    """Return whether a gateway refuses a chat without a key."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{CHAT}", data=b'{"model": "auto", "messages": []}')
    try:
        with urllib.request.urlopen(request, timeout=5):
            return False
    except urllib.error.HTTPError as error:
        return error.code == 401


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load before {load}"


MEASURES = {
    "added, p50 ms": ("added_p50_ms", "", 2, {"fast": 1.5, "auto": 3.0}),
    "added, p99 ms": ("added_p99_ms", "", 2, {"fast": 5.0, "auto": 10.0}),
    "16 clients, a second": ("clients_16", "per_second", 0, {"fast": 1500.0}),
    "16 clients, p50 ms": ("clients_16", "p50_ms", 1, {}),
    "16 clients, p99 ms": ("clients_16", "p99_ms", 1, {}),
    "16 clients, CPU us a request": ("clients_16", "cpu_us", 0, {}),
    "64 clients, a second": ("clients_64", "per_second", 0, {}),
    "64 clients, p99 ms": ("clients_64", "p99_ms", 1, {}),
    "16 streams, a second": ("streams_16", "per_second", 0, {}),
    "16 streams, first byte p50 ms": ("streams_16", "first_byte_p50_ms", 1, {}),
    "16 streams, CPU us a request": ("streams_16", "cpu_us", 0, {}),
    "RSS MB": ("rss_mb", "", 0, {"fast": 200.0, "auto": 200.0}),
    "start to ready, s": ("ready_s", "", 2, {"fast": 1.5, "auto": 1.5}),
    "start to ready, CPU s": ("ready_cpu_s", "", 2, {}),
}
"""By words: where a figure stands, its digits, and what is to be reached in each profile."""


def show(report: dict[str, Any], path: Path) -> None:
    """Print the table: a figure, what is to be reached, and its ratio to LiteLLM's of the same run."""
    rows = report["results"]
    yardstick = rows[-1] if rows[-1]["profile"] is None else None
    table = Table("", *(row["server"] for row in rows), title="One worker, an upstream that answers at once")
    for words, (name, inner, digits, goals) in MEASURES.items():
        cells = []
        for row in rows:
            value, goal = _figure(row, name, inner), goals.get(row["profile"])
            cell = f"{value:,.{digits}f}" + ("" if goal is None else f" (to reach: {goal:g})")
            if yardstick is not None and row is not yardstick:
                cell += f", x{value / _figure(yardstick, name, inner):.3g}"
            cells.append(cell)
        table.add_row(words, *cells)
    console = Console()
    console.print(table)
    if yardstick is None:
        console.print(f"LiteLLM's proxy isn't at {LITELLM}, or was left out; scripts/bench_litellm.sh installs it.")
    console.print(f"x: to LiteLLM. {report['machine']}; saved to {path.relative_to(ROOT)}")


def _figure(row: dict[str, Any], name: str, inner: str) -> float:
    found = row[name][inner] if inner else row[name]
    return float(found)


if __name__ == "__main__":
    main()
