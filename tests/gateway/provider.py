"""The provider that stands in for paid ones: OpenAI's and Anthropic's HTTP, answers made from requests, an invoice.

In a thread: `with Provider() as p:` and `p.url`, `p.script(Act(status=500))`, `p.invoice`. As a process:
`python tests/gateway/provider.py --port 9000`, scripted by `POST /_script`, read by `GET /_invoice`.
"""

import argparse
import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from provider_acts import PLAIN, Act
from provider_bill import TARIFFS, End, Line, Tariff, Usage
from provider_wire import Connection

try:
    import uvloop
except ImportError:
    new_loop = asyncio.new_event_loop
else:
    new_loop = uvloop.new_event_loop

PATIENCE_S = 20.0


class Call(msgspec.Struct, frozen=True):
    """One request as it came in; `body` is None where it isn't JSON."""

    call_id: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Rule(msgspec.Struct, frozen=True):
    """An act for every call of a model, or of a request that contains a text."""

    act: Act
    model: str | None = None
    containing: str | None = None


class Provider:
    """A provider on 127.0.0.1: what it is told, what it was asked, and what it bills.

    Acts of `script` are used up in order, those of a model before those of any; then the first `rule` that fits, then
    `default`. A model without a tariff doesn't exist.
    """

    def __init__(
        self,
        tariffs: Mapping[str, Tariff] = TARIFFS,
        *,
        keys: tuple[str, ...] = ("sk-test",),
        default: Act = PLAIN,
        port: int = 0,
    ) -> None:
        self.tariffs, self.keys, self.default, self.port = tariffs, keys, default, port
        self.calls: list[Call] = []
        self._lines: list[tuple[str, str, Usage, bool, End, bool]] = []
        self._scripts: dict[str | None, deque[Act]] = {}
        self._rules: list[Rule] = []
        self._open: set[Connection] = set()
        self.connections = 0
        self._busy = 0
        self._count = 0
        self._changed = threading.Condition()
        self._released = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """Where it is, without a path: what Anthropic's clients take as base_url."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """What OpenAI's clients take as base_url."""
        return f"{self.url}/v1"

    @property
    def invoice(self) -> list[Line]:
        """Every call that ended, in the order of their ends."""
        return [
            Line(call, model, usage, paid, end, self.tariffs[model].bill(usage, is_flex=flex) if paid else 0)
            for call, model, usage, paid, end, flex in list(self._lines)
        ]

    @property
    def billed_nanousd(self) -> int:
        """The sum of the invoice."""
        return sum(line.cost_nanousd for line in self.invoice)

    def script(self, *acts: Act, model: str | None = None) -> None:
        """Have the next calls (of a model) go like this, one each."""
        self._scripts.setdefault(model, deque()).extend(acts)

    def rule(self, act: Act, *, model: str | None = None, containing: str | None = None) -> None:
        """Have every call of a model, or whose body contains a text, go like this; the first rule that fits counts."""
        self._rules.append(Rule(act, model, containing))

    def release(self) -> None:
        """Let calls that "wait" go on, those to come included."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._released.set)

    def wait_for_calls(self, count: int) -> None:
        """Return once so many calls came in."""
        self._wait(lambda: len(self.calls) >= count, f"{count} calls")

    def settled(self) -> "Provider":
        """Return once no call is under way, so that the invoice is whole."""
        self._wait(lambda: self._busy == 0, "the end of all calls")
        return self

    def _wait(self, is_true: Any, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(is_true, PATIENCE_S):
                raise AssertionError(f"waited {PATIENCE_S:g} s for {what}; there were {len(self.calls)} calls")

    def reset(self) -> None:
        """Forget all calls, scripts, rules and the invoice."""
        for kept in (self.calls, self._lines, self._scripts, self._rules):
            kept.clear()

    # What a connection asks of it, on the server's own thread.

    def resets_unread(self) -> bool:
        """Return whether the next call of the script is reset before it is read, and use that up."""
        script = self._scripts.get(None)
        if not (script and script[0].at == "request"):
            return False
        act = script.popleft()
        assert act.then == "reset", f"before a request is read there can only be a reset, not {act.then}"
        return True

    def opened(self, path: str, headers: Mapping[str, str], body: Any) -> Call:
        """Note a call and return it."""
        with self._changed:
            self._count += 1
            prefix = "msg" if path.endswith("/messages") else "chatcmpl"
            call = Call(f"{prefix}_{self._count}", path, headers, body)
            self.calls.append(call)
            self._busy += 1
            self._changed.notify_all()
        return call

    def act_for(self, call: Call, raw: bytes) -> Act:
        """Return how a call goes."""
        model = call.body.get("model")
        for name in (model, None):
            script = self._scripts.get(name)
            if script:
                return script.popleft()
        for rule in self._rules:
            if rule.model in (None, model) and (rule.containing is None or rule.containing.encode() in raw):
                return rule.act
        return self.default

    def closed(self, call: Call, usage: Usage, is_billed: bool, end: End, tier: str | None = None) -> None:
        """Put a call on the invoice."""
        body = call.body if isinstance(call.body, dict) else {}
        with self._changed:
            line = (call.call_id, body.get("model", ""), usage, is_billed, end, tier == "flex")
            self._lines.append(line)
            self._busy -= 1
            self._changed.notify_all()

    def connected(self, connection: "Connection", *, is_open: bool) -> None:
        """Note that a connection was made or lost."""
        self.connections += is_open
        (self._open.add if is_open else self._open.discard)(connection)

    async def released(self) -> None:
        """Return once `release` was called."""
        await self._released.wait()

    async def serve(self, ready: Any = None) -> None:
        """Serve until cancelled; call `ready` once the port is open."""
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        if ready is not None:
            ready()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for connection in list(self._open):
                connection.abort()
            while self._open:
                await asyncio.sleep(0)

    def __enter__(self) -> "Provider":
        is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(is_ready.set,), name="provider", daemon=True)
        self._thread.start()
        assert is_ready.wait(PATIENCE_S)
        return self

    def _run(self, ready: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner, contextlib.suppress(asyncio.CancelledError):
            self._task = runner.get_loop().create_task(self.serve(ready))
            runner.run(_until(self._task))

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)


async def _until(task: asyncio.Task[None]) -> None:
    await task


def _arguments() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "--port", {"type": int, "default": 0}
    yield "--delay-ms", {"type": float, "default": 0.0, "help": "before each answer"}
    yield "--every-ms", {"type": float, "default": 0.0, "help": "between the pieces of a stream"}
    yield "--words", {"type": int, "help": "of each answer; an echo without it"}
    yield "--key", {"action": "append", "help": "a key it takes (default: sk-test)"}
    yield "--tariffs", {"help": "JSON: {model: {input, output, cached_read, ...}} in nano-USD per million tokens"}


def main() -> None:
    """Run it as a process until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag, spec in _arguments():
        parser.add_argument(flag, **spec)
    given = parser.parse_args()
    tariffs = TARIFFS if given.tariffs is None else msgspec.json.decode(given.tariffs, type=dict[str, Tariff])
    act = Act(words=given.words, delay_s=given.delay_ms / 1000, every_s=given.every_ms / 1000)
    provider = Provider(tariffs, keys=tuple(given.key or ["sk-test"]), default=act, port=given.port)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(provider.serve(lambda: print(f"listening on {provider.url}", flush=True)))


if __name__ == "__main__":
    main()
