"""What Prometheus is told: requests and their latency, decisions, refusals."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointsman.money import usd
from pointsman.types import Decision

_SECONDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_UNMATCHED: Final = "unmatched"
"""The path of requests that no route answers: their own paths would be without number."""


class Metrics:
    """The counters of one application, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter("pointsman_requests", "HTTP requests", ("path", "status"), registry=registry)
        self._seconds = Histogram(
            "pointsman_request_seconds", "Time to answer", ("path",), buckets=_SECONDS, registry=registry
        )
        labels = ("model", "profile", "complexity")
        self._decisions = Counter("pointsman_decisions", "Decisions", labels, registry=registry)
        self._holds = Counter("pointsman_holds", "Decisions that money was held for", registry=registry)
        self._held = Counter("pointsman_held_usd", "Dollars held for decisions", registry=registry)
        self._degraded = Counter("pointsman_degraded_decisions", "Decisions that a budget changed", registry=registry)
        self._settled = Counter("pointsman_settled", "Holds by how they ended", ("state",), registry=registry)
        self._billed = Counter("pointsman_billed_usd", "Dollars billed by reported outcomes", registry=registry)
        self._refusals = Counter("pointsman_refusals", "Refused requests and tasks", ("code",), registry=registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Count decisions."""
        decided = list(decisions)
        tally = Tally((decision.model, decision.profile, decision.complexity.label) for decision in decided)
        for labels, count in tally.items():
            self._decisions.labels(*labels).inc(count)
        held = [decision.held_nanousd for decision in decided if decision.held_nanousd is not None]
        self._holds.inc(len(held))
        self._held.inc(usd(sum(held)))
        self._degraded.inc(sum(decision.degradation is not None for decision in decided))

    def settled(self, state: str, billed_usd: float = 0.0, count: int = 1) -> None:
        """Count holds that ended, and what they were billed at."""
        self._settled.labels(state).inc(count)
        self._billed.inc(billed_usd)

    def refused(self, code: str, count: int = 1) -> None:
        """Count refused requests, or refused tasks of a batch."""
        self._refusals.labels(code).inc(count)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class Metered:
    """Counts and times every request by the path of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.app = app
        self.metrics = metrics
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = self.clock()

        async def noting_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            path = getattr(scope.get("route"), "path", _UNMATCHED)
            self.metrics.answered(path, status, self.clock() - started)
