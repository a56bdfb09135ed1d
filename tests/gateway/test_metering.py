"""Tokens a minute: what tasks and judges use counts as what chats do."""

import json

import pytest
from gateways import running_gateway
from provider import Provider
from provider_acts import Act

from pointsman.verification import GENERAL_RUBRIC

LIMIT = 100_000
SCORES = Act(text=json.dumps({"scores": {one.name: 8 for one in GENERAL_RUBRIC.criteria}}))
REQUESTS = {
    "a task": ("/v1/execute", {"description": "Say hello"}),
    "a task that can wait": ("/v1/execute", {"description": "Say hello", "can_wait": True}),
    "many tasks": ("/v1/execute/batch", {"tasks": [{"description": f"Say {n}"} for n in range(5)]}),
    "a council": ("/v1/evaluate", {"text": "Paris.", "judges": 3}),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Provider(default=SCORES) as provider:
        keys = {"tokens_per_minute": LIMIT}
        with running_gateway(tmp_path_factory.mktemp("metered"), provider.url, keys=keys) as gateway:
            yield gateway, provider


def left(gateway):
    return int(gateway.post("/v1/route", {"description": "x"}).headers["x-ratelimit-remaining-tokens"])


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_request_used_is_gone_from_the_minute(site, name):
    gateway, provider = site
    path, body = REQUESTS[name]
    provider.reset()
    before = left(gateway)
    assert gateway.post(path, body).status_code == 200
    used = sum(line.usage.input + line.usage.output for line in provider.settled().invoice)
    assert before - left(gateway) == used > 0


def test_tasks_that_are_expected_to_use_more_than_is_left_are_refused_before_any_is_run(site):
    gateway, provider = site
    provider.reset()
    long = "word " * 30_000
    tasks = [{"description": f"{number} {long}"} for number in range(4)]
    for path, body in (
        ("/v1/execute/batch", {"tasks": tasks}),
        ("/v1/evaluate", {"text": long, "judges": 4}),
    ):
        reply = gateway.post(path, body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limited")
    assert provider.settled().calls == []
