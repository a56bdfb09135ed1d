"""What each subject of the API adds to the OpenAPI components: its structs, and requests that no struct describes."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pointsman.access import ACCESS_ROLES, IssuedKey
from pointsman.access.records import MAX_DAYS
from pointsman.caching.words import CacheStatistics
from pointsman.http.bodies import MAX_TASKS
from pointsman.http.budgets import BudgetList, ForecastList
from pointsman.http.keys import KeyList, UserList
from pointsman.outcomes import Outcome
from pointsman.treasury import Settlement
from pointsman.treasury.changing import WINDOW_OF

Schema = dict[str, Any]
PREFIX: Final = "#/components/schemas/"
_WORDS: Final = {"type": "string"}
_TEXT: Final = {"type": "string", "minLength": 1}


class Subject(NamedTuple):
    """A part of the API: the structs of its replies, and what describes its requests."""

    structs: Callable[[], tuple[type, ...]]
    describe: Callable[[dict[str, Schema]], None]


def strict(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with these fields and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def tasks_request(entry: str, **fields: Schema) -> Schema:
    """Return the schema of a request with many of a component's objects."""
    tasks = {"type": "array", "items": {"$ref": PREFIX + entry}, "minItems": 1, "maxItems": MAX_TASKS}
    return strict({"tasks": tasks, **fields}, ("tasks",))


def _budgets(schemas: dict[str, Schema]) -> None:
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"enum": ["default"]}]}
    amounts = {name: amount for name in WINDOW_OF}
    schemas["BudgetRequest"] = strict(
        {**amounts, "currency": {"enum": ["USD"]}, "reason": _WORDS, "changed_by": _WORDS}
    )
    schemas["Outcome"]["additionalProperties"] = False


def _keys(schemas: dict[str, Schema]) -> None:
    count = {"type": "integer", "minimum": 1}
    payers: Schema = {"user": _WORDS, "team": _WORDS, "role": {"enum": list(ACCESS_ROLES)}}
    days = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_DAYS}
    rates = {"requests_per_minute": count, "tokens_per_minute": count}
    schemas["KeyRequest"] = strict({**payers, "name": _WORDS, "expires_days": days, **rates})
    schemas["RotationRequest"] = strict({"overlap_s": {"type": "number", "minimum": 0}})
    schemas["UserRequest"] = strict(payers, ("user",))


def _log_structs() -> tuple[type, ...]:
    from pointsman.http.log_keeping import Erased, Health, Reset
    from pointsman.insight import Costs, OptimizationMetrics, Savings, Series, Statistics
    from pointsman.insight.summaries import Breakdown, CostSummary, PerformanceSummary, Summary

    figures = (Statistics, Costs, Savings, Series, OptimizationMetrics)
    return (*figures, Breakdown, CostSummary, PerformanceSummary, Summary, Erased, Health, Reset)


def _log(schemas: dict[str, Schema]) -> None:
    schemas["ResetRequest"] = strict({"reason": _WORDS})
    schemas["ExportRequest"] = strict({"format": {"enum": ["json", "csv"]}, "since": _WORDS, "until": _WORDS})


def _cache_structs() -> tuple[type, ...]:
    from pointsman.http.cache import CacheCleared, CacheSeeded

    return (CacheStatistics, CacheCleared, CacheSeeded)


def _cache(schemas: dict[str, Schema]) -> None:
    messages = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 2}
    seed = strict({"prompt": _TEXT, "messages": messages, "answer": _TEXT, "model": _TEXT}, ("answer",))
    seeds = {"type": "array", "minItems": 1, "items": seed}
    schemas["SeedRequest"] = {"type": "object", "properties": {"seeds": seeds}, "required": ["seeds"]}


def _gateway_structs() -> tuple[type, ...]:
    from pointsman.gateway.evaluating import Evaluated
    from pointsman.gateway.tasks import Executed
    from pointsman.http.counting import TokenCount
    from pointsman.verification import Rubric

    return (Executed, Evaluated, Rubric, TokenCount)


def _gateway(schemas: dict[str, Schema]) -> None:
    task = schemas["Task"]
    run: Schema = {"system": _WORDS, "model": {"type": "string", "default": "auto"}, "can_wait": {"type": "boolean"}}
    run |= {"max_output_tokens": {"type": "integer", "minimum": 1}, "temperature": {"type": "number"}}
    schemas["Work"] = {**task, "properties": {**task["properties"], **run}, "description": "A task to run."}
    schemas["WorkBatch"] = tasks_request("Work", can_wait={"type": "boolean"})
    schemas["EvaluationRequest"] = _evaluation()
    messages = {"type": "array", "minItems": 1, "items": {"type": "object"}}
    schemas["CountRequest"] = {"type": "object", "properties": {"messages": messages}, "required": ["messages"]}
    results = {"anyOf": [{"$ref": PREFIX + "Executed"}, {"$ref": PREFIX + "ErrorReply"}]}
    schemas["ExecutedBatch"] = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": results}},
        "required": ["results"],
    }


def _configuration_structs() -> tuple[type, ...]:
    from pointsman.http.configuring import Reloaded

    return (Reloaded,)


def _nothing(schemas: dict[str, Schema]) -> None:
    """Describe no request."""


def _evaluation() -> Schema:
    from pointsman.http.evaluations import RUBRICS
    from pointsman.verification import METHODS
    from pointsman.verification.council import MAX_JUDGES

    models: Schema = {"type": "array", "items": _TEXT, "uniqueItems": True}
    chosen = {"type": "integer", "minimum": 1, "maximum": MAX_JUDGES}
    request = strict(
        {
            "text": _TEXT,
            "script": _TEXT,
            "question": _WORDS,
            "rubric": {"anyOf": [{"enum": list(RUBRICS)}, {"$ref": PREFIX + "Rubric"}]},
            "judges": {"anyOf": [{**models, "minItems": 1, "maxItems": MAX_JUDGES}, chosen]},
            "method": {"enum": list(METHODS), "default": "median"},
            "decision_id": _TEXT,
            "exclude": models,
            "tags": {"type": "object", "additionalProperties": _WORDS},
        }
    )
    return request | {"oneOf": [{"required": ["text"]}, {"required": ["script"]}]}


SUBJECTS: Final = {
    "budgets": Subject(lambda: (BudgetList, ForecastList, Outcome, Settlement), _budgets),
    "keys": Subject(lambda: (KeyList, IssuedKey, UserList), _keys),
    "log": Subject(_log_structs, _log),
    "cache": Subject(_cache_structs, _cache),
    "gateway": Subject(_gateway_structs, _gateway),
    "configuration": Subject(_configuration_structs, _nothing),
}
"""The parts of the API that aren't there in every application."""
