import asyncio
import json

import httpx
import msgspec
import pytest

from pointsman import Constraints, Router, Task
from pointsman.errors import BudgetTooSmall, NoEligibleModel
from pointsman.http import create_app
from pointsman.http.bodies import MAX_TASKS
from pointsman.http.decisions import decision_json

TEXTS = [
    "Fix the login bug",
    "What is the capital of Peru?",
    "Design a sharded event store that survives the loss of a data centre",
    "Write unit tests for the ISO date parser",
    "Übersetze: Der Zug hat Verspätung.",
    "résumé: " + "long words and short ones " * 200,
]
DEAR = {"text": "x", "budget": 1e-9, "id": "dear"}
IMPOSSIBLE = {"text": "x", "constraints": {"min_quality": 1, "max_latency_ms": 0.001}, "id": "impossible"}


def plain(value):
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("path", ["/v1/route", "/route"])
def test_a_decision_over_http_is_the_routers_own(post, router, path):
    task = Task("Fix the login bug", "debugging", 0.5, Constraints(exclude=("gpt-4o",)), {"team": "search"}, "T-1")
    response = post(
        path,
        {
            "description": task.description,
            "type": "debugging",
            "budget_usd": 0.5,
            "constraints": {"exclude": ["gpt-4o"]},
            "tags": {"team": "search"},
            "id": "T-1",
        },
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == plain(decision_json(router.route(task)))


def test_a_decision_has_dollars_beside_every_amount(post):
    decision = post("/v1/route", {"text": "Fix the login bug"}).json()
    assert decision["cost_usd"] == decision["cost_nanousd"] / 1e9
    assert decision["saving_usd"] == decision["saving_nanousd"] / 1e9
    assert [c["cost_usd"] for c in decision["candidates"]] == [c["cost_nanousd"] / 1e9 for c in decision["candidates"]]


@pytest.mark.parametrize("profile", ["auto", "fast", "deep"])
def test_a_batch_equals_its_tasks_one_by_one(bundle_dir, call, profile):
    app = create_app(Router.load(bundle=bundle_dir, profile=profile))
    tasks = [{"text": text, "id": str(index)} for index, text in enumerate(TEXTS)]
    results = call(app, "POST", "/v1/route/batch", json={"tasks": tasks}).json()["results"]
    for task, together in zip(tasks, results, strict=True):
        alone = call(app, "POST", "/v1/route", json=task).json()
        assert together["task_id"] == task["id"]
        for field in ("model", "fallbacks", "type", "profile", "reason", "bundle"):
            assert together[field] == alone[field]
        assert together["complexity"]["label"] == alone["complexity"]["label"]
        assert together["quality"] == pytest.approx(alone["quality"], abs=1e-5)
        assert together["cost_usd"] == pytest.approx(alone["cost_usd"], rel=1e-2)


def test_a_task_no_model_can_do_does_not_lose_the_others(post, router):
    tasks = [{"text": "x", "id": "first"}, DEAR, IMPOSSIBLE, {"text": "y", "id": "last"}]
    response = post("/v1/route/batch", {"tasks": tasks})
    assert response.status_code == 200
    first, dear, impossible, last = response.json()["results"]
    assert (first["task_id"], last["task_id"]) == ("first", "last")
    with pytest.raises(BudgetTooSmall) as caught:
        router.route(Task("x", budget_usd=1e-9, id="dear"))
    assert dear == {"error": {"code": "budget_too_small", "message": caught.value.message, "field": "budget_usd"}}
    with pytest.raises(NoEligibleModel) as caught:
        router.route(Task("x", constraints=Constraints(min_quality=1, max_latency_ms=0.001), id="impossible"))
    assert impossible == {
        "error": {"code": "no_eligible_model", "message": caught.value.message, "field": "constraints"}
    }


def test_a_task_that_cannot_be_done_is_refused(post):
    response = post("/v1/route", DEAR)
    assert (response.status_code, response.json()["error"]["code"]) == (402, "budget_too_small")
    assert response.json()["error"]["field"] == "budget_usd"
    response = post("/v1/route", IMPOSSIBLE)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "no_eligible_model")
    assert response.json()["error"]["field"] == "constraints"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tasks"),
        ({"tasks": []}, "tasks"),
        ({"tasks": None}, "tasks"),
        ({"tasks": {}}, "tasks"),
        ({"tasks": [{"text": "x"}], "profile": "fast"}, "profile"),
        ({"tasks": [{"text": "x"}, "y"]}, "tasks[1]"),
        ({"tasks": [{"text": "x"}] * 3 + [{"text": "x", "budget_usd": -1}]}, "tasks[3].budget_usd"),
        (
            {"tasks": [{"text": "x"}, {"text": "y", "constraints": {"min_quality": 2}}]},
            "tasks[1].constraints.min_quality",
        ),
        ({"tasks": [{"text": "x", "id": "a"}, {"text": "y", "id": "b"}, {"text": "z", "id": "a"}]}, "tasks[2].id"),
    ],
)
def test_a_batch_with_a_task_that_cannot_be_used_is_refused_whole(post, body, field):
    response = post("/v1/route/batch", body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_task")
    assert response.json()["error"]["field"] == field


def test_a_batch_takes_ten_thousand_tasks_and_not_one_more(bundle_dir, call):
    app = create_app(Router.load(bundle=bundle_dir, profile="fast"))
    tasks = [{"text": f"Task {index}", "id": str(index)} for index in range(MAX_TASKS)]
    results = call(app, "POST", "/v1/route/batch", json={"tasks": tasks}, timeout=None).json()["results"]
    assert [result["task_id"] for result in results] == [task["id"] for task in tasks]
    response = call(app, "POST", "/v1/route/batch", json={"tasks": [*tasks, {"text": "one more"}]})
    assert response.status_code == 422
    assert response.json() == {
        "error": {
            "code": "invalid_task",
            "message": "tasks has 10,001 entries; expected a list of 1 to 10,000.",
            "field": "tasks",
        }
    }


def test_sixty_four_requests_at_once_are_answered_as_one_after_the_other(app):
    requests = [("/v1/route", {"text": f"{text} ({index})"}) for index, text in enumerate(TEXTS * 8)]
    requests += [("/v1/route/batch", {"tasks": [{"text": text} for text in TEXTS]})] * 8
    requests += [("/v1/predict", {"tasks": [{"id": "a", "text": text}]}) for text in (TEXTS * 2)[:8]]
    assert len(requests) == 64

    async def answers(is_parallel):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://pointsman") as client:
            pending = [client.post(path, json=body) for path, body in requests]
            replies = await asyncio.gather(*pending) if is_parallel else [await reply for reply in pending]
        return [(reply.status_code, reply.json()) for reply in replies]

    sequential = asyncio.run(answers(False))
    assert {status for status, _ in sequential} == {200}
    assert asyncio.run(answers(True)) == sequential


def test_a_batch_does_not_block_the_loop(app, router, monkeypatch):
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def exchange():
        loop = asyncio.get_running_loop()

        def slow(tasks):
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(timeout=30)
            return real(tasks)

        real = router.try_route_many
        monkeypatch.setattr(router, "try_route_many", slow)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://pointsman") as client:
            batch = asyncio.create_task(client.post("/v1/route/batch", json={"tasks": [{"text": "x"}]}))
            await reached.wait()
            alive = await client.get("/livez")
            is_batch_waiting = not batch.done()
            may_go_on.set()
            return alive.status_code, is_batch_waiting, (await batch).status_code

    assert asyncio.run(exchange()) == (200, True, 200)
