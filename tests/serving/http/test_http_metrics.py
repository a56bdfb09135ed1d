import re

import pytest

from pointsman.http import create_app


@pytest.fixture
def samples(app, call):
    def read(name, of=app):
        text = call(of, "GET", "/metrics").text
        found = re.findall(rf"^{name}(?:\{{(.*)\}})? (.+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    return read


def test_requests_are_counted_by_path_and_status(app, call, post, samples):
    post("/v1/route", {"text": "x"})
    post("/v1/route", {"text": "x"})
    post("/route", {"text": "x"})
    post("/v1/route", {})
    post("/v1/route", content=b"{")
    post("/v1/route", {"text": "x", "budget": 1e-9})
    call(app, "GET", "/v1/route")
    call(app, "GET", "/v1/nothing/17")
    call(app, "GET", "/v1/nothing/18")
    assert samples("pointsman_requests_total") == {
        'path="/v1/route",status="200"': 2,
        'path="/route",status="200"': 1,
        'path="/v1/route",status="422"': 1,
        'path="/v1/route",status="400"': 1,
        'path="/v1/route",status="402"': 1,
        'path="/v1/route",status="405"': 1,
        'path="unmatched",status="404"': 2,
    }
    assert samples("pointsman_refusals_total") == {
        'code="invalid_task"': 1,
        'code="invalid_json"': 1,
        'code="budget_too_small"': 1,
        'code="method_not_allowed"': 1,
        'code="not_found"': 2,
    }


def test_decisions_and_refused_tasks_of_a_batch_are_counted_one_by_one(post, samples):
    decision = post("/v1/route", {"text": "x"}).json()
    label = (
        f'complexity="{decision["complexity"]["label"]}",model="{decision["model"]}",profile="{decision["profile"]}"'
    )
    assert samples("pointsman_decisions_total") == {label: 1}
    tasks = [{"text": "x"}] * 3 + [{"text": "x", "budget": 1e-9}] * 2
    post("/v1/route/batch", {"tasks": tasks})
    assert samples("pointsman_decisions_total") == {label: 4}
    assert samples("pointsman_refusals_total") == {'code="budget_too_small"': 2}


def test_latency_is_measured_with_the_given_clock(router, call, samples):
    ticks = iter([10.0, 10.3, 20.0, 24.0, 30.0, 30.0])
    app = create_app(router, clock=lambda: next(ticks))
    call(app, "POST", "/v1/route", json={"text": "x"})
    call(app, "POST", "/v1/route", json={"text": "x"})
    ticks = iter([0.0] * 10)
    assert samples("pointsman_request_seconds_count", app) == {'path="/v1/route"': 2}
    assert samples("pointsman_request_seconds_sum", app)['path="/v1/route"'] == pytest.approx(4.3)
    buckets = samples("pointsman_request_seconds_bucket", app)
    assert buckets['le="0.25",path="/v1/route"'] == 0
    assert buckets['le="0.5",path="/v1/route"'] == 1
    assert buckets['le="5.0",path="/v1/route"'] == 2


def test_an_unexpected_error_is_counted(post, router, monkeypatch, samples):
    def broken(task):
        raise RuntimeError

    monkeypatch.setattr(router, "route", broken)
    post("/v1/route", {"text": "x"})
    assert samples("pointsman_requests_total") == {'path="/v1/route",status="500"': 1}


def test_each_application_counts_for_itself(router, call, samples):
    one, other = create_app(router), create_app(router)
    call(one, "POST", "/v1/route", json={"text": "x"})
    assert sum(samples("pointsman_decisions_total", one).values()) == 1
    assert samples("pointsman_decisions_total", other) == {}


def test_metrics_come_in_prometheus_text_format(app, call):
    response = call(app, "GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE pointsman_requests_total counter" in response.text
