"""Budgets: what is left, what will become of it, limits that are set while running, and outcomes that settle holds."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from pointsman.access import Principal
from pointsman.errors import InvalidInput
from pointsman.http.bodies import decode, json_response, reply
from pointsman.http.metrics import Metrics
from pointsman.http.operations import operation
from pointsman.http.principals import principal_of
from pointsman.outcomes import Outcome
from pointsman.router import Router
from pointsman.task_json import NAME, NUMBER, Kind, read_object
from pointsman.tenants import Tenants
from pointsman.treasury import Treasury
from pointsman.treasury.changing import change, limit_scope
from pointsman.treasury.overview import BudgetLine, ForecastLine, budgets, forecasts, shared_lines

_AMOUNT: Final = Kind('a number of dollars, or "default"', lambda value: value == "default" or NUMBER.accepts(value))
_CHANGE_KINDS: Final[Mapping[str, Kind]] = {
    "daily_usd": _AMOUNT,
    "monthly_usd": _AMOUNT,
    "total_usd": _AMOUNT,
    "currency": NAME,
    "reason": NAME,
    "changed_by": NAME,
}
_BOOLEAN: Final = Kind("true or false", lambda value: isinstance(value, bool))
_COUNT: Final = Kind("a whole number, not in quotes", lambda value: type(value) is int)
_OUTCOME_KINDS: Final[Mapping[str, Kind]] = {
    "decision_id": NAME,
    "quality": NUMBER,
    "success": _BOOLEAN,
    "input_tokens": _COUNT,
    "output_tokens": _COUNT,
    "cost_usd": NUMBER,
    "latency_ms": NUMBER,
    "judge": NAME,
    "unbilled": NAME,
    "hold_id": NAME,
}


class BudgetList(msgspec.Struct, frozen=True):
    """Every limit with what is posted, held and left."""

    budgets: list[BudgetLine]


class ForecastList(msgspec.Struct, frozen=True):
    """What will become of the limits that many tasks share."""

    forecasts: list[ForecastLine]


def budgets_api(tenants: Tenants, metrics: Metrics) -> APIRouter:
    """Return the routes of budgets; all of their work is done in threads, since it waits for the database."""

    def treasury_of(request: Request) -> Treasury:
        return tenants.treasury_of(principal_of(request).tenant)

    api = APIRouter(tags=["budgets"])
    refusals = (400, 403, 404, 409, 413, 422, 503)

    @api.get("/v1/budgets", openapi_extra=operation("BudgetList", refusals=(503,)))
    async def list_budgets(request: Request) -> Response:
        """List every limit with what is posted, held and left of it, and when its window turns."""
        return json_response(await to_thread.run_sync(_budgets, treasury_of(request)))

    @api.get("/v1/budgets/forecast", openapi_extra=operation("ForecastList", refusals=(503,)))
    async def forecast_budgets(request: Request) -> Response:
        """Say what the limits that many tasks share will come to, and when they run out, from the traffic's hours."""
        return json_response(await to_thread.run_sync(_forecasts, treasury_of(request)))

    @api.put(
        "/v1/budgets/{scope:path}",
        openapi_extra=operation("BudgetList", body="BudgetRequest", refusals=(400, 413, 422, 503)),
    )
    async def set_budget(scope: str, request: Request) -> Response:
        """Set limits of a scope ("global", "user:ann", "tier:complex") while running; answers with its limits.

        Every process follows within a second. "default" takes back what was set.
        """
        return await reply(request, partial(_set, treasury_of(request), principal_of(request), scope), is_long=True)

    @api.post("/v1/outcomes", openapi_extra=operation("Settlement", body="Outcome", refusals=refusals))
    async def outcomes(request: Request) -> Response:
        """Report what came of a decision: settles its hold, once, by usage at the model's price or by a stated bill.

        The same report again is answered as before. 404: no decision that held money has the id. 409: it was settled
        with another bill. 422: a bill that can't be true. The ledger is unchanged then.

        `hold_id` names one of a decision's several attempts. What the gateway's own calls were billed only an admin may
        report (403 else).
        """
        who = principal_of(request)
        return await reply(request, partial(_settle, tenants.of(who.tenant), metrics, who), is_long=True)

    return api


def outcome_from_dict(data: object) -> Outcome:
    """Return the outcome of decoded JSON.

    Raises:
        InvalidInput: no object, an unknown field, a value of another kind or out of range.
    """
    fields = read_object(data, _OUTCOME_KINDS)
    if "decision_id" not in fields:
        raise InvalidInput("decision_id is missing; take it from the decision.", field="decision_id")
    return Outcome(**fields)


def _budgets(treasury: Treasury) -> bytes:
    return msgspec.json.encode(BudgetList(budgets(treasury)))


def _forecasts(treasury: Treasury) -> bytes:
    return msgspec.json.encode(ForecastList(forecasts(treasury, shared_lines(budgets(treasury)))))


def _set(treasury: Treasury, who: Principal, scope_text: str, body: bytes) -> bytes:
    scope = limit_scope(scope_text)
    fields: dict[str, Any] = read_object(decode(body), _CHANGE_KINDS)
    changed_by = fields.get("changed_by", "http") if who.key is None else f"key {who.key}"
    change(treasury, scope, fields, changed_by=changed_by, reason=fields.get("reason", ""))
    return msgspec.json.encode(BudgetList([line for line in budgets(treasury) if line.scope == str(scope)]))


def _settle(router: Router, metrics: Metrics, who: Principal, body: bytes) -> bytes:
    outcome = outcome_from_dict(decode(body))
    settlement = router.settle(outcome, by_admin=who.role == "admin")
    if settlement.is_new and outcome.ends_hold:
        metrics.settled(settlement.state, settlement.billed_usd or 0.0)
    return msgspec.json.encode(settlement)
