import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from pointsman import Policy, Router, Task, load_fleet
from pointsman.cli.serve import app_from_environment

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DEMO = Path(__file__).resolve().parents[3] / "scripts" / "demo.py"


@pytest.fixture
def serve(source_roots, bundle_dir):
    """Run `pointsman serve` on a free port; the block gets its address and the process."""

    @contextmanager
    def served(*words):
        command = [sys.executable, "-m", "pointsman.cli", "serve", "--port", "0", "--bundle", str(bundle_dir), *words]
        environment = os.environ | {"PYTHONPATH": source_roots}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                said = process.stdout.readline().decode()
                yield said.split(" at ")[1].split(". API docs: ")[0], process, said
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=30)

    return served


def fetch(url, data=None):
    """Return the JSON at a URL; a connection refused is tried again while worker processes start."""
    for _ in range(30):
        try:
            with DIRECT.open(url, data=None if data is None else json.dumps(data).encode(), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.3)
    raise AssertionError(f"{url} never answered")


def test_a_real_server_answers_and_says_where_the_docs_are(serve, bundle_dir):
    with serve("--fleet", "seeds", "--profile", "fast", "--strategy", "quality-first") as (where, process, said):
        ready = fetch(f"{where}/readyz")
        decision = fetch(f"{where}/v1/route", {"description": "Fix the login bug"})
    assert said.endswith(f"API docs: {where}/docs\n")
    assert (ready["fleet"], ready["profile"], ready["strategy"]) == ("seeds", "fast", "quality-first")
    assert (decision["profile"], decision["strategy"]) == ("fast", "quality-first")
    assert process.returncode == 130


def test_workers_serve_what_the_options_say(serve):
    options = ("--fleet", "seeds", "--profile", "fast", "--strategy", "weighted", "--trade-usd", "0.5")
    with serve("--workers", "2", *options) as (where, _, _):
        ready = fetch(f"{where}/readyz")
    assert (ready["fleet"], ready["profile"], ready["strategy"]) == ("seeds", "fast", "weighted")


def test_the_factory_reads_its_settings_from_the_environment(monkeypatch, bundle_dir):
    settings = {"BUNDLE": bundle_dir, "FLEET": "current", "PROFILE": "deep", "STRATEGY": "cost-optimised"}
    for name, value in settings.items():
        monkeypatch.setenv(f"POINTSMAN_{name}", str(value))

    async def routed():
        app = httpx.ASGITransport(app_from_environment())
        async with httpx.AsyncClient(transport=app, base_url="http://a") as http:
            return (await http.post("/v1/route", json={"description": "Fix the login bug"})).json()

    fleet = load_fleet("current")
    for trade_usd in (0.000001, 1000.0):
        monkeypatch.setenv("POINTSMAN_TRADE_USD", str(trade_usd))
        router = Router.load(bundle_dir, fleet, "deep", Policy(trade_usd=trade_usd))
        assert anyio.run(routed)["model"] == router.route("Fix the login bug").model


def test_a_bundle_that_is_none_is_refused_before_any_worker_starts(pointsman, tmp_path):
    code, out, err = pointsman("serve", "--workers", "2", "--port", "0", "--bundle", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/manifest.json is missing")


def test_a_taken_port_is_refused(pointsman, bundle_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = pointsman("serve", "--port", port, "--bundle", bundle_dir)
    assert (code, out) == (2, "")
    advice = "Address already in use. Choose another with --port, or stop what uses it."
    assert err == f"error: Can't listen on 127.0.0.1 port {port}: {advice}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--workers", "0"), "workers is 0; expected at least 1."),
        (("--port", "70000"), "port is 70000; expected 0 to 65535."),
        (("--host", "no such host"), "host is 'no such host'; expected an address of this machine."),
        (
            ("--strategy", "best"),
            "strategy is 'best'; expected one of cost-optimised, quality-first, weighted, task-type-optimised, "
            "dynamic-adaptive, cost-aggressive, control.",
        ),
    ],
)
def test_options_that_cannot_be_served_are_refused(pointsman, bundle_dir, words, message):
    assert pointsman("serve", "--bundle", bundle_dir, *words) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("library", ["uvicorn", "fastapi"])
def test_without_the_extra_its_install_is_named(source_roots, bundle_dir, library):
    code = f"""
import sys
sys.modules["{library}"] = None
from pointsman.cli import main
sys.exit(main(["serve", "--bundle", {str(bundle_dir)!r}]))
"""
    environment = os.environ | {"PYTHONPATH": source_roots}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60, check=False)
    message = 'error: The HTTP server needs the extra "serve". Install it with: pip install "pointsman[serve]"\n'
    assert (done.returncode, done.stderr.decode()) == (2, message)


def run_demo(source_roots, *words):
    environment = os.environ | {"PYTHONPATH": source_roots}
    command = [sys.executable, str(DEMO), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_routes_over_http_and_prints_decisions(source_roots, bundle_dir):
    done = run_demo(source_roots, "--bundle", bundle_dir, "--tasks", "3")
    assert (done.returncode, done.stderr) == (0, "")
    router = Router.load(bundle=bundle_dir)
    for task in ("Implement user authentication", "Create API endpoints", "Fix login bug"):
        decision = router.route(Task(task))
        row = next(line for line in done.stdout.splitlines() if task in line)
        assert row.split()[len(task.split()) :][:4] == [
            decision.type,
            decision.complexity.label,
            f"{decision.complexity.probability:.2f}",
            decision.model,
        ]
    assert "Update API docs" not in done.stdout
    assert " 3 tasks " in done.stdout


def test_the_demo_fails_with_what_the_server_said(source_roots, tmp_path):
    done = run_demo(source_roots, "--bundle", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: The server stopped at once. It said:\nerror: ")
    assert run_demo(source_roots, "--tasks", "14").returncode == 2
