"""A gateway inside a program: the drop-in, from an event loop and from plain code."""

import asyncio
import json

import pytest
from gateways import document
from provider_acts import Act

from pointsman import Task
from pointsman.errors import InvalidConfig, UnknownModel, UpstreamError
from pointsman.gateway import Evaluation, Executor, Work
from pointsman.verification import GENERAL_RUBRIC

SCORES = Act(text=json.dumps({"scores": {one.name: 8 for one in GENERAL_RUBRIC.criteria}}))


@pytest.fixture
def file(tmp_path, provider):
    path = tmp_path / "pointsman.yaml"
    path.write_text(json.dumps(document(provider.url, f"sqlite:///{tmp_path}/pointsman.db")))
    return path


def test_a_task_is_run_from_an_event_loop_and_its_bill_is_posted_at_the_end(file, provider):
    async def run():
        async with Executor.load(file, {}) as executor:
            return await executor.execute("Fix the login bug", task_type="debugging")

    result = asyncio.run(run())
    (line,) = provider.settled().invoice
    assert (result.text, result.finish, result.cache) == ("You said: Fix the login bug", "stop", "off")
    assert (result.model, result.cost_nanousd, result.decision.type) == (line.model, line.cost_nanousd, "debugging")
    assert posted(file) == line.cost_nanousd


def posted(file):
    async def read():
        from pointsman.budget import GLOBAL

        async with Executor.load(file, {}) as executor:
            return executor.parts.router.treasury.ledger.usage(GLOBAL, "total").posted.nanousd

    return asyncio.run(read())


def test_a_script_without_an_event_loop_runs_tasks_too(file, provider):
    with Executor.load(file, {}).in_thread() as executor:
        one = executor.execute(Work(Task("Say hello"), system="Be brief.", model="gpt-4o", max_output_tokens=3))
        many = executor.execute_many(["Say one", Task("Say two", id="T-2"), Work(Task("Say no"), model="gpt-9")])
        waited = executor.execute_many(["Say three", "Say four"], can_wait=True)
    assert (one.text, one.model, one.finish) == ("You said: Say", "gpt-4o", "length")
    assert [(result.text, result.task_id) for result in many[:2]] == [
        ("You said: Say one", None),
        ("You said: Say two", "T-2"),
    ]
    assert isinstance(many[2], UnknownModel)
    assert [result.text for result in waited] == ["You said: Say three", "You said: Say four"]
    assert posted(file) == provider.settled().billed_nanousd


def test_a_text_is_judged_in_process(file, provider):
    provider.default = SCORES
    with Executor.load(file, {}).in_thread() as executor:
        routed = executor.evaluate("Paris.", judges=2)
        named = executor.evaluate(Evaluation("Paris.", judges=("gpt-4o",), question="The capital of France?"))
    assert (routed.score, len(routed.by_judge), named.by_judge) == (
        pytest.approx(0.8),
        2,
        {"gpt-4o": pytest.approx(0.8)},
    )


def test_an_error_reaches_the_caller_and_the_gateway_goes_on(file, provider):
    provider.script(*[Act(status=400, message="no")] * 4)
    with Executor.load(file, {}).in_thread() as executor:
        with pytest.raises(UpstreamError):
            executor.execute(Work(Task("Say hello"), model="gpt-4o"))
        provider.reset()
        assert executor.execute("Say hello").text == "You said: Say hello"


def test_a_configuration_that_cant_be_used_is_refused_before_anything_is_opened(tmp_path):
    with pytest.raises(InvalidConfig, match=r"pointsman\.yaml"):
        Executor.load(tmp_path / "pointsman.yaml", {})


def test_a_database_that_cant_be_opened_leaves_no_thread_behind(tmp_path, provider):
    path = tmp_path / "pointsman.yaml"
    path.write_text(json.dumps(document(provider.url, f"sqlite:///{tmp_path}/nowhere/pointsman.db")))
    import threading

    from pointsman.errors import LedgerUnavailable

    with pytest.raises(LedgerUnavailable), Executor.load(path, {}).in_thread():
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "pointsman-gateway"]
