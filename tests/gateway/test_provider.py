"""The provider that stands in is judged by the official clients: what they read is what it billed."""

import json
import urllib.request

import anthropic
import openai
import pytest
from provider import Provider
from provider_acts import Act, rate_limited
from provider_bill import Line, Tariff, Usage

ASK = [{"role": "user", "content": "one two three"}]
TOOL = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}


@pytest.fixture
def provider():
    with Provider({"gpt": Tariff(1_000_000, 3_000_000), "claude": Tariff(2_000_000, 5_000_000)}) as started:
        yield started


@pytest.fixture
def gpt(provider):
    with openai.OpenAI(base_url=provider.openai_url, api_key="sk-test", max_retries=0) as client:
        yield client.chat.completions


@pytest.fixture
def claude(provider):
    with anthropic.Anthropic(base_url=provider.url, api_key="sk-test", max_retries=0) as client:
        yield client.messages


def test_the_openai_client_reads_an_answer_and_the_invoice_has_its_price(provider, gpt):
    answer = gpt.create(model="gpt", messages=ASK)
    assert answer.choices[0].message.content == "You said: one two three"
    assert (answer.choices[0].finish_reason, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
        "stop",
        7,
        5,
    )
    assert provider.invoice == [Line(answer.id, "gpt", Usage(7, 5), True, "whole", 22)]


def test_the_openai_client_reads_a_stream_with_its_usage(provider, gpt):
    with gpt.create(model="gpt", messages=ASK, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert (text, chunks[-1].usage.completion_tokens) == ("You said: one two three", 5)
    assert provider.invoice == [Line(chunks[0].id, "gpt", Usage(7, 5), True, "whole", 22)]


def test_answers_end_at_max_tokens(gpt):
    answer = gpt.create(model="gpt", messages=ASK, max_tokens=2)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, answer.usage.completion_tokens) == ("You said:", "length", 2)


def test_several_answers_are_billed_together(provider, gpt):
    answer = gpt.create(model="gpt", messages=ASK, n=2)
    texts = [choice.message.content for choice in answer.choices]
    assert texts == ["You said: one two three", "You said: one two three (2)"]
    assert provider.invoice[0].usage == Usage(7, 11)


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_tool_is_called_and_its_result_answered(gpt, is_stream):
    tools = [{"type": "function", "function": TOOL}]
    if is_stream:
        with gpt.create(model="gpt", messages=ASK, tools=tools, stream=True) as stream:
            parts = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
        name, arguments = parts[0].function.name, "".join(part.function.arguments for part in parts)
    else:
        call = gpt.create(model="gpt", messages=ASK, tools=tools).choices[0].message.tool_calls[0]
        name, arguments = call.function.name, call.function.arguments
    assert (name, json.loads(arguments)) == ("weather", {"city": "text", "days": 1})
    told = [*ASK, {"role": "tool", "tool_call_id": "x", "content": "sun"}]
    assert gpt.create(model="gpt", messages=told, tools=tools).choices[0].message.tool_calls is None


def test_json_mode_answers_json(gpt):
    answer = gpt.create(model="gpt", messages=ASK, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == {"answer": "You said: one two three"}


def test_cached_and_reasoning_tokens_are_reported_and_billed_at_their_rates(gpt, provider):
    provider.tariffs = {"gpt": Tariff(1_000_000, 3_000_000, cached_read=500_000, reasoning=4_000_000)}
    provider.script(Act(cached_read=4, reasoning=10))
    usage = gpt.create(model="gpt", messages=ASK).usage
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert usage.completion_tokens_details.reasoning_tokens == 10
    assert provider.invoice[0].cost_nanousd == 3 * 1 + 2 + 5 * 3 + 10 * 4


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_anthropic_client_reads_an_answer_with_cached_tokens(provider, claude, is_stream):
    provider.script(Act(cached_read=2, cached_write=1))
    if is_stream:
        with claude.stream(model="claude", messages=ASK, max_tokens=50) as stream:
            answer = stream.get_final_message()
    else:
        answer = claude.create(model="claude", messages=ASK, max_tokens=50)
    usage = answer.usage
    assert (answer.content[0].text, answer.stop_reason) == ("You said: one two three", "end_turn")
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (4, 2, 1)
    assert usage.output_tokens == 5
    assert provider.invoice == [Line(answer.id, "claude", Usage(7, 5, 2, 1), True, "whole", 7 * 2 + 5 * 5)]


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_anthropic_client_reads_a_tool_call(claude, is_stream):
    tools = [{"name": "weather", "input_schema": TOOL["parameters"]}]
    if is_stream:
        with claude.stream(model="claude", messages=ASK, max_tokens=50, tools=tools) as stream:
            answer = stream.get_final_message()
    else:
        answer = claude.create(model="claude", messages=ASK, max_tokens=50, tools=tools)
    assert (answer.stop_reason, answer.content[0].name) == ("tool_use", "weather")
    assert answer.content[0].input == {"city": "text", "days": 1}


def test_rejected_calls_are_on_the_invoice_and_cost_nothing(provider, gpt):
    provider.script(rate_limited("7"), Act(status=500))
    with pytest.raises(openai.RateLimitError) as refused:
        gpt.create(model="gpt", messages=ASK)
    with pytest.raises(openai.InternalServerError):
        gpt.create(model="gpt", messages=ASK)
    with pytest.raises(openai.NotFoundError):
        gpt.create(model="unknown", messages=ASK)
    with pytest.raises(openai.AuthenticationError):
        gpt._client.with_options(api_key="wrong").chat.completions.create(model="gpt", messages=ASK)
    assert refused.value.response.headers["retry-after"] == "7"
    assert [(line.is_billed, line.end, line.cost_nanousd) for line in provider.invoice] == [(False, "rejected", 0)] * 4


@pytest.mark.parametrize("then", ["cut", "half", "reset"])
def test_a_stream_that_is_cut_is_billed_for_what_was_generated(provider, gpt, then):
    provider.script(Act(words=20, at=3, then=then))
    with pytest.raises(openai.APIConnectionError), gpt.create(model="gpt", messages=ASK, stream=True) as stream:
        list(stream)
    line = provider.settled().invoice[0]
    assert (line.usage, line.end, line.cost_nanousd) == (Usage(7, 3), "cut", 16)


def test_a_client_that_hangs_up_pays_for_what_was_generated(provider, gpt):
    provider.script(Act(words=20, at=4, then="hang"))
    with gpt.create(model="gpt", messages=ASK, stream=True) as stream:
        next(chunk for chunk in stream if chunk.choices[0].delta.content == " word4")
    assert provider.settled().invoice[0].usage == Usage(7, 4)
    assert provider.invoice[0].end == "hung_up"


def test_a_whole_answer_that_never_arrives_is_billed_in_full(provider, gpt):
    provider.script(Act(at="answer", then="reset"))
    with pytest.raises(openai.APIConnectionError):
        gpt.create(model="gpt", messages=ASK)
    assert [line.cost_nanousd for line in provider.settled().invoice] == [22]


def test_a_reset_before_the_request_is_read_is_no_call(provider, gpt):
    provider.script(Act(at="request", then="reset"))
    with pytest.raises(openai.APIConnectionError):
        gpt.create(model="gpt", messages=ASK)
    assert (provider.calls, provider.invoice) == ([], [])


def test_a_call_that_waits_goes_on_when_it_is_released(provider, gpt):
    provider.script(Act(words=3, at=1, then="wait"))
    with gpt.create(model="gpt", messages=ASK, stream=True) as stream:
        next(iter(stream))
        provider.release()
        rest = [chunk.choices[0].delta.content for chunk in stream]
    assert rest == ["word1", " word2", " word3", None]


def test_usage_is_reported_as_the_script_lies(provider, gpt):
    provider.script(Act(usage={"completion_tokens": -3}, cost=-1), Act(usage={}))
    told = gpt.create(model="gpt", messages=ASK).usage
    assert (told.completion_tokens, told.cost) == (-3, -1)
    assert gpt.create(model="gpt", messages=ASK).usage is None
    assert [line.cost_nanousd for line in provider.invoice] == [22, 22]


def test_a_process_elsewhere_scripts_it_and_reads_the_invoice(provider, gpt):
    script = json.dumps({"acts": [{"text": "scripted"}], "model": "gpt"}).encode()
    with urllib.request.urlopen(f"{provider.url}/_script", data=script) as reply:
        assert reply.status == 200
    assert gpt.create(model="gpt", messages=ASK).choices[0].message.content == "scripted"
    with urllib.request.urlopen(f"{provider.url}/_invoice") as reply:
        assert [line["cost_nanousd"] for line in json.load(reply)] == [10]


def test_the_tariff_of_a_long_prompt_and_of_flex_processing():
    long = Tariff(2_000_000, 0)
    price = Tariff(1_000_001, 0, flex_percent=50, above={10: long})
    assert [price.bill(Usage(tokens, 0)) for tokens in (9, 10)] == [10, 20]
    assert price.bill(Usage(9, 0), is_flex=True) == 5
