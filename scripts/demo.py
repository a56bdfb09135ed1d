"""Start the server, route thirteen everyday tasks over HTTP, print what came out, and stop the server.

Run by `make demo` after training; alone: python scripts/demo.py [--bundle DIR] [--port N] [--tasks N].
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman.cli.saving import saving_percent
from pointsman.money import format_usd

TASKS: Final = (
    "Implement user authentication",
    "Create API endpoints",
    "Fix login bug",
    "Update API docs",
    "Review pull request",
    "Extract reusable components",
    "Add JSDoc comments",
    "Build dashboard UI",
    "Implement data visualization",
    "Fix chart rendering",
    "Write unit tests",
    "Update README",
    "Investigate performance issue",
)
_START_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 30
_DIRECT: Final = urllib.request.build_opener(
    urllib.request.ProxyHandler({})
)  # a proxy can't reach this machine's server
_PAPER_COLUMNS: Final = 120
_NEXT: Final = """\
quality: the expected chance of a good answer; saving: against {baseline} for every task

Serve it yourself:      make serve
Read the API docs:      http://127.0.0.1:8000/docs, while it serves
Route a task of yours:  pointsman route "Fix the login bug" --type debugging --budget 0.5
"""


class DemoError(Exception):
    """Something failed; the message says what."""


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description="Route thirteen tasks over HTTP and print the decisions.")
    parser.add_argument("--bundle", metavar="DIR", help="a trained bundle (default: the one that comes along)")
    parser.add_argument("--port", type=int, metavar="N", help="the port to serve on (default: a free one)")
    parser.add_argument("--tasks", type=int, default=len(TASKS), metavar="N", help="only the first N tasks")
    args = parser.parse_args()
    if not 1 <= args.tasks <= len(TASKS):
        parser.error(f"--tasks is {args.tasks}; expected 1 to {len(TASKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    port = args.port or _free_port()
    try:
        with _server(port, args.bundle):
            _show([(task, _route(port, task)) for task in TASKS[: args.tasks]])
    except DemoError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _server(port: int, bundle: str | None) -> Iterator[None]:
    """Run `pointsman serve` until the block ends, however it ends."""
    command = [sys.executable, "-m", "pointsman.cli", "serve", "--port", str(port)]
    command += ["--bundle", bundle] if bundle else []
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await_ready(process, port, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    said = log.read().decode(errors="replace").strip() or "nothing"
    what = f"wasn't ready after {_START_SECONDS} seconds" if process.poll() is None else "stopped at once"
    raise DemoError(f"The server {what}. It said:\n{said}")


def _route(port: int, task: str) -> dict[str, Any]:
    body = json.dumps({"description": task}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/route", data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with _DIRECT.open(request, timeout=_ANSWER_SECONDS) as answer:
            decision: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise DemoError(f"The server refused {task!r} with status {error.code}: {error.read().decode()}") from None
    except OSError as error:
        raise DemoError(f"The server didn't answer for {task!r}: {error}.") from None
    return decision


def _show(routed: list[tuple[str, dict[str, Any]]]) -> None:
    table = Table(title="POST /v1/route", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("task", "type", "complexity", "model"):
        table.add_column(head, overflow="fold")
    for head in ("quality", "cost", "saving"):
        table.add_column(head, justify="right")
    for task, decision in routed:
        table.add_row(task, *_cells(decision))
    table.add_section()
    table.add_row(f"{len(routed)} tasks", "", "", "", "", *_totals([decision for _, decision in routed]), style="bold")
    Console(width=None if sys.stdout.isatty() else _PAPER_COLUMNS).print(table)
    sys.stdout.write(_NEXT.format(baseline=routed[0][1]["baseline"] or "a baseline, which this fleet lacks"))


def _cells(decision: dict[str, Any]) -> tuple[Text, ...]:
    label = decision["complexity"]["label"]
    probability = decision["complexity"]["probabilities"][label]
    cells = (
        decision["type"],
        f"{label} {probability:.2f}",
        decision["model"],
        f"{decision['quality']:.2f}",
        format_usd(decision["cost_nanousd"]),
        _saving([decision]),
    )
    return tuple(map(Text, cells))


def _totals(decisions: list[dict[str, Any]]) -> tuple[str, str]:
    return format_usd(sum(decision["cost_nanousd"] for decision in decisions)), _saving(decisions)


def _saving(decisions: list[dict[str, Any]]) -> str:
    savings = [decision["saving_nanousd"] for decision in decisions]
    if None in savings:
        return "-"
    return saving_percent(sum(decision["cost_nanousd"] for decision in decisions), sum(savings))


if __name__ == "__main__":
    sys.exit(main())
