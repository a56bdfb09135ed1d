"""LangChain's chat model, unchanged, against the gateway: whole, streamed, with tools, and with a schema."""

import anthropic
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


@pytest.fixture
def model(gateway):
    return ChatOpenAI(base_url=f"{gateway.url}/v1", api_key="sk-none", model="auto", max_retries=0)


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


def bills(gateway, provider):
    return gateway.settled().posted_nanousd, provider.settled().billed_nanousd


def test_it_gets_an_answer_with_its_usage(model, gateway, provider):
    answer = model.invoke("Fix the login bug")
    (line,) = provider.settled().invoice
    assert answer.content == "You said: Fix the login bug"
    assert answer.usage_metadata["input_tokens"] == line.usage.input
    assert len(set(bills(gateway, provider))) == 1


def test_it_reads_a_stream(model, gateway, provider):
    pieces = list(model.stream("Fix the login bug"))
    assert "".join(piece.content for piece in pieces) == "You said: Fix the login bug"
    assert len(pieces) > 2
    assert len(set(bills(gateway, provider))) == 1


def test_it_binds_tools_and_gives_back_what_they_answer(model, provider):
    bound = model.bind_tools([look_up])
    asked = [HumanMessage("What does pointsman mean?")]
    called = bound.invoke(asked)
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("look_up", {"word": "text"})
    answered = bound.invoke([*asked, called, ToolMessage(look_up("pointsman"), tool_call_id=call["id"])])
    assert answered.content.startswith("You said: ")
    assert [len(one.body["messages"]) for one in provider.calls] == [1, 3]


def test_it_gets_an_answer_of_a_schema(model):
    class Verdict(BaseModel):
        good: str
        count: int

    assert model.with_structured_output(Verdict).invoke("Judge it") == Verdict(good="text", count=1)


def test_anthropics_client_streams_and_calls_tools_whichever_model_answers(claude, provider):
    tools = [
        {
            "name": "look_up",
            "description": "Looks a word up.",
            "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}},
        }
    ]
    asked = [{"role": "user", "content": "What does pointsman mean?"}]
    for name in ("auto", "gpt-4o-mini", "claude-haiku"):
        with claude.messages.stream(model=name, max_tokens=200, messages=asked, tools=tools) as stream:
            called = stream.get_final_message()
        (block,) = [one for one in called.content if one.type == "tool_use"]
        assert (block.name, block.input, called.stop_reason) == ("look_up", {"word": "text"}, "tool_use")
        result = {"type": "tool_result", "tool_use_id": block.id, "content": look_up("pointsman")}
        turns = [*asked, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
        answer = claude.messages.create(model=name, max_tokens=200, messages=turns, tools=tools)
        assert isinstance(answer, anthropic.types.Message)
        assert answer.stop_reason == "end_turn"
