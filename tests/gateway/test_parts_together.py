"""Cache, cascade, trimming, output limits, keys and the log, each as a caller of the gateway meets it."""

import json

import httpx
import msgspec
import openai
import pytest
from gateways import running_gateway
from provider_acts import Act

from pointsman.access import KeyTerms, Rates
from pointsman.store import open_keys, open_log

REFUSAL = "I'm sorry, but I can't help with that request."


def ask(text, **fields):
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}


def facts(response):
    assert response.status_code == 200, response.text
    return {name.removeprefix("x-pointsman-"): value for name, value in response.headers.items() if "pointsman" in name}


def logged(gateway):
    with open_log(gateway.configuration.database_url) as log:
        gateway.executor.parts.log.flush()
        return [one.event for one in log.events()]


def test_an_answer_is_given_again_for_nothing_as_whole_and_as_stream(provider, tmp_path):
    with running_gateway(tmp_path, provider.url, cache={"enabled": True}) as gateway:
        first = gateway.post("/v1/chat/completions", ask("Fix the login bug"))
        again = gateway.post("/v1/chat/completions", ask("Fix the login bug"))
        assert (facts(first)["cache"], facts(again)["cache"]) == ("miss", "exact")
        assert again.json()["choices"] == first.json()["choices"]
        assert (facts(again)["cost-usd"], facts(again)["model"]) == ("0.0", facts(first)["model"])
        assert {"complexity", "confidence", "decision-id", "strategy", "saved-usd"} <= set(facts(again))
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-none") as client:
            chunks = list(client.chat.completions.create(**ask("Fix the login bug"), stream=True))
        assert "".join(one.choices[0].delta.content or "" for one in chunks) == "You said: Fix the login bug"
        assert chunks[-1].model_extra["pointsman"]["cache"] == "exact"
        fresh = gateway.post("/v1/chat/completions", ask("Fix the login bug"), headers={"cache-control": "no-cache"})
        assert facts(fresh)["cache"] == "miss"
        assert len(provider.settled().calls) == 2
        assert gateway.settled().posted_nanousd == provider.billed_nanousd
        assert [event.cache for event in logged(gateway)] == ["miss", "exact", "exact", "miss"]


def test_a_streamed_answer_is_kept_too(provider, tmp_path):
    with running_gateway(tmp_path, provider.url, cache={"enabled": True}) as gateway:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-none") as client:
            list(client.chat.completions.create(**ask("Fix the login bug"), stream=True))
        again = gateway.settled().post("/v1/chat/completions", ask("Fix the login bug"))
        assert (facts(again)["cache"], len(provider.calls)) == ("exact", 1)
        assert again.json()["choices"][0]["message"]["content"] == "You said: Fix the login bug"


def test_a_poor_answer_goes_on_to_another_model_and_both_are_paid(provider, tmp_path):
    routing = {"baseline": "gpt-4o", "profile": "fast", "trade_usd": 10, "strategy": "cost-aggressive"}
    with running_gateway(tmp_path, provider.url, cascade={"enabled": True}, routing=routing) as gateway:
        first = facts(gateway.post("/v1/chat/completions", ask("Name the capital of France")))["model"]
        provider.reset()
        provider.script(Act(text=REFUSAL))
        response = gateway.post("/v1/chat/completions", ask("Name the capital of Peru"))
        assert response.json()["choices"][0]["message"]["content"] == "You said: Name the capital of Peru"
        lines = provider.settled().invoice
        assert (lines[0].model, facts(response)["model"] in {line.model for line in lines[1:]}) == (first, True)
        assert round(float(facts(response)["cost-usd"]) * 1e9) == sum(line.cost_nanousd for line in lines)
        attempts = logged(gateway)[-1].attempts
        assert {one.model: one.end for one in attempts} == {
            line.model: "answered" if line.model == facts(response)["model"] else "judged_poor" for line in lines
        }
        assert attempts[0].quality < 0.5 < max(one.quality for one in attempts)


def test_a_stream_doesnt_cascade_unless_it_is_told_to(provider, tmp_path):
    routing = {"baseline": "gpt-4o", "profile": "fast", "trade_usd": 10}
    for streams, words in ((False, REFUSAL), (True, "You said: Name the capital of Peru")):
        provider.reset()
        provider.script(Act(text=REFUSAL))
        (tmp_path / str(streams)).mkdir()
        cascade = {"enabled": True, "streams": streams}
        with running_gateway(tmp_path / str(streams), provider.url, cascade=cascade, routing=routing) as gateway:
            with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-none") as client:
                chunks = list(client.chat.completions.create(**ask("Name the capital of Peru"), stream=True))
            assert "".join(one.choices[0].delta.content or "" for one in chunks) == words
            assert gateway.settled().posted_nanousd == provider.settled().billed_nanousd


def test_a_judge_is_asked_where_the_checks_leave_it_open_and_is_paid_from_the_same_request(provider, tmp_path):
    cascade = {"enabled": True, "judge": "gpt-4o"}
    with running_gateway(tmp_path, provider.url, cascade=cascade, routing={"profile": "fast"}) as gateway:
        response = gateway.post("/v1/chat/completions", ask("Why does the build fail only on Tuesdays?"))
        event = logged(gateway)[-1]
        assert response.status_code == 200
        judged = [one for one in event.attempts if one.purpose == "judge"]
        assert {one.model for one in judged} == {"gpt-4o"}
        assert event.cost_nanousd == provider.settled().billed_nanousd == gateway.settled().posted_nanousd


def test_a_long_conversation_is_cut_to_the_budget_and_says_so(provider, tmp_path):
    turns = [{"role": "system", "content": "You are terse."}]
    for number in range(20):
        turns.append({"role": "user", "content": f"Question {number}: " + "word " * 60})
        turns.append({"role": "assistant", "content": f"Answer {number}: " + "word " * 60})
    turns.append({"role": "user", "content": "And the last question?"})
    with running_gateway(tmp_path, provider.url, trimming={"max_input_tokens": 800}) as gateway:
        response = gateway.post("/v1/chat/completions", {"model": "auto", "messages": turns})
        assert facts(response)["trimmed"].startswith("dropped ")
        sent = provider.calls[-1].body["messages"]
        assert (sent[0], sent[-1]) == (turns[0], turns[-1])
        assert sent[1]["role"] == "user"
        assert len(sent) < 20
        assert gateway.settled().posted_nanousd == provider.settled().billed_nanousd
        assert logged(gateway)[-1].tokens_saved > 1000


def test_answers_are_limited_by_type_and_asked_to_be_short_where_that_is_set(provider, tmp_path):
    output = {"concise": True, "max_tokens_by_type": {"summarization": 77}}
    with running_gateway(tmp_path, provider.url, output=output) as gateway:
        body = ask("Summarise this thread in two sentences: ...")
        response = gateway.post("/v1/chat/completions", body, headers={"x-pointsman-type": "summarization"})
        assert response.status_code == 200
        sent = provider.calls[-1].body
        assert 77 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
        assert "Answer with the summary alone." in json.dumps(sent)
        assert logged(gateway)[-1].instruction == "concise-1"


@pytest.fixture
def keyed(provider, tmp_path):
    with running_gateway(tmp_path, provider.url, keys={"required": True}) as gateway:
        yield gateway


def issued(gateway, tenant="default", **terms):
    with open_keys(gateway.configuration.database_url) as keys:
        token = keys.create(KeyTerms(name="one", **terms), changed_by="test", tenant=tenant).token
    for _ in range(400):
        if httpx.get(f"{gateway.url}/v1/models", headers={"x-api-key": token}).status_code == 200:
            return token
    raise AssertionError("the key doesn't count yet")


def test_without_a_key_nothing_is_called(keyed, provider):
    with (
        openai.OpenAI(base_url=f"{keyed.url}/v1", api_key="sk-none", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(**ask("Fix the login bug"))
    assert provider.calls == []


def test_a_key_names_who_pays_and_what_is_logged(keyed, provider):
    token = issued(keyed, role="member", user="ann", team="search", tenant="acme")
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key=token, max_retries=0) as client:
        client.chat.completions.create(**ask("Fix the login bug"))
    (event,) = [one.event for one in _events(keyed, "acme")]
    assert (event.tags["user"], event.tags["team"], event.tenant) == ("ann", "search", "acme")
    assert logged(keyed) == []
    refused = httpx.get(f"{keyed.url}/v1/keys", headers={"x-api-key": token})
    assert refused.status_code == 403


def _events(gateway, tenant):
    gateway.executor.parts.log.flush()
    with open_log(gateway.configuration.database_url) as log:
        return log.events(tenant)


def test_a_keys_tokens_a_minute_are_those_that_were_used(keyed):
    token = issued(keyed, role="member", rates=Rates(tokens_per_minute=60))
    headers = {"authorization": f"Bearer {token}"}
    left = []
    for _ in range(30):
        response = httpx.post(f"{keyed.url}/v1/chat/completions", json=ask("Say hello"), headers=headers)
        if response.status_code == 429:
            break
        left.append(int(response.headers["x-ratelimit-remaining-tokens"]))
    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limited")
    assert int(response.headers["retry-after"]) > 0
    assert 2 <= len(left) <= 20
    assert left == sorted(left, reverse=True)


def test_the_statistics_are_those_of_what_was_run(gateway, provider):
    for text in ("Fix the login bug", "Say hello in French"):
        gateway.post("/v1/chat/completions", ask(text))
    gateway.executor.parts.log.flush()
    stats = httpx.get(f"{gateway.url}/v1/stats").json()
    assert stats["requests"] == 2
    assert stats["cost_nanousd"] == provider.settled().billed_nanousd
    assert set(httpx.get(f"{gateway.url}/health").json()["circuits"].values()) == {"closed"}
    metrics = httpx.get(f"{gateway.url}/api/optimization-metrics").json()
    assert set(metrics) >= {"optimization", "tokenBudget", "estimatedMonthlySavings"}


def test_an_outcome_is_reported_for_what_was_run(gateway):
    answer = gateway.post("/v1/chat/completions", ask("Fix the login bug"))
    outcome = {"decision_id": facts(answer)["decision-id"], "quality": 0.9, "judge": "human"}
    gateway.settled()
    reported = gateway.post("/v1/outcomes", outcome)
    assert (reported.status_code, reported.json()["state"]) == (200, "settled")
    (line,) = _events(gateway, "default")
    assert msgspec.json.decode(line.outcomes[0])["quality"] == 0.9
