"""The official clients, unchanged, against the gateway; what they read is what the provider billed."""

import anthropic
import openai
import pytest
from provider_acts import Act

ASK = [{"role": "user", "content": "Fix the login bug"}]


def bills(gateway, provider):
    return gateway.settled().posted_nanousd, provider.settled().billed_nanousd, gateway.held_nanousd


def test_the_openai_client_gets_an_answer_whose_headers_say_what_it_cost(gpt, gateway, provider):
    raw = gpt.chat.completions.with_raw_response.create(model="auto", messages=ASK)
    answer = raw.parse()
    assert answer.choices[0].message.content == "You said: Fix the login bug"
    said = {
        name[len("x-pointsman-") :]: value for name, value in raw.headers.items() if name.startswith("x-pointsman-")
    }
    assert set(said) == {
        *("model", "decision-id", "complexity", "confidence", "cost-usd", "saved-usd", "cache", "strategy"),
        "overhead-ms",
    }
    (line,) = provider.settled().invoice
    assert (said["model"], round(float(said["cost-usd"]) * 1e9)) == (line.model, line.cost_nanousd)
    assert bills(gateway, provider) == (line.cost_nanousd, line.cost_nanousd, 0)


def test_the_anthropic_client_gets_an_answer(claude, gateway, provider):
    answer = claude.messages.create(model="auto", max_tokens=100, messages=ASK)
    assert (answer.content[0].text, answer.stop_reason) == ("You said: Fix the login bug", "end_turn")
    posted, billed, held = bills(gateway, provider)
    assert (posted, held) == (billed, 0)
    assert billed > 0


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku"])
def test_a_named_model_bypasses_routing_but_not_the_budget(gpt, gateway, provider, model):
    answer = gpt.chat.completions.create(model=model, messages=ASK)
    assert answer.choices[0].message.content == "You said: Fix the login bug"
    (line,) = provider.settled().invoice
    assert line.model == model
    assert bills(gateway, provider) == (line.cost_nanousd, line.cost_nanousd, 0)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku"])
def test_a_stream_of_either_protocol_is_read_by_both_clients(gpt, claude, gateway, provider, model):
    chunks = list(gpt.chat.completions.create(model=model, messages=ASK, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: Fix the login bug"
    assert chunks[-1].model_extra["pointsman"]["model"] == model
    with claude.messages.stream(model=model, max_tokens=100, messages=ASK) as stream:
        assert stream.get_final_text() == "You said: Fix the login bug"
    posted, billed, held = bills(gateway, provider)
    assert (posted, held) == (billed, 0)


def test_a_failing_model_gives_way_to_a_fallback_with_a_hold_of_its_own(gpt, gateway, provider):
    provider.rule(Act(status=503), model="gpt-4o-mini")
    raw = gpt.chat.completions.with_raw_response.create(model="auto", messages=ASK)
    assert raw.headers["x-pointsman-model"] != "gpt-4o-mini"
    posted, billed, held = bills(gateway, provider)
    assert (posted, held) == (billed, 0)


def test_an_unknown_model_is_an_error_in_the_callers_protocol(gpt, claude):
    with pytest.raises(openai.NotFoundError, match='No model "gpt-9"'):
        gpt.chat.completions.create(model="gpt-9", messages=ASK)


def test_the_models_are_listed_as_the_openai_client_reads_them(gpt):
    assert [model.id for model in gpt.models.list()] == [
        *("auto", "gpt-4o-mini", "gpt-4o", "claude-haiku", "claude-sonnet"),
    ]


def test_the_anthropic_client_counts_tokens_without_asking_a_provider(claude, provider):
    tools = [{"name": "look_up", "description": "Looks up a word.", "input_schema": {"type": "object"}}]
    plain = claude.messages.count_tokens(model="auto", messages=ASK).input_tokens
    assert plain == len("Fix the login bug") // 4
    assert claude.messages.count_tokens(model="auto", messages=ASK, system="Be brief. " * 8).input_tokens == plain + 20
    assert claude.messages.count_tokens(model="auto", messages=ASK, tools=tools).input_tokens > plain
    with pytest.raises(anthropic.BadRequestError, match="messages is an empty list"):
        claude.messages.count_tokens(model="auto", messages=[])
    assert provider.calls == []
