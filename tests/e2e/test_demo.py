"""What `make demo` does, on a small slice: train from feature rows, serve the bundle, route over real HTTP."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*words, timeout):
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture(scope="module")
def slice_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    rows = pq.read_table(ROOT / "datasets" / "public" / "zeroeval.parquet")
    pq.write_table(rows.slice(0, 400), folder / "outcomes.parquet")
    for name, start in (("tasks", 0), ("held-out", 60)):
        (folder / name).mkdir()
        for path in sorted((ROOT / "datasets" / "tasks").glob("*.jsonl")):
            lines = path.read_text().splitlines(keepends=True)[start : start + 12]
            (folder / name / path.name).write_text("".join(lines))
    trained = run(
        *(sys.executable, "-m", "pointsman.cli", "train", "--outcomes", str(folder / "outcomes.parquet")),
        *("--tasks", str(folder / "tasks"), "--held-out-tasks", str(folder / "held-out")),
        *("--prices", "datasets/prices.csv", "--folds", "2", "--output", str(folder / "bundle")),
        timeout=240,
    )
    assert trained.returncode == 0, trained.stderr
    assert "proved parity on 192 texts" in trained.stdout
    return folder / "bundle"


def test_the_demo_trains_serves_and_routes(slice_bundle):
    shown = run(sys.executable, "scripts/demo.py", "--bundle", str(slice_bundle), "--tasks", "3", timeout=120)
    assert (shown.returncode, shown.stderr) == (0, "")
    for words in ("Implement user authentication", "Fix login bug", "3 tasks", "/docs"):
        assert words in shown.stdout


def test_the_demo_says_what_is_wrong_with_a_bundle_and_leaves_no_server(tmp_path):
    shown = run(sys.executable, "scripts/demo.py", "--bundle", str(tmp_path / "none"), "--tasks", "1", timeout=120)
    assert shown.returncode != 0
    assert "manifest.json is missing" in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stdout + shown.stderr
