import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Constraints, Task
from pointsman.errors import InvalidTask
from pointsman.task_json import refuse_equal_ids, task_from_dict

FIELDS = "description, type, budget_usd, constraints, tags, id"
CONSTRAINTS = "capabilities, models, exclude, max_latency_ms, min_quality, input_tokens, max_output_tokens"


def test_every_field_arrives_in_the_task():
    data = {
        "description": "Fix it",
        "type": "code review",
        "budget_usd": 0.5,
        "constraints": {
            "capabilities": ["vision"],
            "models": ["a", "b"],
            "exclude": ["c"],
            "max_latency_ms": 900,
            "min_quality": 0.5,
            "input_tokens": 7,
            "max_output_tokens": 8,
        },
        "tags": {"team": "search"},
        "id": "T-1",
    }
    constraints = Constraints(("vision",), ("a", "b"), ("c",), 900, 0.5, 7, 8)
    assert task_from_dict(data) == Task("Fix it", "code_review", 0.5, constraints, {"team": "search"}, "T-1")


def test_text_and_budget_are_other_names_of_description_and_budget_usd():
    assert task_from_dict({"text": "Fix it", "budget": 1}) == Task("Fix it", budget_usd=1)


def test_a_field_that_is_null_counts_as_left_out():
    data = {"description": "Fix it", "text": None, "type": None, "budget_usd": None, "constraints": None, "id": None}
    assert task_from_dict(data) == Task("Fix it")
    assert task_from_dict({"text": "Fix it", "constraints": {"models": None}}) == Task("Fix it")


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ([], None, f"The JSON is []; expected an object with any of {FIELDS}."),
        ("Fix it", None, f'The JSON is "Fix it"; expected an object with any of {FIELDS}.'),
        ({}, "description", "description is missing; expected the text of the task."),
        ({"text": None}, "description", "description is missing; expected the text of the task."),
        ({"description": ""}, "description", "description is empty; expected the text of the task."),
        ({"text": " \n"}, "text", "text is empty; expected the text of the task."),
        ({"text": 5}, "text", "text is 5; expected a text."),
        (
            {"text": "x", "description": "y"},
            "description",
            "description and text are two names of one thing; keep one of them.",
        ),
        (
            {"description": "x", "text": "y"},
            "text",
            "text and description are two names of one thing; keep one of them.",
        ),
        (
            {"text": "x", "budget": 1, "budget_usd": 1},
            "budget_usd",
            "budget_usd and budget are two names of one thing; keep one of them.",
        ),
        ({"text": "x", "budjet": 1}, "budjet", f"budjet is no known field; expected any of {FIELDS}."),
        ({"text": "x", "budget": "5"}, "budget", 'budget is "5"; expected a finite number, not in quotes.'),
        (
            {"text": "x", "budget_usd": True},
            "budget_usd",
            "budget_usd is true; expected a finite number, not in quotes.",
        ),
        ({"text": "x", "budget": math.nan}, "budget", "budget is NaN; expected a finite number, not in quotes."),
        ({"text": "x", "budget": -math.inf}, "budget", "budget is -Infinity; expected a finite number, not in quotes."),
        ({"text": "x", "budget": -1}, "budget", "budget is -1 USD; expected 0 to 1,000,000,000."),
        (
            {"text": "x", "budget_usd": 2e9},
            "budget_usd",
            "budget_usd is 2000000000.0 USD; expected 0 to 1,000,000,000.",
        ),
        ({"text": "x", "type": 3}, "type", "type is 3; expected a text of at most 1,000 characters."),
        ({"text": "x", "id": 3}, "id", "id is 3; expected a text of at most 1,000 characters."),
        (
            {"text": "x", "tags": {"team": 3}},
            "tags",
            'tags is {"team": 3}; expected an object of texts, such as {"team": "search"}.',
        ),
        ({"text": "x", "constraints": []}, "constraints", "constraints is []; expected an object."),
        (
            {"text": "x", "constraints": {"model": []}},
            "constraints.model",
            f"constraints.model is no known field; expected any of {CONSTRAINTS}.",
        ),
        (
            {"text": "x", "constraints": {"models": "a"}},
            "constraints.models",
            'constraints.models is "a"; expected a list of names.',
        ),
        (
            {"text": "x", "constraints": {"models": [1]}},
            "constraints.models",
            "constraints.models is [1]; expected a list of names.",
        ),
        (
            {"text": "x", "constraints": {"min_quality": "1"}},
            "constraints.min_quality",
            'constraints.min_quality is "1"; expected a finite number, not in quotes.',
        ),
        (
            {"text": "x", "constraints": {"min_quality": 2}},
            "constraints.min_quality",
            "constraints.min_quality is 2; expected a probability from 0 to 1.",
        ),
        (
            {"text": "x", "constraints": {"input_tokens": 1.5}},
            "constraints.input_tokens",
            "constraints.input_tokens is 1.5; expected a whole number, not in quotes.",
        ),
        (
            {"text": "x", "constraints": {"capabilities": ["sight"]}},
            "constraints.capabilities",
            "constraints.capabilities has 'sight'; expected any of vision, tools, json_mode.",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_the_callers_name_of_the_field(data, field, message):
    with pytest.raises(InvalidTask) as caught:
        task_from_dict(data)
    assert (caught.value.field, caught.value.message) == (field, message)


def test_an_unknown_type_is_refused():
    with pytest.raises(InvalidTask) as caught:
        task_from_dict({"text": "x", "type": "gardening"}, "tasks[3]")
    assert caught.value.field == "tasks[3].type"
    assert caught.value.message.startswith("tasks[3]: type is 'gardening'; expected one of code_generation, ")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (7, "tasks[3]"),
        ({"text": "x", "budget_usd": "5"}, "tasks[3].budget_usd"),
        ({"text": "x", "budget": -5}, "tasks[3].budget"),
        ({"text": "x", "constraints": {"min_quality": 7}}, "tasks[3].constraints.min_quality"),
    ],
)
def test_the_place_stands_before_the_field_and_the_message(data, field):
    with pytest.raises(InvalidTask) as caught:
        task_from_dict(data, "tasks[3]")
    assert caught.value.field == field
    assert caught.value.message.startswith("tasks[3]: ")


@pytest.mark.parametrize("data", [{"x" * 10_000: 1}, {"text": "x", "type": "x" * 10_000}, {"text": ["x" * 10_000]}])
def test_a_huge_wrong_value_is_not_sent_back_whole(data):
    with pytest.raises(InvalidTask) as caught:
        task_from_dict(data)
    assert len(caught.value.message) < 300


def test_equal_ids_are_refused_naming_both_places():
    refuse_equal_ids(["a", None, "b", None])
    with pytest.raises(InvalidTask) as caught:
        refuse_equal_ids(["a", None, "b", "a"])
    assert caught.value.field == "tasks[3].id"
    assert caught.value.message == 'tasks[3].id is "a", as is tasks[0].id; ids must differ.'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*FIELDS.split(", "), *CONSTRAINTS.split(", "), "text", "budget"])


@given(JSON | st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=3), max_size=4))
def test_any_json_is_a_task_or_an_invalid_task(data):
    try:
        assert isinstance(task_from_dict(data), Task)
    except InvalidTask as error:
        assert error.message
