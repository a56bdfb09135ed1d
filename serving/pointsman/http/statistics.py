"""The log's figures over HTTP: statistics, costs, savings and series, each of the caller's tenant."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from pointsman.http.bodies import json_response
from pointsman.http.log_keeping import Circuits, add_keeping, principal_of, span_of
from pointsman.http.operations import operation
from pointsman.insight import (
    Period,
    TokenBudget,
    costs,
    optimization_metrics,
    savings,
    statistics,
    time_series,
)
from pointsman.insight.statistics import Statistics
from pointsman.insight.summaries import Summary, breakdown, cost_summary, performance
from pointsman.store.events import EventLog
from pointsman.tenants import Tenants
from pointsman.treasury.overview import budgets

_SEED: Final = 0
"""The same log gives the same intervals."""

_REFUSALS: Final = (422, 503)
_PLACES: Final = ("", "/v1")


def statistics_api(log: EventLog, tenants: Tenants, circuits: Circuits = dict) -> APIRouter:
    """Return the routes of the log; all of their work is done in threads, since it waits for the database.

    `circuits` gives the state of each model's circuit.
    """
    api = APIRouter(tags=["statistics"])
    _add_figures(api, log, tenants)
    _add_summaries(api, log, tenants)
    add_keeping(api, log, circuits)
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


def _endpoint(log: EventLog, ask: Callable[[Period], object]) -> Callable[..., Any]:
    async def answer(request: Request, since: str | None = None, until: str | None = None) -> Response:
        return await _reply(log, request, since, until, ask)

    return answer


async def _reply(
    log: EventLog, request: Request, since: str | None, until: str | None, ask: Callable[[Period], object]
) -> Response:
    tenant = principal_of(request).tenant

    def work() -> bytes:
        return msgspec.json.encode(ask(span_of(log, tenant, since, until)))

    return json_response(await to_thread.run_sync(work))


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


def _rng() -> np.random.Generator:
    return np.random.default_rng(_SEED)
