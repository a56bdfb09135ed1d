import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def pointsman(capsys, monkeypatch):
    """Run one verb in this process: pointsman("route", "Fix the login bug", stdin=b"...")."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def jsonl(tmp_path):
    """Write lines, data or raw bytes, to a file of this name and return its path."""

    def write(*lines, name="tasks.jsonl"):
        path = tmp_path / name
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(raw) + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def read_jsonl():
    return lambda path: [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture(scope="session")
def source_roots():
    """PYTHONPATH for real subprocesses, whether or not the package is installed."""
    root = Path(__file__).resolve().parents[3]
    return f"{root / 'serving'}:{root / 'training'}"
