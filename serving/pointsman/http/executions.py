"""Tasks that are run: routed, sent to the chosen model, answered with the text and what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from pointsman.access import RateLimiter
from pointsman.fleet_table import CHARACTERS_PER_TOKEN
from pointsman.gateway import Executor
from pointsman.gateway.engine import CALLER_LEFT
from pointsman.gateway.tasks import Executed, Result, Work, execute_many, run
from pointsman.http.bodies import decode, json_response, read_body, task_list
from pointsman.http.chats import headers_of
from pointsman.http.decisions import decision_json
from pointsman.http.errors import error_reply
from pointsman.http.metering import metered
from pointsman.http.metrics import Metrics
from pointsman.http.operations import operation
from pointsman.http.principals import principal_of
from pointsman.http.queueing import step_aside, unless_gone
from pointsman.task_json import LIST, NAME, NUMBER, TEXT, Kind, read_object, refuse_equal_ids, task_from_dict
from pointsman.types import Decision

_COUNT: Final = Kind("a whole number above 0, not in quotes", lambda value: type(value) is int and value > 0)
_BOOLEAN: Final = Kind("true or false", lambda value: isinstance(value, bool))
_WORK_KINDS: Final[Mapping[str, Kind]] = {
    "system": TEXT,
    "model": NAME,
    "max_output_tokens": _COUNT,
    "temperature": NUMBER,
    "can_wait": _BOOLEAN,
}
_BATCH_KINDS: Final[Mapping[str, Kind]] = {"tasks": LIST, "can_wait": _BOOLEAN}


def executions_api(executor: Executor, metrics: Metrics, limiter: RateLimiter) -> APIRouter:
    """Return the routes that run tasks; the limiter is told the tokens that they use."""
    api = APIRouter(tags=["executions"])
    refusals = (400, 402, 413, 422, 502, 503)

    @api.post("/v1/execute", openapi_extra=operation("Executed", body="Work", refusals=refusals))
    @api.post("/execute", include_in_schema=False)
    async def run_task(request: Request) -> Response:
        """Route a task, run it on the chosen model, and answer with its text, its decision and what it cost.

        The fields of a task, and of how to run it: `system`, `model` (one to call instead of routing),
        `max_output_tokens`, `temperature`, `can_wait`.
        """
        work = work_from_dict(decode(await read_body(request)))
        if work.can_wait:
            step_aside(request.scope["state"])
        with metered(request, limiter, _expected([work])) as spent:
            running = run(executor, work, principal_of(request), spent)
            ran = await (unless_gone(request.receive, running) if work.can_wait else running)
        if ran is None:
            return Response(status_code=CALLER_LEFT)
        return json_response(msgspec.json.encode(_json(ran[0])), 200, headers_of(ran[1]))

    @api.post("/v1/execute/batch", openapi_extra=operation("ExecutedBatch", body="WorkBatch", refusals=refusals))
    async def run_tasks(request: Request) -> Response:
        """Run many tasks, eight at once by default. Results come in order; a task that fails gets its error there.

        `can_wait` says of all tasks that they can: they are decided together, and cost the batch price of providers
        that offer one.
        """
        fields = read_object(decode(await read_body(request)), _BATCH_KINDS)
        works = [work_from_dict(entry, f"tasks[{index}]") for index, entry in enumerate(task_list(fields))]
        refuse_equal_ids(work.task.id for work in works)
        if fields.get("can_wait"):
            works = [msgspec.structs.replace(work, can_wait=True) for work in works]
        if can_wait := all(work.can_wait for work in works):
            step_aside(request.scope["state"])
        concurrency = executor.parts.batching.concurrency
        who = principal_of(request)
        with metered(request, limiter, _expected(works)) as spent:
            running = execute_many(executor, works, who, concurrency=concurrency, spent=spent)
            results = await (unless_gone(request.receive, running) if can_wait else running)
        if results is None:
            return Response(status_code=CALLER_LEFT)
        for result in results:
            if not isinstance(result, Executed):
                metrics.refused(result.code)
        return json_response(msgspec.json.encode({"results": [_result(result) for result in results]}))

    return api


def work_from_dict(data: object, place: str = "") -> Work:
    """Return the work of decoded JSON: the fields of a task, and those that say how to run it.

    Raises:
        InvalidTask: what can't be used, by its field.
    """
    given = dict(data) if isinstance(data, Mapping) else data
    run = {name: given.pop(name) for name in _WORK_KINDS if name in given} if isinstance(given, dict) else {}
    fields: dict[str, Any] = read_object(run, _WORK_KINDS, place)
    return Work(task_from_dict(given, place), **fields)


def _result(result: Result) -> object:
    return _json(result) if isinstance(result, Executed) else error_reply(result)


def _json(executed: Executed) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.structs.asdict(executed)
    if isinstance(executed.decision, Decision):
        data["decision"] = decision_json(executed.decision)
    return data


def _expected(works: Sequence[Work]) -> int:
    """Return the tokens that the prompts of these tasks are expected to have."""
    return sum(len(work.task.description) + len(work.system or "") for work in works) // CHARACTERS_PER_TOKEN
