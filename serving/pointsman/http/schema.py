"""The OpenAPI components, made from the structs that the server itself reads and writes."""

import inspect
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from pointsman.http.bodies import MAX_TASKS
from pointsman.http.budgets import BudgetList, ForecastList
from pointsman.http.errors import ErrorReply
from pointsman.http.health import Liveness, Readiness
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
_BUDGET_STRUCTS: Final = (BudgetList, ForecastList, Outcome, Settlement)


def install_schema(app: FastAPI, *, has_budgets: bool, has_log: bool = False) -> None:
    """Give the application's OpenAPI document its components."""
    generate = app.openapi

    def openapi() -> Schema:
        schema = generate()
        schema["components"] = {"schemas": components(has_budgets=has_budgets, has_log=has_log)}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def components(*, has_budgets: bool, has_log: bool = False) -> dict[str, Schema]:
    """Return every component by name; those of budgets and of the log where they are kept."""
    structs = (*_STRUCTS, *(_BUDGET_STRUCTS if has_budgets else ()), *(_log_structs() if has_log else ()))
    _, schemas = msgspec.json.schema_components(structs, ref_template=_PREFIX + "{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    _describe_requests(schemas)
    _add_dollars(schemas)
    if has_budgets:
        _describe_budgets(schemas)
    if has_log:
        schemas["ResetRequest"] = _strict({"reason": {"type": "string"}})
        moments = {name: {"type": "string"} for name in ("since", "until")}
        schemas["ExportRequest"] = _strict({"format": {"enum": ["json", "csv"]}, **moments})
    return schemas


def _log_structs() -> tuple[type, ...]:
    from pointsman.http.log_keeping import Erased, Health, Reset
    from pointsman.insight import Costs, OptimizationMetrics, Savings, Series, Statistics
    from pointsman.insight.summaries import Breakdown, CostSummary, PerformanceSummary, Summary

    figures = (Statistics, Costs, Savings, Series, OptimizationMetrics)
    return (*figures, Breakdown, CostSummary, PerformanceSummary, Summary, Erased, Health, Reset)


def _strict(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _describe_requests(schemas: dict[str, Schema]) -> None:
    task, constraints, item = schemas["Task"], schemas["Constraints"], schemas["PredictItem"]
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
