"""The log over HTTP: figures of the caller's tenant, exports, resets and erasure."""

import csv
import io
from datetime import timedelta

import msgspec
import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.testclient import TestClient
from ledgers import NOON, Clock
from log_lines import line, logged

from pointsman import Router
from pointsman.access import KeyTerms
from pointsman.budget import Amount, HoldRequest, Scope
from pointsman.budget.parsing import parse_rules
from pointsman.http import create_app
from pointsman.http.guard import open_gate
from pointsman.insight import costs, period
from pointsman.settings import KeySettings
from pointsman.store import open_keys, open_ledger, open_log
from pointsman.treasury import Treasury

EVENTS = [
    line(1, cost_nanousd=100, baseline="gpt-4o", baseline_nanousd=900, latency_ms=5.0, cache="miss",
         tags={"user": "ann", "team": "search"}, text="hello"),
    line(2, 30, cost_nanousd=300, baseline="gpt-4o", baseline_nanousd=500, model="=HYPERLINK(1)", cache="exact",
         tags={"user": "bob"}),
    line(3, 0.5, status=502, error="upstream"),
]  # fmt: skip
FIGURES = [
    *("/v1/stats", "/stats", "/v1/stats/cost", "/v1/stats/savings", "/v1/stats/series", "/stats/cost-summary"),
    *("/v1/stats/cost-summary", "/stats/performance-summary", "/v1/stats/performance-summary", "/analytics/summary"),
    *("/v1/analytics/summary", "/analytics/cost-breakdown", "/v1/analytics/cost-breakdown", "/analytics/time-series"),
    *("/v1/analytics/time-series", "/api/optimization-metrics", "/v1/optimization-metrics", "/health", "/v1/health"),
]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(tmp_path, clock):
    with open_log(f"sqlite:///{tmp_path}/log.db", clock=clock, flush_s=0.001) as opened:
        logged(opened, "default", EVENTS)
        yield opened


@pytest.fixture
def app(router, log):
    return create_app(router, log=log)


@pytest.fixture
def with_key(router, log, tmp_path):
    """Return an application as it is called with the key of such a role in such a tenant."""

    def made(role="admin", tenant="default", router=router):
        keys = open_keys(f"sqlite:///{tmp_path}/keys.db")
        token = keys.create(KeyTerms(role=role, name="one"), changed_by="cli", tenant=tenant).token
        gate = open_gate(keys, KeySettings(required=True))
        gate.ring.refresh()
        app = create_app(router, log=log, gate=gate)
        keys.close()

        async def called(scope, receive, send):
            headers = [*scope["headers"], (b"authorization", f"Bearer {token}".encode())]
            await app({**scope, "headers": headers}, receive, send)

        return called

    return made


def test_without_a_log_there_are_no_such_routes(router, call):
    app = create_app(router)
    assert [call(app, "GET", path).status_code for path in FIGURES] == [404] * len(FIGURES)


@pytest.mark.parametrize("path", FIGURES)
def test_every_figure_is_answered_as_it_is_described(app, call, path):
    response = call(app, "GET", path)
    assert response.status_code == 200, response.text
    document = call(app, "GET", "/openapi.json").json()
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    assert set(response.json()) == set(document["components"]["schemas"][name]["properties"])
    assert call(app, "GET", path, params={"since": "yesterday"}).status_code == (200 if "health" in path else 422)


def test_the_document_with_a_log_is_openapi_and_every_reference_leads_somewhere(app, call):
    document = call(app, "GET", "/openapi.json")
    assert OpenAPI.model_validate(document.json())
    components = document.json()["components"]["schemas"]
    referred = {part.partition('"')[0] for part in document.text.split("#/components/schemas/")[1:]}
    assert referred == set(components)
    operations = [one for methods in document.json()["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


def test_a_period_and_a_dimension_are_taken_from_the_query(app, call, log):
    found = call(app, "GET", "/v1/stats", params={"since": "24h"}).json()
    assert (found["requests"], found["cost_nanousd"], found["error_rate"]) == (2, 100, 0.5)
    found = call(app, "GET", "/v1/stats/cost", params={"by": "user", "until": "2026-11-21T06:00Z"}).json()
    assert found == msgspec.to_builtins(costs(log, period(log, until=NOON - timedelta(hours=6)), "user"))
    refused = call(app, "GET", "/v1/stats/cost", params={"by": "colour"})
    assert refused.json()["error"]["field"] == "by"
    series = call(app, "GET", "/v1/stats/series", params={"step": "hour", "since": "2h"}).json()
    assert [point["requests"] for point in series["points"]] == [0, 2]


def test_savings_are_signed_and_carry_their_caveat(app, call):
    found = call(app, "GET", "/v1/stats/savings").json()
    assert (found["baseline_nanousd"], found["cost_nanousd"], found["saved_nanousd"]) == (1400, 400, 1000)
    assert "same tokens" in found["caveat"]


def test_a_tenant_sees_its_own_lines_only(app, call, with_key):
    stranger = with_key(tenant="other")
    assert call(stranger, "GET", "/v1/stats").json()["requests"] == 0
    assert call(stranger, "POST", "/v1/export/analytics").json() == []
    assert call(stranger, "DELETE", "/v1/users/ann/data").json() == {"lines": 0}
    assert call(app, "GET", "/v1/stats").json()["requests"] == 3


@pytest.mark.parametrize("role", ["member", "read-only"])
def test_only_admins_export_reset_and_erase(call, with_key, role):
    one = with_key(role=role)
    for method, path in (("POST", "/export/analytics"), ("POST", "/reset"), ("DELETE", "/v1/users/ann/data")):
        response = call(one, method, path)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert call(one, "GET", "/stats").json()["requests"] == 3


def test_an_export_is_json_or_a_table_that_runs_nothing(app, call):
    found = call(app, "POST", "/v1/export/analytics", json={"since": "24h"}).json()
    assert [one["event"]["decision_id"] for one in found] == ["default-0", "default-2"]
    response = call(app, "POST", "/export/analytics", json={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["model"] for row in rows] == ["mini", "'=HYPERLINK(1)", "mini"]
    refused = call(app, "POST", "/export/analytics", json={"format": "xls"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "format")


def test_a_reset_begins_the_statistics_anew_and_deletes_nothing(app, call):
    assert call(app, "POST", "/v1/reset", json={"reason": "a new fleet"}).json() == {"since": "2026-11-21T12:00:00Z"}
    assert call(app, "GET", "/v1/stats").json()["requests"] == 0
    assert call(app, "GET", "/v1/stats", params={"since": "7d"}).json()["requests"] == 3


def test_a_user_is_erased(app, call):
    assert call(app, "DELETE", "/v1/users/ann/data").json() == {"lines": 1}
    names = [one["name"] for one in call(app, "GET", "/v1/stats/cost", params={"by": "user"}).json()["lines"]]
    assert set(names) == {"bob", None}
    assert call(app, "GET", "/v1/stats").json()["cost_nanousd"] == 400


def test_health_tells_of_the_last_hour(app, call):
    assert call(app, "GET", "/health").json() == {
        "status": "ok",
        "uptime_s": 0.0,
        "requests": 2,
        "error_rate": 0.5,
        "lost_events": 0,
        "waiting_events": 0,
        "circuits": {},
    }


def test_health_says_that_the_database_is_gone_and_figures_are_refused(app, call, log):
    log._database.administer(lambda connection: connection.exec_driver_sql("DROP TABLE events"))
    found = call(app, "GET", "/health").json()
    assert (found["status"], found["requests"], found["error_rate"]) == ("database unavailable", None, None)
    refused = call(app, "GET", "/v1/stats")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert refused.headers["retry-after"] == "2"


def test_what_is_left_of_everyones_budget_is_shown_to_the_deployments_own_tenant_alone(
    router, log, clock, tmp_path, call, with_key
):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, timeout_s=30) as ledger:
        treasury = Treasury(ledger, parse_rules({"daily_usd": 1, "tiers": False}), clock=clock)
        paid = Router(router.bundle, router.fleet, profile="fast", treasury=treasury)
        assert call(create_app(paid, log=log), "GET", "/v1/stats").json()["budget_remaining_usd"] == 1.0
        other = with_key(tenant="other", router=paid)
        assert call(other, "GET", "/v1/stats").json()["budget_remaining_usd"] is None
        spent = Scope("tenant"), Scope("global")
        ledger.reserve(HoldRequest("k", spent, Amount(250_000_000), NOON + timedelta(hours=1), tenant="other"))
        assert call(other, "GET", "/v1/stats").json()["budget_remaining_usd"] is None
        assert call(create_app(paid, log=log), "GET", "/v1/stats").json()["budget_remaining_usd"] == 0.75


def test_the_application_writes_the_last_events_and_closes_the_log(router, tmp_path, clock):
    url = f"sqlite:///{tmp_path}/closing.db"
    log = open_log(url, clock=clock, flush_s=3600)
    with TestClient(create_app(router, log=log)) as client:
        log.add(line(1, tenant="default"))
        assert client.get("/livez").status_code == 200
    with open_log(url, clock=clock) as again:
        assert [found.event.decision_id for found in again.events()] == ["d-1"]


def test_the_application_lets_old_lines_expire(router, tmp_path, clock):
    log = open_log(f"sqlite:///{tmp_path}/old.db", clock=clock, flush_s=0.001)
    logged(log, "default", [line(1, 24 * 91), line(2, 24 * 89)])
    with TestClient(create_app(router, log=log)) as client:
        for _ in range(1000):
            if client.get("/v1/stats", params={"since": "200d"}).json()["requests"] == 1:
                break
        assert [found.event.decision_id for found in log.events()] == ["default-1"]
