"""Ways through the gateway, ways in which a provider fails, and what the ledger has to say of each pair."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec
from provider_acts import (
    BROKEN_UTF8,
    CONTEXT_TOO_LONG,
    HANG,
    HTML,
    RESET_AFTER,
    RESET_BEFORE,
    TRUNCATED_JSON,
    Act,
    rate_limited,
)

from pointsman.budget import GLOBAL

PATIENCE_S = 10.0
HEADERS = "x-pointsman-"
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
CLAUDE_TOOLS = [{"name": "look", "input_schema": {"type": "object", "properties": {"where": {"type": "string"}}}}]
FAST = {"connect_timeout_s": 1, "first_byte_timeout_s": 0.25, "idle_timeout_s": 0.25, "total_timeout_s": 5}
QUICK = {"attempts": 2, "base_delay_s": 0.001, "max_delay_s": 0.02}


class Failure(msgspec.Struct, frozen=True):
    """What the first call does, those after it go well; `of` says whether only streams, or only whole answers, can.

    `is_known` is that the bill follows from what came: it has to be posted as it is. Else the ledger may presume the
    hold, until somebody reports what was billed.
    """

    acts: tuple[Act, ...]
    is_known: bool = True
    of: str = "both"


def _unknown(*acts: Act, of: str = "both") -> Failure:
    return Failure(acts, is_known=False, of=of)


FAILURES: dict[str, Failure] = {
    "none": Failure(()),
    "429 that asks to wait a little": Failure((rate_limited("0.005"),)),
    "429 that asks to wait long": Failure((rate_limited("30"),)),
    "429 twice": Failure((rate_limited("0.005"), rate_limited("0.005"))),
    "empty account": Failure((Act(status=429, code="insufficient_quota"),)),
    "500": Failure((Act(status=500),)),
    "500 twice": Failure((Act(status=500), Act(status=500))),
    "503": Failure((Act(status=503),)),
    "529": Failure((Act(status=529),)),
    "504": _unknown(Act(status=504, is_billed=True)),
    "401": Failure((Act(status=401, code="invalid_api_key"),)),
    "400": Failure((Act(status=400, code="invalid_request_error"),)),
    "context too long": Failure((CONTEXT_TOO_LONG,)),
    "redirect": _unknown(Act(status=307, headers={"location": "http://127.0.0.1:9/v1/chat/completions"})),
    "reset before it was read": _unknown(RESET_BEFORE),
    "reset after it was read": _unknown(RESET_AFTER),
    "connection closed": _unknown(Act(at="answer", then="cut")),
    "no answer in time": _unknown(HANG),
    "hangs after the headers": _unknown(Act(at="headers", then="hang")),
    "HTML": _unknown(HTML),
    "truncated JSON": _unknown(TRUNCATED_JSON),
    "broken UTF-8": _unknown(BROKEN_UTF8),
    "empty body": _unknown(Act(body=b"")),
    "JSON that is no object": _unknown(Act(body=b"[]")),
    "an error of status 200": _unknown(Act(body=b'{"error": {"message": "no", "type": "server_error"}}')),
    "gzip that nobody asked for": Failure((Act(gzip=True),), of="whole"),
    "shorter than it says": _unknown(Act(length_lie=7), of="whole"),
    "cut in the body": _unknown(Act(at=20, then="cut"), of="whole"),
    "cut after the headers": _unknown(Act(at="headers", then="cut")),
    "cut between events": _unknown(Act(at=1, then="cut"), of="stream"),
    "cut in an event": _unknown(Act(at=1, then="half"), of="stream"),
    "ended too early": _unknown(Act(at=1, then="end"), of="stream"),
    "reset between events": _unknown(Act(at=1, then="reset"), of="stream"),
    "hangs between events": _unknown(Act(at=1, then="hang"), of="stream"),
    "an error event": _unknown(Act(at=1, then="error"), of="stream"),
    "an error event at once": _unknown(Act(at="headers", then="error"), of="stream"),
    "cut before the usage": _unknown(Act(at="usage", then="cut"), of="stream"),
    "ended before the usage": _unknown(Act(at="usage", then="end"), of="stream"),
    "cut after the usage": Failure((Act(at="done", then="cut"),), of="stream"),
    "ended after the usage": Failure((Act(at="done", then="end"),), of="stream"),
    "half of the last event": Failure((Act(at="done", then="half"),), of="stream"),
    "an error event after the usage": Failure((Act(at="done", then="error"),), of="stream"),
    "trickled": Failure((Act(piece_bytes=7),)),
    "cached tokens read": Failure((Act(cached_read=40),)),
    "cached tokens written": Failure((Act(cached_write=40),)),
    "cached tokens read and written": Failure((Act(cached_read=20, cached_write=30),)),
    "reasoning": Failure((Act(reasoning=30),)),
    "refusal": Failure((Act(refusal="I can't help with that."),)),
    "an empty text": Failure((Act(text=""),)),
    "usage missing": _unknown(Act(usage={})),
    "usage negative": _unknown(Act(usage={"completion_tokens": -5, "output_tokens": -5})),
    "usage of no whole number": _unknown(Act(usage={"completion_tokens": 7.5, "output_tokens": 7.5})),
    "usage in words": _unknown(Act(usage={"completion_tokens": "7", "output_tokens": "7"})),
    "no input": _unknown(Act(usage={"prompt_tokens": 0, "input_tokens": 0})),
    "no output": _unknown(Act(usage={"completion_tokens": 0, "output_tokens": 0, "total_tokens": None})),
    "usage too small": _unknown(
        Act(usage={"completion_tokens": 1, "output_tokens": 1, "total_tokens": None}, words=400),
    ),
    "input too small": _unknown(Act(usage={"prompt_tokens": 1, "input_tokens": 1, "total_tokens": None})),
    "usage huge": _unknown(
        Act(usage={"completion_tokens": 10**12, "output_tokens": 10**12, "total_tokens": None}),
    ),
    "more output than was asked for": _unknown(
        Act(usage={"completion_tokens": 60_000_000, "output_tokens": 60_000_000, "total_tokens": None}),
    ),
    "more cached than there is": _unknown(
        Act(usage={"prompt_tokens_details": {"cached_tokens": 10**7}, "cache_creation_input_tokens": -1}),
    ),
    "cost -1": _unknown(Act(cost=-1)),
    "cost 0": Failure((Act(cost=0),)),
}

Ask = Callable[["Till", str], list[httpx.Response]]


class Path(msgspec.Struct, frozen=True):
    """A way through the gateway of this name: `ask` sends the requests; `calls` is the least number that are billed."""

    ask: Ask
    gateway: str = "plain"
    is_stream: bool = False
    calls: int = 1
    script: Callable[[Any], None] | None = None
    skips: frozenset[str] = frozenset()

    def has(self, name: str, failure: Failure) -> bool:
        """Whether the failure can happen on this path."""
        return failure.of in ("both", "stream" if self.is_stream else "whole") and name not in self.skips


class Till:
    """One gateway and its provider, as a case sees them: what is spent from here on."""

    def __init__(self, gateway: Any, provider: Any, client: httpx.Client) -> None:
        self.gateway, self.provider, self.client = gateway, provider, client
        provider.settled().reset()
        for model in gateway.router.fleet.ids:
            gateway.executor.parts.health.succeeded(model)
        self.ledger = gateway.treasury.ledger
        self._before = self._used().posted.nanousd
        self._last = self._newest_entry()

    def _used(self) -> Any:
        return self.ledger.usage(GLOBAL, "total")

    def _newest_entry(self) -> int:
        last = getattr(self.gateway, "newest_entry", 0)
        while entries := self.ledger.entries(after=last):
            last = entries[-1].number
        self.gateway.newest_entry = last
        return last

    @property
    def posted(self) -> int:
        """What was posted since the case began."""
        return self._used().posted.nanousd - self._before

    def settled(self) -> "Till":
        """Return once the provider is through and no money is held."""
        self.provider.settled()
        deadline = time.monotonic() + PATIENCE_S
        while self.gateway.executor.later.count or self._used().held.nanousd:
            assert time.monotonic() < deadline, f"{self._used().held} is held still"
            time.sleep(0.001)
        return self

    @property
    def holds(self) -> list[Any]:
        """Every hold of the case, in the order in which it was opened."""
        ids = dict.fromkeys(entry.hold_id for entry in self.ledger.entries(after=self._last))
        return [self.ledger.hold(hold_id) for hold_id in ids]

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Send a request and read the whole answer."""
        return self.client.post(f"{self.gateway.url}{path}", json=body, headers=headers)

    def leave(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Send a request and hang up at the first piece of its answer."""
        with self.client.stream("POST", f"{self.gateway.url}{path}", json=body) as response:
            if response.status_code >= 400:
                response.read()
            else:
                next(response.iter_raw())
        return response

    def report(self, hold: Any, line: Any | None) -> None:
        """Report what the provider's invoice says of an attempt whose bill nobody knew."""
        evidence = (
            {"unbilled": "confirmed"}
            if line is None or not line.cost_nanousd
            else {"cost_usd": line.cost_nanousd / 1e9}
        )
        told = self.post("/v1/outcomes", {"decision_id": hold.decision_id, "hold_id": hold.hold_id, **evidence})
        assert told.status_code == 200, told.text
        assert told.json()["state"] == "corrected"


def chat(model: str = "auto", path: str = "/v1/chat/completions", **more: Any) -> Ask:
    """Return a way to ask one question."""

    def ask(till: Till, text: str) -> list[httpx.Response]:
        limit = {"max_tokens": 500}
        return [till.post(path, {"model": model, "messages": [{"role": "user", "content": text}], **limit, **more})]

    return ask


def _twice(till: Till, text: str) -> list[httpx.Response]:
    return [*chat(temperature=0)(till, text), *chat(temperature=0)(till, text)]


def _alike(till: Till, text: str) -> list[httpx.Response]:
    return [*chat(temperature=0)(till, text), *chat(temperature=0)(till, f"  {text.lower()}?")]


def _execute(till: Till, text: str) -> list[httpx.Response]:
    return [till.post("/v1/execute", {"description": text, "max_output_tokens": 500})]


def _batch(till: Till, text: str) -> list[httpx.Response]:
    tasks = [{"description": f"{text} {number}", "max_output_tokens": 500} for number in range(3)]
    return [till.post("/v1/execute/batch", {"tasks": tasks})]


def _waiting(till: Till, text: str) -> list[httpx.Response]:
    return [till.post("/v1/execute", {"description": text, "max_output_tokens": 500, "can_wait": True})]


def _hang_up(till: Till, text: str) -> list[httpx.Response]:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": True, "max_tokens": 500}
    return [till.leave("/v1/chat/completions", body)]


def _long(till: Till, text: str) -> list[httpx.Response]:
    turns = [{"role": ("user", "assistant")[number % 2], "content": f"{number} {text}"} for number in range(12)]
    body = {"model": "auto", "messages": [*turns, {"role": "user", "content": text}], "max_tokens": 500}
    return [till.post("/v1/chat/completions", body)]


def _hour(till: Till, text: str) -> list[httpx.Response]:
    part = {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = {"model": "claude-haiku", "messages": [{"role": "user", "content": [part]}], "max_tokens": 500}
    till.provider.rule(Act(cached_write=10, cached_write_hour=30))
    return [till.post("/v1/messages", body)]


def _primary_down(provider: Any) -> None:
    provider.rule(Act(status=503), model="gpt-4o-mini")


MESSAGES = "/v1/messages"
SHORT = frozenset({"usage too small"})  # a call of a tool is two tokens long here: that one is too few can't be seen
PATHS: dict[str, Path] = {
    "chat": Path(chat()),
    "stream": Path(chat(stream=True), is_stream=True),
    "stream that asks for usage": Path(chat(stream=True, stream_options={"include_usage": True}), is_stream=True),
    "tools": Path(chat(tools=TOOLS), skips=SHORT),
    "stream of tools": Path(chat(tools=TOOLS, stream=True), is_stream=True, skips=SHORT),
    "two answers": Path(chat(n=2)),
    "two streamed answers": Path(chat(n=2, stream=True), is_stream=True),
    "messages": Path(chat(path=MESSAGES)),
    "stream of messages": Path(chat(path=MESSAGES, stream=True), is_stream=True),
    "messages with tools": Path(chat(path=MESSAGES, tools=CLAUDE_TOOLS), skips=SHORT),
    "OpenAI to Anthropic": Path(chat("claude-haiku")),
    "OpenAI to Anthropic, streamed": Path(chat("claude-haiku", stream=True), is_stream=True),
    "OpenAI to Anthropic, streamed tools": Path(
        chat("claude-haiku", stream=True, tools=TOOLS), is_stream=True, skips=SHORT
    ),
    "Anthropic to OpenAI": Path(chat("gpt-4o-mini", MESSAGES)),
    "Anthropic to OpenAI, streamed": Path(chat("gpt-4o-mini", MESSAGES, stream=True), is_stream=True),
    "Anthropic": Path(chat("claude-haiku", MESSAGES)),
    "Anthropic, streamed": Path(chat("claude-haiku", MESSAGES, stream=True), is_stream=True),
    "a prompt cached for an hour": Path(_hour),
    "fallback": Path(chat(), script=_primary_down),
    "fallback of a stream": Path(chat(stream=True), script=_primary_down, is_stream=True),
    "a provider that can't be reached": Path(chat(), "dead"),
    "a stream whose provider can't be reached": Path(chat(stream=True), "dead", is_stream=True),
    "cascade": Path(chat(), "cascade"),
    "streamed cascade": Path(chat(stream=True), "cascade"),
    "cached": Path(_twice, "cache"),
    "cached alike": Path(_alike, "cache"),
    "execute": Path(_execute),
    "execute what can wait": Path(_waiting),
    "execute at the batch price": Path(_waiting, "batch"),
    "execute many": Path(_batch, calls=3),
    "hung up, read to its end": Path(_hang_up, is_stream=True),
    "hung up, cut off": Path(_hang_up, "abort", is_stream=True),
    "trimmed": Path(_long, "trim"),
}


def check(till: Till, path: Path, failure: Failure, text: str) -> list[httpx.Response]:
    """Run one case: what the ledger posts is what the provider bills, once what nobody could know was reported."""
    if path.script is not None:
        path.script(till.provider)
    till.provider.script(*failure.acts)
    answers = path.ask(till, text)
    for answer in answers:
        assert answer.status_code != 500, answer.status_code
        assert answer.status_code < 400 or answer.json()["error"]["message"], answer.text
    till.settled()
    lines, holds = till.provider.invoice, till.holds
    unknown = [hold for hold in holds if hold.state == "presumed"]
    assert {hold.state for hold in holds} <= {"settled", "voided", "presumed"}
    if not failure.is_known:
        assert unknown, "nobody can know the bill, and no hold was presumed"
    elif path.gateway != "abort":
        assert unknown == [], [hold.model for hold in unknown]
    told = [
        json.loads(f'"{answer.headers[HEADERS + "cost-usd"]}"')
        for answer in answers
        if HEADERS + "cost-usd" in answer.headers
    ]
    if len(told) == len(answers) and not unknown:
        assert sum(round(float(cost) * 1e9) for cost in told) == till.posted
    for hold, line in matched(holds, lines):
        assert hold.amount.nanousd >= (0 if line is None else line.cost_nanousd), (hold, line)
        till.report(hold, line)
    assert (till.posted, till._used().held.nanousd) == (sum(line.cost_nanousd for line in lines), 0)
    return answers


def matched(holds: list[Any], lines: list[Any]) -> list[tuple[Any, Any]]:
    """Return each presumed hold with the line of the invoice that is left for it, None where none is.

    Raises:
        AssertionError: a bill was posted that the provider doesn't have, or has one that stands nowhere.
    """
    left = defaultdict(list)
    for line in lines:
        if line.cost_nanousd:
            left[line.model].append(line)
    for hold in holds:
        if hold.state == "settled":
            same = [line for line in left[hold.model] if line.cost_nanousd == hold.bill.nanousd]
            assert same, f"{hold.bill} was posted for {hold.model}; left on the invoice: {left[hold.model]}"
            left[hold.model].remove(same[0])
    found = []
    for hold in holds:
        if hold.state == "presumed":
            found.append((hold, left[hold.model].pop(0) if left[hold.model] else None))
    assert not any(left.values()), f"billed and posted nowhere: {dict(left)}"
    return found
