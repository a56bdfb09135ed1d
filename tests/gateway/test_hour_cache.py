"""Prompts that ask to be cached for an hour: dearer to write, at models that are asked in the caller's own protocol."""

import httpx
import pytest
from gateways import CLAUDE, FAMILIES, document, running_gateway
from provider_acts import Act

PART = {"type": "text", "text": "Fix the login bug", "cache_control": {"type": "ephemeral", "ttl": "1h"}}


def asked(gateway, model, path="/v1/messages"):
    body = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": [PART]}]}
    return httpx.post(f"{gateway.url}{path}", json=body, timeout=30)


def without_hour_rates(*names):
    models = document("http://provider", "sqlite://")["models"]
    for name in names:
        price = {kind: rate for kind, rate in CLAUDE[name]["price"].items() if kind != "cached_write_hour"}
        models[name] = {**models[name], "price": price}
    return models


def test_such_a_prompt_is_routed_over_a_fleet_where_some_have_no_price_for_it(gateway, provider):
    answer = asked(gateway, "auto")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-pointsman-model"] in {name for names in FAMILIES.values() for name in names}
    assert provider.settled().billed_nanousd == gateway.settled().posted_nanousd


def test_the_dearer_cache_is_held_where_it_can_be_written_only(gateway):
    held = {}
    for model in ("gpt-4o", "claude-sonnet"):
        answer = asked(gateway, model)
        assert answer.status_code == 200, answer.text
        hold = gateway.treasury.hold_of(answer.headers["x-pointsman-decision-id"])
        held[model] = hold.amount
    assert held["claude-sonnet"].nanousd == held["claude-sonnet"].input_tokens * 6_000 + 1000 * 15_000
    assert held["gpt-4o"].nanousd == held["gpt-4o"].input_tokens * 2_500 + 1000 * 10_000


def test_what_was_written_to_it_is_billed(gateway, provider):
    provider.script(Act(cached_write_hour=3))
    answer = asked(gateway, "claude-sonnet")
    assert answer.json()["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] == 3
    assert provider.settled().billed_nanousd == gateway.settled().posted_nanousd > 3 * 6_000


def test_a_model_without_a_price_for_it_is_not_chosen_and_says_so_when_it_is_named(provider, tmp_path):
    models = without_hour_rates("claude-haiku", "claude-sonnet")
    with running_gateway(tmp_path, provider.url, models=models) as gateway:
        chosen, named = asked(gateway, "auto"), asked(gateway, "claude-haiku")
    assert chosen.headers["x-pointsman-model"] in FAMILIES["openai"]
    assert "price.cached_write_hour" in named.json()["error"]["message"]
    assert named.status_code < 500


@pytest.mark.parametrize("names", [("claude-haiku",), ("claude-haiku", "claude-sonnet")])
def test_where_no_model_has_a_price_for_it_the_refusal_says_which_price_is_missing(provider, tmp_path, names):
    models = {name: card for name, card in without_hour_rates(*names).items() if name in names}
    routing = {"baseline": "claude-haiku", "profile": "fast"}
    with running_gateway(tmp_path, provider.url, models=models, routing=routing) as gateway:
        refused = asked(gateway, "auto")
    assert refused.status_code < 500
    assert "price.cached_write_hour" in refused.json()["error"]["message"]
