"""Two tenants at one gateway: what one gets is the same with the other there and without."""

import json

import httpx
import pytest
from gateways import PATIENCE_S, running_gateway
from provider import Provider

from pointsman.access import KeyTerms
from pointsman.store import open_keys

SECRET = "a secret for the keys of tests, long enough"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEPT = ("model", "complexity", "confidence", "cost-usd", "saved-usd", "cache", "strategy")
UNSTEADY = {"id", "created", "latency_ms", "overhead_ms", "at", "window_end", "age_s", "decision_id", "hold_id"}
UNSTEADY |= {"overhead-ms", "decision-id", "since", "until", "uptime_s", "key"}


def words(text, **more):
    return {
        "model": "auto",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 90,
        **more,
    }


SCRIPT = [
    ("POST", CHAT, words("Fix the login bug")),
    ("POST", CHAT, words("fix the login bug?")),
    ("POST", CHAT, words("Fix the login bug", stream=True)),
    ("POST", MESSAGES, words("What is the capital of France?")),
    ("POST", CHAT, words("Broken", messages=[])),
    ("POST", CHAT, words("Fix", model="gpt-9")),
    ("POST", "/v1/execute", {"description": "Fix the login bug", "tags": {"project": "search"}}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/budgets", None),
    ("GET", "/v1/budgets/forecast", None),
    ("GET", "/v1/cache", None),
    ("GET", "/v1/stats", None),
    ("GET", "/api/optimization-metrics", None),
    ("GET", "/v1/status", None),
    ("POST", "/export/analytics", {}),
]


@pytest.fixture
def start(tmp_path_factory):
    """Return a function that runs a gateway with a key of each of two tenants."""

    def made(name):
        folder = tmp_path_factory.mktemp(name)
        url = f"sqlite:///{folder}/pointsman.db"
        with open_keys(url, SECRET) as keys:
            tokens = {
                tenant: keys.create(KeyTerms(role="member"), changed_by="eve", tenant=tenant).token
                for tenant in ("a", "b")
            }
        cache = {"enabled": True, "semantic": True}
        provider = Provider()
        return (
            folder,
            tokens,
            provider,
            {"keys": {"required": True, "secret": SECRET}, "cache": cache, "database_url": url},
        )

    return made


def steady(value):
    """Return JSON without what differs between any two runs."""
    if isinstance(value, dict):
        return {name: steady(part) for name, part in value.items() if name not in UNSTEADY and not name.endswith("_ms")}
    return [steady(part) for part in value] if isinstance(value, list) else value


def told(answer):
    kept = {name: answer.headers[f"x-pointsman-{name}"] for name in KEPT if f"x-pointsman-{name}" in answer.headers}
    if answer.headers.get("content-type", "").startswith("application/json"):
        return answer.status_code, kept, steady(answer.json())
    pieces = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    return answer.status_code, kept, [steady(json.loads(piece)) for piece in pieces]


def run(place, with_b):
    folder, tokens, provider, sections = place
    answers = []
    with (
        provider,
        running_gateway(folder, provider.url, **sections) as gateway,
        httpx.Client(timeout=PATIENCE_S) as client,
    ):

        def ask(tenant, method, path, body):
            headers = {"authorization": f"Bearer {tokens[tenant]}"}
            answer = client.request(method, gateway.url + path, json=body, headers=headers)
            gateway.settled()
            gateway.executor.parts.log.flush()
            return answer

        for method, path, body in SCRIPT:
            if with_b:
                for _ in range(2):
                    ask("b", method, path, body)
            answers.append((method, path, told(ask("a", method, path, body))))
    return answers


def test_what_a_tenant_gets_does_not_tell_whether_there_is_another(start):
    alone, beside = run(start("alone"), False), run(start("beside"), True)
    for one, other in zip(alone, beside, strict=True):
        assert one == other


def test_a_tenant_cannot_settle_judge_or_see_what_another_decided(start):
    folder, tokens, provider, sections = start("apart")
    with (
        provider,
        running_gateway(folder, provider.url, **sections) as gateway,
        httpx.Client(timeout=PATIENCE_S) as client,
    ):

        def ask(tenant, path, body):
            return client.post(gateway.url + path, json=body, headers={"authorization": f"Bearer {tokens[tenant]}"})

        first = ask("a", CHAT, words("Fix the login bug"))
        decision = first.headers["x-pointsman-decision-id"]
        (entry,) = [one for one in gateway.settled().treasury.ledger.entries(tenant="a") if one.kind == "opened"]
        for more in (
            {"quality": 0.0},
            {"cost_usd": 0.000001},
            {"unbilled": "not_sent"},
            {"quality": 1, "hold_id": entry.hold_id},
        ):
            told_b = ask("b", "/v1/outcomes", {"decision_id": decision, **more})
            unknown = ask("b", "/v1/outcomes", {"decision_id": "call-none", **more})
            assert (told_b.status_code, unknown.status_code) == (404, 404)
            assert (
                told_b.json()["error"]["message"].replace(decision, "call-none") == unknown.json()["error"]["message"]
            )
        assert ask("b", CHAT, words("Fix the login bug")).headers["x-pointsman-cache"] == "miss"
        assert ask("a", CHAT, words("Fix the login bug")).headers["x-pointsman-cache"] == "exact"


def test_only_an_admin_may_say_what_a_call_of_the_gateway_cost(start):
    folder, tokens, provider, sections = start("bills")
    with (
        provider,
        running_gateway(folder, provider.url, **sections) as gateway,
        httpx.Client(timeout=PATIENCE_S) as client,
    ):
        headers = {"authorization": f"Bearer {tokens['a']}"}

        def report(**more):
            return client.post(f"{gateway.url}/v1/outcomes", json={"decision_id": decision, **more}, headers=headers)

        with client.stream("POST", gateway.url + CHAT, json=words("Fix it", stream=True), headers=headers) as stream:
            decision = stream.headers["x-pointsman-decision-id"]
            for evasion in ({"unbilled": "not_sent"}, {"cost_usd": 1e-9}, {"input_tokens": 1, "output_tokens": 0}):
                refused = report(**evasion)
                assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
            stream.read()
        assert report(quality=0.9).status_code == 200
        gateway.settled()
        assert gateway.posted_nanousd == provider.settled().billed_nanousd > 0


def test_no_guest_moves_the_budget_of_everyone_or_spends_as_another(start):
    folder, tokens, provider, sections = start("limits")
    with open_keys(sections["database_url"], SECRET) as keys:
        admin = keys.create(KeyTerms(role="admin"), changed_by="eve", tenant="b").token
    sections["budgets"] = {"daily_usd": 0.003, "tiers": False}
    with (
        provider,
        running_gateway(folder, provider.url, **sections) as gateway,
        httpx.Client(timeout=PATIENCE_S) as client,
    ):
        dear = {**words("Fix the login bug"), "model": "gpt-4o", "max_tokens": 1000}
        headers = {"authorization": f"Bearer {admin}"}
        for amount in (50, "unlimited", "default"):
            put = client.put(f"{gateway.url}/v1/budgets/global", json={"daily_usd": amount}, headers=headers)
            assert put.status_code in (403, 422)
        assert client.post(gateway.url + CHAT, json=dear, headers=headers).status_code == 402
        forged = {"description": "Fix it", "tags": {"tenant": "b"}}
        refused = client.post(
            f"{gateway.url}/v1/execute", json=forged, headers={"authorization": f"Bearer {tokens['a']}"}
        )
        assert refused.status_code == 403
    assert provider.calls == []
