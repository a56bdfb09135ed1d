import pytest
from fastapi.openapi.models import OpenAPI

import pointsman
from pointsman.types import Constraints, Task

OPERATIONS = {
    ("post", "/v1/route"): {"200", "400", "402", "413", "422", "503"},
    ("post", "/v1/route/batch"): {"200", "400", "413", "422", "503"},
    ("post", "/v1/predict"): {"200", "400", "404", "413", "422"},
    ("get", "/v1/models"): {"200"},
    ("get", "/livez"): {"200"},
    ("get", "/readyz"): {"200"},
    ("get", "/metrics"): {"200"},
}


@pytest.fixture
def document(app, call):
    return call(app, "GET", "/openapi.json").json()


def operations(document):
    return {(m, path): operation for path, methods in document["paths"].items() for m, operation in methods.items()}


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


SCALARS = {"null": type(None), "string": str, "integer": int, "boolean": bool, "number": (int, float)}


def mismatches(document, schema, value, path="$"):
    """Return where a value is of another kind than its schema, or has fields too many or too few."""
    schema = resolved(document, schema)
    kind = schema.get("type")
    if "anyOf" in schema:
        return min((mismatches(document, option, value, path) for option in schema["anyOf"]), key=len)
    if kind in SCALARS:
        is_bool = isinstance(value, bool) and kind != "boolean"
        return [path] if is_bool or not isinstance(value, SCALARS[kind]) else []
    if kind == "array" and isinstance(value, list):
        parts = [(schema["items"], entry, f"{path}[{index}]") for index, entry in enumerate(value)]
        return [found for part in parts for found in mismatches(document, *part)]
    if kind == "object" and isinstance(value, dict):
        return object_mismatches(document, schema, value, path)
    return [path] if kind else []


def object_mismatches(document, schema, value, path):
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", not schema.get("properties"))
    missing = [f"{path}.{name}" for name in schema.get("required", []) if name not in value]
    unknown = [f"{path}.{name}" for name in value if name not in properties and not rest]
    anything = rest if isinstance(rest, dict) else {}
    parts = [(properties.get(name, anything), entry, f"{path}.{name}") for name, entry in value.items()]
    return missing + unknown + [found for part in parts for found in mismatches(document, *part)]


def content(part):
    return next(iter(part["content"].values()))


def test_the_document_is_openapi_with_title_description_and_version(document):
    assert OpenAPI.model_validate(document)
    assert document["info"]["title"] == "Pointsman"
    assert document["info"]["version"] == pointsman.__version__
    assert "confidence" in document["info"]["description"]


def test_every_operation_is_described_with_its_answers(document):
    found = operations(document)
    assert {key: set(operation["responses"]) for key, operation in found.items()} == OPERATIONS
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for operation in found.values():
        assert operation["description"]
        assert operation["tags"]
        for status, response in operation["responses"].items():
            schema = content(response)["schema"]
            assert status == "200" or schema == {"$ref": "#/components/schemas/ErrorReply"}


def test_every_reference_leads_somewhere_and_every_component_is_reached(document):
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) == schemas


def test_the_examples_are_accepted_by_the_endpoints_and_the_answers_are_as_described(document, app, call):
    count = 0
    for (method, path), operation in operations(document).items():
        examples = content(operation["requestBody"])["examples"].values() if "requestBody" in operation else [None]
        for example in examples:
            request = {} if example is None else {"json": example["value"]}
            if example is not None:
                schema = content(operation["requestBody"])["schema"]
                assert mismatches(document, schema, example["value"]) == []
            response = call(app, method.upper(), path, **request)
            assert response.status_code == 200, response.text
            if path != "/metrics":
                schema = content(operation["responses"]["200"])["schema"]
                assert mismatches(document, schema, response.json()) == []
            count += 1
    assert count >= len(OPERATIONS) + 1


def test_a_refusal_is_as_described(document, app, call):
    body = {"tasks": [{"text": "x", "budget": 1e-9}]}
    batch = call(app, "POST", "/v1/route/batch", json=body).json()
    schemas = document["components"]["schemas"]
    assert mismatches(document, schemas["BatchReply"], batch) == []
    error = call(app, "POST", "/v1/route", json={}).json()
    assert mismatches(document, schemas["ErrorReply"], error) == []


def test_the_described_request_has_every_field_that_is_read(document):
    schemas = document["components"]["schemas"]
    assert set(schemas["Task"]["properties"]) == {*Task.__struct_fields__, "text", "budget"} - {"call"}
    assert set(schemas["Constraints"]["properties"]) == set(Constraints.__struct_fields__)
    for name in ("Task", "Constraints", "PredictItem", "BatchRequest", "PredictRequest"):
        assert schemas[name]["additionalProperties"] is False


def test_the_document_is_the_same_when_asked_again(app, call, document):
    assert call(app, "GET", "/openapi.json").json() == document


def test_the_docs_page_shows_the_document(app, call):
    response = call(app, "GET", "/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text
