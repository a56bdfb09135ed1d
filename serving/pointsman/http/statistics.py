"""The log over HTTP: statistics, costs, savings, series, exports, resets and erasure, each of the caller's tenant."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from pointsman.access.words import ANONYMOUS, Principal
from pointsman.errors import Forbidden, LedgerUnavailable
from pointsman.http.bodies import decode, json_response, read_body
from pointsman.http.operations import operation
from pointsman.insight import (
    Period,
    TokenBudget,
    costs,
    exported,
    optimization_metrics,
    parse_moment,
    period,
    savings,
    statistics,
    time_series,
)
from pointsman.insight.statistics import Statistics
from pointsman.insight.summaries import Summary, breakdown, cost_summary, performance
from pointsman.store.events import EventLog
from pointsman.task_json import NAME, Kind, read_object
from pointsman.tenants import Tenants
from pointsman.treasury.overview import budgets

_SEED: Final = 0
"""The same log gives the same intervals."""

_EXPORT_KINDS: Final[Mapping[str, Kind]] = {"format": NAME, "since": NAME, "until": NAME}
_RESET_KINDS: Final[Mapping[str, Kind]] = {"reason": NAME}
_REFUSALS: Final = (422, 503)
_MEDIA: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
_PLACES: Final = ("", "/v1")


class Reset(msgspec.Struct, frozen=True):
    """From when on statistics count; what was before stays in the log."""

    since: datetime


class Erased(msgspec.Struct, frozen=True):
    """How many lines of the log were about the user."""

    lines: int


class Health(msgspec.Struct, frozen=True):
    """Whether the server does its work: "ok", "losing events" or "database unavailable".

    `requests` and `error_rate` are of the last hour. `lost_events` couldn't be written since the process began,
    `waiting_events` will be. `circuits` has the state of each model's circuit, where calls are made here.
    """

    status: str
    uptime_s: float
    requests: int | None
    error_rate: float | None
    lost_events: int
    waiting_events: int
    circuits: Mapping[str, str] = {}


Circuits = Callable[[], Mapping[str, str]]


def statistics_api(log: EventLog, tenants: Tenants, circuits: Circuits = dict) -> APIRouter:
    """Return the routes of the log; all of their work is done in threads, since it waits for the database.

    `circuits` gives the state of each model's circuit.
    """
    api = APIRouter(tags=["statistics"])
    _add_figures(api, log, tenants)
    _add_summaries(api, log, tenants)
    _add_keeping(api, log, circuits)
    return api


def _add_figures(api: APIRouter, log: EventLog, tenants: Tenants) -> None:
    @api.get("/v1/stats", openapi_extra=operation("Statistics", refusals=_REFUSALS))
    @api.get("/stats", name="stats_at_root", openapi_extra=operation("Statistics", refusals=_REFUSALS))
    async def stats(request: Request, since: str | None = None, until: str | None = None) -> Response:
        """Sum up the requests: totals, rates, latency, distributions; since the last reset, unless `since` says."""
        return await _reply(log, request, since, until, lambda span: _figures(log, tenants, span))

    @api.get("/v1/stats/cost", openapi_extra=operation("Costs", refusals=_REFUSALS))
    async def stats_cost(
        request: Request, since: str | None = None, until: str | None = None, by: str = "model"
    ) -> Response:
        """Say what was spent on what: `by` model, type, complexity, strategy, user, team, agent, project, key, day."""
        return await _reply(log, request, since, until, lambda span: costs(log, span, by))

    @api.get("/v1/stats/savings", openapi_extra=operation("Savings", refusals=_REFUSALS))
    async def stats_savings(request: Request, since: str | None = None, until: str | None = None) -> Response:
        """Say what routing saved against the baseline, with failures and judging taken off, and project it."""
        return await _reply(log, request, since, until, lambda span: savings(log, span, _rng()))

    @api.get("/v1/stats/series", openapi_extra=operation("Series", refusals=_REFUSALS))
    @api.get("/v1/analytics/time-series", name="time_series", openapi_extra=operation("Series", refusals=_REFUSALS))
    @api.get(
        "/analytics/time-series", name="time_series_at_root", openapi_extra=operation("Series", refusals=_REFUSALS)
    )
    async def stats_series(
        request: Request, since: str | None = None, until: str | None = None, step: str = "day"
    ) -> Response:
        """Give the figures of every `step`, "hour" or "day" (UTC)."""
        return await _reply(log, request, since, until, lambda span: time_series(log, span, step))


def _add_summaries(api: APIRouter, log: EventLog, tenants: Tenants) -> None:
    def whole(span: Period) -> object:
        return Summary(_figures(log, tenants, span), savings(log, span, _rng()), costs(log, span))

    def optimisation(span: Period) -> object:
        tokens = _month_tokens(tenants, span.tenant)
        return optimization_metrics(statistics(log, span), savings(log, span, _rng()), tokens)

    answers: Mapping[str, tuple[str, str, Callable[[Period], object]]] = {
        "/stats/cost-summary": (
            "CostSummary",
            "Sum up costs by model, and savings.",
            lambda span: cost_summary(log, span, _rng()),
        ),
        "/stats/performance-summary": (
            "PerformanceSummary",
            "Sum up how well and how fast requests were answered.",
            lambda span: performance(statistics(log, span)),
        ),
        "/analytics/summary": ("Summary", "Give statistics, savings and costs together.", whole),
        "/analytics/cost-breakdown": (
            "Breakdown",
            "Break the cost down by model, type, complexity, strategy and payers.",
            lambda span: breakdown(log, span),
        ),
        "/api/optimization-metrics": (
            "OptimizationMetrics",
            "Give cache, tokens and savings in the shape of token optimisers.",
            optimisation,
        ),
    }
    for path, (component, words, ask) in answers.items():
        for place in _PLACES:
            where = f"{place}{path.removeprefix('/api') if place else path}"
            api.add_api_route(
                where,
                _endpoint(log, ask),
                name=where.strip("/").replace("/", "_").replace("-", "_"),
                description=words,
                openapi_extra=operation(component, refusals=_REFUSALS),
            )


def _add_keeping(api: APIRouter, log: EventLog, circuits: Circuits) -> None:
    @api.get("/v1/health", openapi_extra=operation("Health"))
    @api.get("/health", name="health_at_root", openapi_extra=operation("Health"))
    async def health(request: Request) -> Response:
        """Say whether the server does its work: uptime, the last hour's errors, events that were lost."""
        return json_response(
            msgspec.json.encode(await to_thread.run_sync(_health, log, principal_of(request).tenant, circuits()))
        )

    @api.post("/v1/export/analytics", openapi_extra=_exporting())
    @api.post("/export/analytics", name="export_at_root", openapi_extra=_exporting())
    async def export(request: Request) -> Response:
        """Stream the log's lines as JSON or CSV (`{"format": "csv", "since": "7d"}`); for admins."""
        who = _admin(request)
        fields: dict[str, Any] = read_object(decode(await read_body(request) or b"{}"), _EXPORT_KINDS)
        form = fields.get("format", "json")
        span = await to_thread.run_sync(_span, log, who.tenant, fields.get("since"), fields.get("until"))
        lines = exported(log, span, form)
        headers = {"content-disposition": f'attachment; filename="pointsman-log.{form}"'}
        return StreamingResponse(_ended(lines), media_type=_MEDIA[form], headers=headers)

    @api.post("/v1/reset", openapi_extra=operation("Reset", body="ResetRequest", refusals=(400, 403, 413, 422, 503)))
    @api.post(
        "/reset",
        name="reset_at_root",
        openapi_extra=operation("Reset", body="ResetRequest", refusals=(400, 403, 413, 422, 503)),
    )
    async def reset(request: Request) -> Response:
        """Let statistics begin anew; nothing is deleted. For admins."""
        who = _admin(request)
        fields: dict[str, Any] = read_object(decode(await read_body(request) or b"{}"), _RESET_KINDS)
        done = await to_thread.run_sync(
            lambda: log.reset(who.tenant, made_by=_name(who), reason=fields.get("reason", ""))
        )
        return json_response(msgspec.json.encode(Reset(done)))

    @api.delete("/v1/users/{user:path}/data", openapi_extra=operation("Erased", refusals=(403, 422, 503)))
    async def erase_user(request: Request, user: str) -> Response:
        """Take a user out of the log: name, key, agent, tags, text and features; the money stays. For admins."""
        who = _admin(request)
        count = await to_thread.run_sync(lambda: log.erase(who.tenant, user, made_by=_name(who)))
        return json_response(msgspec.json.encode(Erased(count)))


def principal_of(request: Request) -> Principal:
    """Return who asks, as the access middleware found; ANONYMOUS where there is none."""
    found = request.scope.get("state", {}).get("principal", ANONYMOUS)
    return found if isinstance(found, Principal) else ANONYMOUS


def _admin(request: Request) -> Principal:
    who = principal_of(request)
    if who.role != "admin":
        raise Forbidden(f"this key's role is {who.role}; expected admin. Ask with the key of an admin.")
    return who


def _name(who: Principal) -> str:
    return who.user or who.key or "http"


def _endpoint(log: EventLog, ask: Callable[[Period], object]) -> Callable[..., Any]:
    async def answer(request: Request, since: str | None = None, until: str | None = None) -> Response:
        return await _reply(log, request, since, until, ask)

    return answer


async def _reply(
    log: EventLog, request: Request, since: str | None, until: str | None, ask: Callable[[Period], object]
) -> Response:
    tenant = principal_of(request).tenant

    def work() -> bytes:
        return msgspec.json.encode(ask(_span(log, tenant, since, until)))

    return json_response(await to_thread.run_sync(work))


def _span(log: EventLog, tenant: str, since: str | None, until: str | None) -> Period:
    now = log.clock()
    return period(
        log,
        tenant,
        since=None if since is None else parse_moment(since, now, "since"),
        until=None if until is None else parse_moment(until, now, "until"),
    )


def _figures(log: EventLog, tenants: Tenants, span: Period) -> Statistics:
    return statistics(log, span, budget_remaining_nanousd=_day_left(tenants, span.tenant), is_server=True)


def _left(tenants: Tenants, tenant: str, window: str, unit: str) -> tuple[int, int] | None:
    treasury = tenants.of(tenant).treasury
    if treasury is None:
        return None
    for line in budgets(treasury):
        if (line.scope, line.window, line.unit) == ("global", window, unit):
            return line.limit, line.remaining
    return None


def _day_left(tenants: Tenants, tenant: str) -> int | None:
    found = _left(tenants, tenant, "day", "nanousd")
    return None if found is None else found[1]


def _month_tokens(tenants: Tenants, tenant: str) -> TokenBudget | None:
    found = _left(tenants, tenant, "month", "tokens")
    return None if found is None else TokenBudget(*found)


def _health(log: EventLog, tenant: str, circuits: Mapping[str, str]) -> Health:
    now = log.clock()
    uptime = (now - log.opened_at).total_seconds()
    try:
        figures = statistics(log, period(log, tenant, since=parse_moment("1h", now, "since"), until=now))
    except LedgerUnavailable:
        return Health("database unavailable", uptime, None, None, log.lost, log.waiting, circuits)
    status = "losing events" if log.lost else "ok"
    return Health(status, uptime, figures.requests, figures.error_rate, log.lost, log.waiting, circuits)


def _exporting() -> dict[str, Any]:
    found = operation(None, body="ExportRequest", refusals=(400, 403, 413, 422, 503))
    found["responses"]["200"]["content"] = {
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        "text/csv": {"schema": {"type": "string"}},
    }
    return found


def _ended(lines: Iterator[bytes]) -> Iterator[bytes]:
    return (line + b"\n" for line in lines)


def _rng() -> np.random.Generator:
    return np.random.default_rng(_SEED)
