"""The OpenAPI components, made from the structs that the server itself reads and writes."""

import inspect
from collections.abc import Collection
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from pointsman.access import ACCESS_ROLES, IssuedKey
from pointsman.access.records import MAX_DAYS
from pointsman.http.bodies import MAX_TASKS
from pointsman.http.budgets import BudgetList, ForecastList
from pointsman.http.errors import ErrorReply
from pointsman.http.health import Liveness, Readiness
from pointsman.http.keys import KeyList, UserList
from pointsman.http.models import ModelList
from pointsman.http.predictions import PredictReply
from pointsman.outcomes import Outcome
from pointsman.predictions import PredictItem
from pointsman.task_json import ALIASES
from pointsman.treasury import Settlement
from pointsman.treasury.changing import WINDOW_OF
from pointsman.types import CAPABILITIES, PROFILES, TASK_TYPES, Decision, Task

Schema = dict[str, Any]

_PREFIX: Final = "#/components/schemas/"
_STRUCTS: Final = (*(Task, Decision, PredictItem, PredictReply, ModelList, Liveness, Readiness, ErrorReply),)
_KEY_STRUCTS: Final = (KeyList, IssuedKey, UserList)
_BUDGET_STRUCTS: Final = (BudgetList, ForecastList, Outcome, Settlement)


def install_schema(app: FastAPI, subjects: Collection[str]) -> None:
    """Give the application's OpenAPI document its components."""
    generate = app.openapi

    def openapi() -> Schema:
        schema = generate()
        schema["components"] = {"schemas": components(subjects)}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def components(subjects: Collection[str]) -> dict[str, Schema]:
    """Return every component by name; those of "budgets", "log", "keys" and "gateway" where these are `subjects`."""
    structs = [*_STRUCTS, *(_BUDGET_STRUCTS if "budgets" in subjects else ())]
    structs += [*(_KEY_STRUCTS if "keys" in subjects else ()), *(_log_structs() if "log" in subjects else ())]
    if "gateway" in subjects:
        from pointsman.gateway.tasks import Executed

        structs.append(Executed)
    _, schemas = msgspec.json.schema_components(structs, ref_template=_PREFIX + "{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    _describe_requests(schemas)
    _add_dollars(schemas)
    if "budgets" in subjects:
        _describe_budgets(schemas)
    if "gateway" in subjects:
        _describe_work(schemas)
    if "log" in subjects:
        _describe_log(schemas)
    if "keys" in subjects:
        _describe_keys(schemas)
    return schemas


def _log_structs() -> tuple[type, ...]:
    from pointsman.http.statistics import Erased, Health, Reset
    from pointsman.insight import Costs, OptimizationMetrics, Savings, Series, Statistics
    from pointsman.insight.summaries import Breakdown, CostSummary, PerformanceSummary, Summary

    figures = (Statistics, Costs, Savings, Series, OptimizationMetrics)
    return (*figures, Breakdown, CostSummary, PerformanceSummary, Summary, Erased, Health, Reset)


def _strict(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _describe_requests(schemas: dict[str, Schema]) -> None:
    task, constraints, item = schemas["Task"], schemas["Constraints"], schemas["PredictItem"]
    del task["properties"]["call"], schemas["Call"]  # what programs say, and callers over HTTP can't
    for schema in (task, constraints, item):
        schema["additionalProperties"] = False
        for field in schema["properties"].values():
            field.pop("default", None)
    task["properties"] |= {alias: {**task["properties"][name]} for alias, name in ALIASES.items()}
    for alias, name in ALIASES.items():
        task["properties"][alias]["description"] = f"Another name of {name}."
    task["required"] = []
    task["oneOf"] = [{"required": ["description"]}, {"required": ["text"]}]
    task["properties"]["type"]["description"] = f"One of {', '.join(TASK_TYPES)}; predicted where left out."
    constraints["properties"]["capabilities"]["items"]["enum"] = list(CAPABILITIES)
    schemas["BatchRequest"] = _request("Task")
    schemas["PredictRequest"] = _request(
        "PredictItem",
        models={"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}]},
        profile={"enum": [*PROFILES, None]},
    )


def _describe_budgets(schemas: dict[str, Schema]) -> None:
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"enum": ["default"]}]}
    words = {"type": "string"}
    schemas["BudgetRequest"] = {
        "type": "object",
        "properties": {name: amount for name in WINDOW_OF}
        | {"currency": {"enum": ["USD"]}, "reason": words}
        | {"changed_by": words},
        "additionalProperties": False,
    }
    schemas["Outcome"]["additionalProperties"] = False


def _describe_log(schemas: dict[str, Schema]) -> None:
    schemas["ResetRequest"] = _strict({"reason": {"type": "string"}})
    moments = {name: {"type": "string"} for name in ("since", "until")}
    schemas["ExportRequest"] = _strict({"format": {"enum": ["json", "csv"]}, **moments})


def _describe_work(schemas: dict[str, Schema]) -> None:
    task, words = schemas["Task"], {"type": "string"}
    run: Schema = {"system": words, "model": {"type": "string", "default": "auto"}, "can_wait": {"type": "boolean"}}
    run |= {"max_output_tokens": {"type": "integer", "minimum": 1}, "temperature": {"type": "number"}}
    schemas["Work"] = {**task, "properties": {**task["properties"], **run}, "description": "A task to run."}
    schemas["WorkBatch"] = _request("Work")
    results = {"anyOf": [{"$ref": _PREFIX + "Executed"}, {"$ref": _PREFIX + "ErrorReply"}]}
    schemas["ExecutedBatch"] = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": results}},
        "required": ["results"],
    }


def _describe_keys(schemas: dict[str, Schema]) -> None:
    words, count = {"type": "string"}, {"type": "integer", "minimum": 1}
    role = {"enum": list(ACCESS_ROLES)}
    payers = {"user": words, "team": words, "role": role}
    rates = {"requests_per_minute": count, "tokens_per_minute": count}
    days = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_DAYS}
    key = {**payers, "name": words, "expires_days": days, **rates}
    overlap = {"overlap_s": {"type": "number", "minimum": 0}}
    for name, properties in (("KeyRequest", key), ("RotationRequest", overlap), ("UserRequest", payers)):
        schemas[name] = {"type": "object", "properties": properties, "additionalProperties": False}
    schemas["UserRequest"]["required"] = ["user"]


def _request(entry: str, **fields: Schema) -> Schema:
    tasks = {"type": "array", "items": {"$ref": _PREFIX + entry}, "minItems": 1, "maxItems": MAX_TASKS}
    return {
        "type": "object",
        "properties": {"tasks": tasks, **fields},
        "required": ["tasks"],
        "additionalProperties": False,
    }


def _add_dollars(schemas: dict[str, Schema]) -> None:
    for name in ("Decision", "Candidate"):
        schemas[name]["properties"]["cost_usd"] = {"type": "number"}
        schemas[name]["required"].append("cost_usd")
    schemas["Decision"]["properties"]["saving_usd"] = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    schemas["Decision"]["required"].append("saving_usd")
    results = {"anyOf": [{"$ref": _PREFIX + "Decision"}, {"$ref": _PREFIX + "ErrorReply"}]}
    schemas["BatchReply"] = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": results}},
        "required": ["results"],
    }
