"""A gateway as an operator runs it: `pointsman serve --config`, a process of its own, with all that it prints."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

PATIENCE_S = 30.0
_LEVELS = {name: 10 for name in ("aiohttp", "asyncio", "alembic", "pointsman", "uvicorn")} | {"sqlalchemy.engine": 20}
_ALL_AT_DEBUG = f"[logging.getLogger(name).setLevel(level) for name, level in {_LEVELS!r}.items()]"
"""SQLAlchemy's own DEBUG prints the rows that are read, whatever is in them: INFO, its statements, is asked for."""


class Served:
    """A running server; `words` is all that it has printed, on either channel."""

    def __init__(self, folder: Path, document: dict, *, debug: bool = False) -> None:
        self.words = ""
        path = folder / "pointsman.yaml"
        path.write_text(json.dumps(document))
        start = f"import logging; logging.basicConfig(level=logging.DEBUG); {_ALL_AT_DEBUG}; " if debug else ""
        start += "from pointsman.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", start, "serve", "--config", str(path), "--port", "0"]
        told = {"text": True, "env": {**os.environ, "PYTHONUNBUFFERED": "1"}}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **told)
        self._has_url = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._has_url.wait(PATIENCE_S), self.words
        assert self.url, self.words

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.words += line
            found = re.search(r"at (http://\S+)\. API docs", line)
            if found:
                self.url = found[1]
                self._has_url.set()
        self._has_url.set()

    def kill(self) -> None:
        """End it without a word, as a lost machine would."""
        self.process.kill()
        assert self.process.wait(PATIENCE_S) == -signal.SIGKILL

    def terminate(self) -> int:
        """Ask it to end, and return its exit code once it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code


@contextlib.contextmanager
def served(folder: Path, document: dict, *, debug: bool = False):
    """Serve while the block runs, unless it ends the server itself."""
    server = Served(folder, document, debug=debug)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
        server.process.stdout.close()
