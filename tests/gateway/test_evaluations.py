"""Texts that are judged through the gateway: what judges say, what they cost, and where the score goes."""

import json

import pytest
from gateways import running_gateway
from provider import Provider
from provider_acts import Act

from pointsman.verification import GENERAL_RUBRIC, SCRIPT_RUBRIC


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Provider() as provider, running_gateway(tmp_path_factory.mktemp("site"), provider.url) as gateway:
        yield gateway, provider


def scores(value, rubric=GENERAL_RUBRIC):
    return Act(text=json.dumps({"reason": "so", "scores": {one.name: value for one in rubric.criteria}}))


def test_a_council_scores_a_text_and_its_cost_is_what_the_provider_billed(gateway, provider):
    provider.script(scores(8), model="gpt-4o")
    provider.script(scores(4), model="gpt-4o-mini")
    request = {"text": "Paris.", "question": "What is the capital?", "judges": ["gpt-4o", "gpt-4o-mini"]}
    verdict = gateway.post("/v1/evaluate", {**request, "method": "mean"}).json()
    billed = provider.settled().billed_nanousd
    assert verdict == {
        "score": pytest.approx(0.6),
        "disagreement": pytest.approx(0.4),
        "method": "mean",
        "judge": "council:mean(gpt-4o,gpt-4o-mini)",
        "by_judge": {"gpt-4o": pytest.approx(0.8), "gpt-4o-mini": pytest.approx(0.4)},
        "by_criterion": {one.name: pytest.approx(0.6) for one in GENERAL_RUBRIC.criteria},
        "refused": {},
        "cost_nanousd": billed,
        "cost_usd": billed / 1e9,
        "is_stored": False,
    }
    assert (gateway.settled().posted_nanousd, gateway.held_nanousd) == (billed, 0)
    assert billed > 0
    gateway.executor.parts.log.flush()
    logged = [line.event for line in gateway.executor.parts.log.events()]
    assert {(one.kind, one.model, one.is_routed) for one in logged} == {
        ("evaluate", "gpt-4o", False),
        ("evaluate", "gpt-4o-mini", False),
    }
    assert sum(one.cost_nanousd for one in logged) == billed


@pytest.mark.parametrize("path", ["/evaluate-script", "/v1/evaluate-script"])
def test_a_script_is_judged_by_the_script_rubric_at_the_seeds_addresses(gateway, provider, path):
    provider.default = scores(7, SCRIPT_RUBRIC)
    verdict = gateway.post(path, {"script": "Buy it.", "judges": ["gpt-4o"]}).json()
    assert set(verdict["by_criterion"]) == {one.name for one in SCRIPT_RUBRIC.criteria}


def test_a_rubric_of_ones_own_has_its_own_scale(gateway, provider):
    provider.default = Act(text='{"scores": {"tone": 4}}')
    rubric = {"criteria": [{"name": "tone", "description": "Friendly."}], "scale": {"least": 1, "most": 5}}
    verdict = gateway.post("/v1/evaluate", {"text": "Dear all", "rubric": rubric, "judges": ["gpt-4o"]}).json()
    assert (verdict["score"], verdict["by_criterion"]) == (0.75, {"tone": 0.75})


def test_judges_that_the_router_chooses_are_different_models_and_none_that_is_excluded(gateway, provider):
    provider.default = scores(5)
    verdict = gateway.post("/v1/evaluate", {"text": "Paris.", "judges": 3, "exclude": ["gpt-4o"]}).json()
    assert set(verdict["by_judge"]) == {"gpt-4o-mini", "claude-haiku", "claude-sonnet"}


def test_a_judge_that_fails_or_talks_doesnt_count_and_is_reported(gateway, provider):
    provider.rule(Act(status=500), model="gpt-4o")
    provider.rule(Act(text="I like it."), model="gpt-4o-mini")
    provider.rule(scores(6), model="claude-haiku")
    verdict = gateway.post(
        "/v1/evaluate", {"text": "Paris.", "judges": ["gpt-4o", "gpt-4o-mini", "claude-haiku"]}
    ).json()
    assert verdict["by_judge"] == {"claude-haiku": pytest.approx(0.6)}
    assert verdict["refused"] == {"gpt-4o": "upstream", "gpt-4o-mini": "not_json"}
    assert verdict["cost_nanousd"] == gateway.settled().posted_nanousd == provider.settled().billed_nanousd


def test_where_no_judge_gives_scores_the_error_says_so(gateway, provider):
    provider.default = Act(text="I like it.")
    reply = gateway.post("/v1/evaluate", {"text": "Paris.", "judges": ["gpt-4o"]})
    assert reply.status_code == 502
    assert "gpt-4o: not_json" in reply.json()["error"]["message"]


def test_a_score_becomes_an_outcome_of_the_decision_and_its_model_isnt_a_routed_judge(gateway, provider):
    answered = gateway.post("/v1/execute", {"description": "Name the capital of France"}).json()
    gateway.settled()
    provider.default = scores(9)
    request = {"text": answered["text"], "judges": 3, "decision_id": answered["decision"]["decision_id"]}
    verdict = gateway.post("/v1/evaluate", request).json()
    assert verdict["is_stored"] is True
    assert answered["model"] not in verdict["by_judge"]
    stored = [json.loads(body) for body in gateway.treasury.ledger.outcomes.bodies(request["decision_id"])]
    assert stored == [{"decision_id": request["decision_id"], "quality": verdict["score"], "judge": verdict["judge"]}]


def test_judges_that_no_budget_has_room_for_arent_asked(provider, tmp_path):
    budgets = {"daily_usd": 0.0001, "tiers": False}
    with running_gateway(tmp_path, provider.url, budgets=budgets) as gateway:
        reply = gateway.post("/v1/evaluate", {"text": "Paris.", "judges": ["gpt-4o", "claude-sonnet"]})
        assert (reply.status_code, reply.json()["error"]["code"]) == (402, "budget_exceeded")
        assert (provider.settled().calls, gateway.settled().held_nanousd) == ([], 0)


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"judges": ["gpt-4o"]}, 422, "either text or script"),
        ({"text": "a", "script": "b"}, 422, "either text or script"),
        ({"text": " "}, 422, "text is empty"),
        ({"text": "a", "judges": ["gpt-9"]}, 404, 'No model "gpt-9"'),
        ({"text": "a", "judges": []}, 422, "expected 1 to 9"),
        ({"text": "a", "judges": 0}, 422, "expected 1 to 9"),
        ({"text": "a", "judges": 8}, 422, "can judge this"),
        ({"text": "a", "judges": "gpt-4o"}, 422, "a list of models"),
        ({"text": "a", "method": "vote"}, 422, "mean, median, majority"),
        ({"text": "a", "rubric": "fine"}, 422, "general, script"),
        ({"text": "a", "rubric": {"criteria": []}}, 422, "has 0 criteria"),
        ({"text": "a", "rubric": {"criteria": [{"nam": "x"}]}}, 422, "nam"),
        ({"text": "a", "decision_id": "nobody's"}, 404, "no decision that held money"),
        ({"text": "a", "exclude": ["gpt-4o", "gpt-4o-mini", "claude-haiku", "claude-sonnet"]}, 422, "no model"),
    ],
)
def test_what_cant_be_judged_is_refused_before_anybody_is_asked(site, request_, status, words):
    gateway, provider = site
    reply = gateway.post("/v1/evaluate", request_)
    assert (reply.status_code, words in reply.json()["error"]["message"]) == (status, True), reply.text
    assert (provider.settled().calls, gateway.settled().held_nanousd) == ([], 0)
