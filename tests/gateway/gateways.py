"""A gateway on a real port, served by a real uvicorn in a thread, in front of the provider that stands in."""

import contextlib
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from pointsman.configuration import Configuration, Source, read_configuration
from pointsman.http.opening import opened_app

PATIENCE_S = 20.0
FAMILIES = {"openai": ("gpt-4o-mini", "gpt-4o"), "anthropic": ("claude-haiku", "claude-sonnet")}
CLAUDE = {
    "claude-haiku": {
        "price": {"input": 0.8, "output": 4, "cached_read": 0.08, "cached_write": 1, "cached_write_hour": 1.6}
    },
    "claude-sonnet": {
        "price": {"input": 3, "output": 15, "cached_read": 0.3, "cached_write": 3.75, "cached_write_hour": 6}
    },
}


def document(provider_url: str, database_url: str, **sections: Any) -> dict[str, Any]:
    """Return a configuration of four models at one provider that speaks both protocols, as plain data."""
    about = {"name": "a model", "context_tokens": 200_000, "max_output_tokens": 8192, "latency_ms": 900}
    about |= {"availability": 0.99, "capabilities": ["vision", "tools", "json_mode"]}
    claude = {
        name: {"provider": "anthropic", **about, **CLAUDE[name], "kin": kin}
        for name, kin in zip(FAMILIES["anthropic"], ("gpt-4o-mini", "gpt-4o"), strict=True)
    }
    return {
        "providers": {
            "openai": {"base_url": f"{provider_url}/v1", "api_key": "sk-test"},
            "anthropic": {"base_url": provider_url, "api_key": "sk-test"},
        },
        "models": {**{name: {"provider": "openai"} for name in FAMILIES["openai"]}, **claude},
        "routing": {"baseline": "gpt-4o", "profile": "fast"},
        "budgets": {"daily_usd": 100, "tiers": False},
        "database_url": database_url,
        **sections,
    }


def configured(folder: Path, data: dict[str, Any]) -> Configuration:
    """Return the configuration of plain data, by way of its file."""
    path = folder / "pointsman.yaml"
    path.write_text(json.dumps(data))  # JSON is YAML too
    return read_configuration(path, {})


class Gateway:
    """A running gateway: `url` is where it is, `router`, `treasury` and `executor` are what it runs on."""

    def __init__(self, configuration: Configuration, source: Source | None = None) -> None:
        self.configuration = configuration
        opened = opened_app(configuration, source)
        self.app, self.router, self.executor = opened.app, opened.router, opened.executor
        self.treasury = self.router.treasury
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=5))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)

    def __enter__(self) -> "Gateway":
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise AssertionError("the gateway didn't start")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it as an operator would: what was begun is finished."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def settled(self) -> "Gateway":
        """Return once no bill is on its way to the ledger."""
        deadline = time.monotonic() + PATIENCE_S
        while self.executor.later.count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.executor.later.count} bills are still on their way")
            time.sleep(0.005)
        return self

    @property
    def posted_nanousd(self) -> int:
        """What the ledger says was spent by all."""
        return self._used().posted.nanousd

    @property
    def held_nanousd(self) -> int:
        """What the ledger holds for attempts under way."""
        return self._used().held.nanousd

    def _used(self) -> Any:
        from pointsman.budget import GLOBAL

        return self.treasury.ledger.usage(GLOBAL, "total")

    def post(self, path: str, data: Any, **request: Any) -> httpx.Response:
        """Send one request."""
        return httpx.post(f"{self.url}{path}", json=data, timeout=PATIENCE_S, **request)


@contextlib.contextmanager
def running_gateway(folder: Path, provider_url: str, **sections: Any) -> Any:
    """Run a gateway while the block runs, on a SQLite file of the folder unless a database_url is given."""
    database_url = sections.pop("database_url", f"sqlite:///{folder}/pointsman.db")
    data = document(provider_url, database_url, **sections)
    configuration = configured(folder, data)
    with Gateway(configuration, Source(folder / "pointsman.yaml", {})) as gateway:
        yield gateway
