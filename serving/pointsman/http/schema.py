"""The OpenAPI components, made from the structs that the server itself reads and writes."""

import inspect
from collections.abc import Collection
from typing import Final

import msgspec
from fastapi import FastAPI

from pointsman.http.errors import ErrorReply
from pointsman.http.health import Liveness, Readiness
from pointsman.http.models import ModelList
from pointsman.http.predictions import PredictReply
from pointsman.http.schema_subjects import PREFIX, SUBJECTS, Schema, tasks_request
from pointsman.predictions import PredictItem
from pointsman.task_json import ALIASES
from pointsman.types import CAPABILITIES, PROFILES, TASK_TYPES, Decision, Task

_STRUCTS: Final = (*(Task, Decision, PredictItem, PredictReply, ModelList, Liveness, Readiness, ErrorReply),)


def install_schema(app: FastAPI, subjects: Collection[str]) -> None:
    """Give the application's OpenAPI document its components."""
    generate = app.openapi

    def openapi() -> Schema:
        schema = generate()
        schema["components"] = {"schemas": components(subjects)}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def components(subjects: Collection[str]) -> dict[str, Schema]:
    """Return every component by name; `subjects` are those of `SUBJECTS` that the application has."""
    found = [SUBJECTS[name] for name in SUBJECTS if name in subjects]
    structs = [*_STRUCTS, *(struct for subject in found for struct in subject.structs())]
    _, schemas = msgspec.json.schema_components(structs, ref_template=PREFIX + "{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    _describe_requests(schemas)
    _add_dollars(schemas)
    for subject in found:
        subject.describe(schemas)
    return schemas


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
    schemas["BatchRequest"] = tasks_request("Task")
    schemas["PredictRequest"] = tasks_request(
        "PredictItem",
        models={"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}]},
        profile={"enum": [*PROFILES, None]},
    )


def _add_dollars(schemas: dict[str, Schema]) -> None:
    del schemas["Decision"]["properties"]["features"]  # for the log, not for callers
    for name in ("Decision", "Candidate"):
        schemas[name]["properties"]["cost_usd"] = {"type": "number"}
        schemas[name]["required"].append("cost_usd")
    schemas["Decision"]["properties"]["saving_usd"] = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    schemas["Decision"]["required"].append("saving_usd")
    results = {"anyOf": [{"$ref": PREFIX + "Decision"}, {"$ref": PREFIX + "ErrorReply"}]}
    schemas["BatchReply"] = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": results}},
        "required": ["results"],
    }
