import json

import msgspec
import pytest

from pointsman import Router
from pointsman.http import create_app
from pointsman.predictions import PredictItem, prediction_records

TASKS = [
    {"id": "a", "text": "What is the capital of Peru?"},
    {"id": "b", "text": "Find the race condition in this queue", "type": "debugging"},
]
ITEMS = [PredictItem(**task) for task in TASKS]


def records(router, models=None, profile="auto"):
    made = prediction_records(router.bundle, router.predictor, ITEMS, models=models, profile=profile)
    return json.loads(msgspec.json.encode(made))


@pytest.mark.parametrize("profile", ["auto", "fast", "deep"])
def test_predictions_over_http_are_the_records(post, router, profile):
    response = post("/v1/predict", {"tasks": TASKS, "models": ["gpt-4o", "gpt-4o-mini"], "profile": profile})
    assert response.status_code == 200
    assert response.json() == {"predictions": records(router, ["gpt-4o", "gpt-4o-mini"], profile)}


def test_models_default_to_all_measured_and_the_profile_to_the_servers(bundle_dir, call):
    router = Router.load(bundle=bundle_dir, profile="fast")
    response = call(create_app(router), "POST", "/v1/predict", json={"tasks": TASKS, "models": None})
    assert response.json() == {"predictions": records(router, profile="fast")}
    assert list(response.json()["predictions"][0]["quality"]) == list(router.bundle.manifest.abilities)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ([], 422, "invalid_task", None),
        ({"models": ["gpt-4o"]}, 422, "invalid_task", "tasks"),
        ({"tasks": TASKS, "model": "gpt-4o"}, 422, "invalid_task", "model"),
        ({"tasks": TASKS, "models": "gpt-4o"}, 422, "invalid_task", "models"),
        ({"tasks": TASKS, "models": []}, 422, "invalid_input", "models"),
        ({"tasks": TASKS, "models": ["gpt-99"]}, 404, "unknown_model", "models"),
        ({"tasks": TASKS, "profile": "shallow"}, 422, "invalid_input", "profile"),
        ({"tasks": [*TASKS, {"id": "c"}]}, 422, "invalid_task", "tasks[2].text"),
        ({"tasks": [*TASKS, {"id": "c", "text": ""}]}, 422, "invalid_task", "tasks[2].text"),
        ({"tasks": [*TASKS, {"id": "c", "text": "x", "type": "?"}]}, 422, "invalid_task", "tasks[2].type"),
        ({"tasks": [*TASKS, {"id": "a", "text": "x"}]}, 422, "invalid_task", "tasks[2].id"),
        ({"tasks": [{"id": "a", "text": "x", "budget": 1}]}, 422, "invalid_task", "tasks[0].budget"),
    ],
)
def test_a_request_that_cannot_be_predicted_is_refused(post, body, status, code, field):
    response = post("/v1/predict", body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)


def test_the_fleet_is_listed_in_openais_shape_with_our_facts(app, call, router):
    response = call(app, "GET", "/v1/models")
    listing = response.json()
    assert listing["object"] == "list"
    assert [entry["id"] for entry in listing["data"]] == list(router.fleet.ids)
    entry = next(entry for entry in listing["data"] if entry["id"] == "gemini-1.5-pro")
    assert entry == {
        "id": "gemini-1.5-pro",
        "object": "model",
        "owned_by": "google",
        "name": "Gemini 1.5 Pro",
        "price_usd_per_mtok": {
            "input": 1.25,
            "output": 5,
            "tiers": [{"from_tokens": 128001, "input": 2.5, "output": 10}],
        },
        "context_tokens": 2097152,
        "max_output_tokens": 8192,
        "capabilities": ["vision", "tools", "json_mode"],
        "task_types": None,
        "latency_ms": 1800,
        "availability": 0.99,
        "is_measured": True,
        "is_baseline": False,
        "note": None,
    }
    assert [e["id"] for e in listing["data"] if e["is_baseline"]] == [router.fleet.baseline]
    assert {e["owned_by"] for e in listing["data"] if e["id"].startswith("llama")} == {"unspecified"}


def test_models_on_priors_say_so(bundle_dir, call):
    router = Router.load(bundle=bundle_dir, fleet="current")
    for entry in call(create_app(router), "GET", "/v1/models").json()["data"]:
        card = router.fleet.card(entry["id"])
        assert entry["is_measured"] == (card.id in router.bundle.manifest.abilities)
        assert entry["note"] == card.is_prior_note
        assert entry["is_measured"] or entry["note"]


def test_the_server_says_that_it_lives_and_what_it_serves(app, call, router):
    assert call(app, "GET", "/livez").json() == {"status": "ok"}
    assert call(app, "GET", "/readyz").json() == {
        "status": "ok",
        "bundle": router.bundle.digest,
        "fleet": "default",
        "models": 12,
        "profile": "auto",
        "strategy": "cost-optimised",
    }
