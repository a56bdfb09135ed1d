"""A real server under fire: one small limit is never passed, and killing the server strands nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pointsman.budget import GLOBAL
from pointsman.store import open_ledger

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ROOT = Path(__file__).resolve().parents[2]
LIMIT = 30_000_000
TASK = {"description": "Write unit tests for the ISO date parser"}
PATIENCE_S = 120


@contextmanager
def served(tmp_path, database_url, *words):
    """Run `pointsman serve` on a free port under the small limit; the block gets its address and the process."""
    rules = tmp_path / "budgets.yaml"
    rules.write_text(f"daily_usd: {LIMIT / 1e9}\ntiers: false\n")
    options = ("--port", "0", "--profile", "fast", "--budgets", str(rules), "--database-url", database_url)
    command = [sys.executable, "-m", "pointsman.cli", "serve", *options, *words]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'serving'}:{ROOT / 'training'}"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            where = process.stdout.readline().decode().split(" at ")[1].split(". API docs: ")[0]
            until(lambda: fetch(where, "/livez")[0] == 200)
            yield where, process
        finally:
            kill(process, signal.SIGINT)
            process.wait(timeout=60)


def kill(process, how):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def fetch(where, path, body=None):
    """Return (status, JSON) of a request; (None, None) where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with DIRECT.open(f"{where}{path}", data=data, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except (urllib.error.URLError, ConnectionError):
        return None, None


def until(is_so):
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)


def used(database_url):
    """Return nano-USD posted and held by everyone today."""
    with open_ledger(database_url) as ledger:
        usage = ledger.usage(GLOBAL, "day")
        assert ledger.reconcile() == []
        return usage.posted.nanousd, usage.held.nanousd


@pytest.mark.parametrize("workers", [2])
def test_many_callers_of_several_processes_never_pass_one_small_limit(tmp_path, database_url, workers):
    callers, each = 24, 8
    barrier = threading.Barrier(callers)

    def call(number):
        barrier.wait()
        return [fetch(where, "/v1/route", TASK | {"id": f"{number}-{turn}"}) for turn in range(each)]

    with served(tmp_path, database_url, "--workers", str(workers)) as (where, _), ThreadPoolExecutor(callers) as pool:
        answers = [answer for group in pool.map(call, range(callers)) for answer in group]
        held = [reply["held_nanousd"] for status, reply in answers if status == 200]
        refusals = [reply["error"] for status, reply in answers if status == 402]
        settled = [reply["decision_id"] for status, reply in answers if status == 200][:3]
        bills = [fetch(where, "/v1/outcomes", {"decision_id": one, "cost_usd": 0.00001})[0] for one in settled]
    assert len(held) + len(refusals) == callers * each
    assert {error["code"] for error in refusals} == {"budget_exceeded"}
    assert all(error["details"]["limit"] == LIMIT for error in refusals)
    assert LIMIT // 2 < sum(held) <= LIMIT
    assert bills == [200, 200, 200]
    posted, still_held = used(database_url)
    assert posted == 30_000
    assert posted + still_held <= LIMIT


def test_a_server_that_is_killed_strands_nothing_after_expiry(tmp_path, database_url):
    decided, stop = [], threading.Event()

    def call():
        while not stop.is_set():
            status, reply = fetch(where, "/v1/route", TASK)
            if status == 200:
                decided.append(reply["held_nanousd"])
            elif status is None:
                return

    with served(tmp_path, database_url, "--hold-for", "3") as (where, process):
        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(decided) >= 3)
        kill(process, signal.SIGKILL)
        for thread in threads:
            thread.join()
        stop.set()
    posted, held = used(database_url)
    assert sum(decided) <= posted + held <= LIMIT
    with served(tmp_path, database_url, "--hold-for", "3") as (where, _):
        until(lambda: fetch(where, "/v1/budgets")[1]["budgets"][0]["held"] == 0)
        (line,) = fetch(where, "/v1/budgets")[1]["budgets"]
    assert sum(decided) <= line["posted"] <= LIMIT
    assert line["remaining"] == LIMIT - line["posted"]
