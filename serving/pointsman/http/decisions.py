"""Decisions: one task, or ten thousand in one pass."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from pointsman.access import Principal
from pointsman.access.roles import payers
from pointsman.http.bodies import decode, reply, task_list
from pointsman.http.errors import error_reply
from pointsman.http.metrics import Metrics
from pointsman.http.operations import operation
from pointsman.http.principals import principal_of
from pointsman.money import usd
from pointsman.task_json import LIST, Kind, read_object, refuse_equal_ids, task_from_dict
from pointsman.tenants import Tenants
from pointsman.types import Decision, Task

_BATCH_KINDS: Final[Mapping[str, Kind]] = {"tasks": LIST}


def decisions_api(tenants: Tenants, metrics: Metrics) -> APIRouter:
    """Return the routes that decide."""
    api = APIRouter(tags=["decisions"])

    @api.post("/v1/route", openapi_extra=operation("Decision", body="Task", refusals=(400, 402, 413, 422, 503)))
    @api.post("/route", include_in_schema=False)
    async def route(request: Request) -> Response:
        """Choose a model for one task.

        `/route` is another address of the same. 402: models could do it, but none within the budget; where a limit
        has no room, `details` say what is posted and held, and when its window turns. 422: the task can't be used, or
        no model of the fleet can do it. 503: the ledger can't be used, so that nothing may be sent.
        """
        is_long = tenants.router.treasury is not None
        return await reply(request, partial(_route, tenants, principal_of(request), metrics), is_long=is_long)

    @api.post(
        "/v1/route/batch", openapi_extra=operation("BatchReply", body="BatchRequest", refusals=(400, 413, 422, 503))
    )
    async def route_batch(request: Request) -> Response:
        """Choose models for many tasks in one pass.

        Results come in order. A task that no model can do gets an error in its place; a task that can't be used refuses
        the whole batch.
        """
        return await reply(request, partial(_route_batch, tenants, principal_of(request), metrics), is_long=True)

    return api


def decision_json(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain data, with dollars beside every amount of nano-USD."""
    data = decision.to_dict()
    for candidate in data["candidates"]:
        candidate["cost_usd"] = usd(candidate["cost_nanousd"])
    return data


def _route(tenants: Tenants, who: Principal, metrics: Metrics, body: bytes) -> bytes:
    decision = tenants.of(who.tenant).route(_paid(task_from_dict(decode(body)), who))
    metrics.decided([decision])
    return msgspec.json.encode(decision_json(decision))


def _paid(task: Task, who: Principal) -> Task:
    """Return the task with the payers that the key names."""
    tags = payers(who, task.tags)
    return task if tags == task.tags else msgspec.structs.replace(task, tags=tags)


def _route_batch(tenants: Tenants, who: Principal, metrics: Metrics, body: bytes) -> bytes:
    results = tenants.of(who.tenant).try_route_many([_paid(task, who) for task in _tasks(body)])
    metrics.decided(result for result in results if isinstance(result, Decision))
    for result in results:
        if not isinstance(result, Decision):
            metrics.refused(result.code)
    replies = [decision_json(r) if isinstance(r, Decision) else error_reply(r) for r in results]
    return msgspec.json.encode({"results": replies})


def _tasks(body: bytes) -> list[Task]:
    entries = task_list(read_object(decode(body), _BATCH_KINDS))
    tasks = [task_from_dict(entry, f"tasks[{index}]") for index, entry in enumerate(entries)]
    refuse_equal_ids(task.id for task in tasks)
    return tasks
