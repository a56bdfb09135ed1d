"""Budgets over HTTP: holds, outcomes, limits and refusals."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi.testclient import TestClient
from ledgers import Clock

from pointsman import Router
from pointsman.budget import GLOBAL, Amount, HoldRequest
from pointsman.budget.parsing import parse_rules
from pointsman.http import create_app
from pointsman.http.webhook import Sender, is_authentic, send
from pointsman.store import open_ledger
from pointsman.treasury import Treasury

TASK = {"description": "Write unit tests for the ISO date parser", "tags": {"user": "ann"}}
SECRET = b"a secret of more than sixteen bytes"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def treasury(tmp_path, clock):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, timeout_s=30) as ledger:
        yield Treasury(ledger, parse_rules({"daily_usd": 1, "tiers": False}), clock=clock)


@pytest.fixture
def app(router, treasury):
    return create_app(Router(router.bundle, router.fleet, profile="fast", treasury=treasury))


def test_a_decision_holds_and_its_outcome_settles(app, call, post, treasury):
    decision = post("/v1/route", TASK).json()
    assert decision["held_nanousd"] > decision["cost_nanousd"] > 0
    report = {"decision_id": decision["decision_id"], "cost_usd": 0.001, "quality": 0.9, "judge": "test"}
    first, again = post("/v1/outcomes", report), post("/v1/outcomes", report)
    settlement = {
        "decision_id": decision["decision_id"],
        "hold_id": decision["hold_id"],
        "state": "settled",
        "held_nanousd": decision["held_nanousd"],
        "billed_nanousd": 1_000_000,
        "billed_usd": 0.001,
        "is_new": True,
    }
    assert (first.status_code, first.json()) == (200, settlement)
    assert again.json() == settlement | {"is_new": False}
    (line,) = call(app, "GET", "/v1/budgets").json()["budgets"]
    assert line == {
        "scope": "global",
        "window": "day",
        "unit": "nanousd",
        "limit": 1_000_000_000,
        "posted": 1_000_000,
        "held": 0,
        "remaining": 999_000_000,
        "window_end": "2026-11-22T00:00:00Z",
        "reason": "the budget of everyone, daily",
        "frozen": None,
    }
    metrics = call(app, "GET", "/metrics").text
    assert "pointsman_holds_total 1.0" in metrics
    assert 'pointsman_settled_total{state="settled"} 1.0' in metrics
    assert "pointsman_billed_usd_total 0.001" in metrics


def test_a_refusal_states_limit_posted_held_and_window_end(app, post, call):
    call(app, "PUT", "/v1/budgets/user:ann", json={"daily_usd": 0.0001, "reason": "trial"})
    answer = post("/v1/route", TASK)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (402, "budget_exceeded", "user:ann")
    asked = error["details"].pop("asked")
    assert asked > 100_000
    assert error["details"] == {
        "scope": "user:ann",
        "window": "day",
        "unit": "nanousd",
        "limit": 100_000,
        "posted": 0,
        "held": 0,
        "window_end": None,
    }
    batch = post("/v1/route/batch", {"tasks": [TASK, {"description": "Say hello"}]}).json()["results"]
    assert batch[0]["error"]["details"]["scope"] == "user:ann"
    assert batch[1]["hold_id"].startswith("hold_")
    assert 'pointsman_refusals_total{code="budget_exceeded"} 2.0' in call(app, "GET", "/metrics").text


def test_a_limit_is_set_shown_and_taken_back(app, call):
    put = call(app, "PUT", "/v1/budgets/global", json={"daily_usd": 2.5, "monthly_usd": 40, "reason": "launch"})
    assert put.status_code == 200
    assert [(line["window"], line["limit"], line["reason"]) for line in put.json()["budgets"]] == [
        ("day", 2_500_000_000, "launch"),
        ("month", 40_000_000_000, "launch"),
    ]
    back = call(app, "PUT", "/v1/budgets/global", json={"daily_usd": "default", "monthly_usd": "default"}).json()
    assert [(line["window"], line["limit"]) for line in back["budgets"]] == [("day", 1_000_000_000)]


def test_a_forecast_is_given_in_numbers_and_words(app, call):
    (told,) = call(app, "GET", "/v1/budgets/forecast").json()["forecasts"]
    assert (told["scope"], told["window"], told["forecast"]["limit_nanousd"]) == ("global", "day", 1_000_000_000)
    assert told["words"].startswith("$0.00 of $1.00 is spent")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "/v1/budgets/global", {"daily_usd": -1}, 422, "invalid_budget"),
        ("PUT", "/v1/budgets/global", {"daily_usd": "ten"}, 422, "invalid_task"),
        ("PUT", "/v1/budgets/global", {"daily_usd": None}, 422, "invalid_budget"),
        ("PUT", "/v1/budgets/global", {"daily_usd": 1, "currency": "EUR"}, 422, "invalid_budget"),
        ("PUT", "/v1/budgets/global", {"dayly_usd": 1}, 422, "invalid_task"),
        ("PUT", "/v1/budgets/everyone", {"daily_usd": 1}, 422, "invalid_budget"),
        ("POST", "/v1/outcomes", {"cost_usd": 1}, 422, "invalid_input"),
        ("POST", "/v1/outcomes", {"decision_id": "x", "cost_usd": -1}, 422, "invalid_bill"),
        ("POST", "/v1/outcomes", {"decision_id": "x", "cost_usd": 1}, 404, "unknown_hold"),
        ("POST", "/v1/outcomes", {"decision_id": "x", "tokens": 1}, 422, "invalid_task"),
        ("POST", "/v1/outcomes", [], 422, "invalid_task"),
        ("GET", "/v1/budgets/nothing", None, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason_and_changes_nothing(
    app, call, treasury, method, path, body, status, code
):
    answer = call(app, method, path, **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert treasury.ledger.entries() == []
    assert treasury.ledger.limits.history() == []


def test_another_bill_is_a_conflict_and_an_absurd_one_is_refused(post, treasury):
    decisions = [post("/v1/route", TASK).json()["decision_id"] for _ in range(2)]
    post("/v1/outcomes", {"decision_id": decisions[0], "cost_usd": 0.001})
    before = treasury.ledger.entries()
    other = post("/v1/outcomes", {"decision_id": decisions[0], "cost_usd": 0.002})
    absurd = post("/v1/outcomes", {"decision_id": decisions[1], "cost_usd": 100_000})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "hold_conflict")
    assert (absurd.status_code, absurd.json()["error"]["code"]) == (422, "invalid_bill")
    assert treasury.ledger.entries() == before


def test_without_the_ledger_nothing_is_routed(post, treasury):
    treasury.close()
    for path, body in (("/v1/route", TASK), ("/v1/route/batch", {"tasks": [TASK]})):
        answer = post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "model" not in answer.json()


def test_every_budget_reply_is_documented(app, call):
    document = call(app, "GET", "/openapi.json").json()
    assert {path for path in document["paths"] if "budgets" in path or "outcomes" in path} == {
        "/v1/budgets",
        "/v1/budgets/forecast",
        "/v1/budgets/{scope}",
        "/v1/outcomes",
    }
    schemas = document["components"]["schemas"]
    assert {"BudgetList", "ForecastList", "BudgetRequest", "Outcome", "Settlement"} <= set(schemas)
    assert set(schemas["Outcome"]["required"]) == {"decision_id"}


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.server.arrived.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_an_alert_reaches_the_webhook_signed_while_the_application_runs(router, treasury, clock):
    request = HoldRequest("k", (GLOBAL,), Amount(600_000_000), clock.now + timedelta(minutes=1))
    treasury.ledger.reserve(request)
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.received, server.arrived = [], threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/alerts"
        sender = Sender(url, SECRET, send, clock=lambda: datetime.now(UTC), wait=lambda _: None, rng=None)
        kept = Router(router.bundle, router.fleet, profile="fast", treasury=treasury)
        with TestClient(create_app(kept, alerts=sender)) as client:
            assert server.arrived.wait(30)
            assert client.get("/livez").status_code == 200
        server.shutdown()
        thread.join()
    ((headers, body),) = server.received
    assert is_authentic(SECRET, headers, body, datetime.now(UTC))
    assert b'"percent":50' in body
