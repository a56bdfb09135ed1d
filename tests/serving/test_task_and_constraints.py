import math

import pytest

from pointsman import Constraints, Task
from pointsman.errors import InvalidTask
from pointsman.types import (
    CAPABILITIES,
    MAX_DESCRIPTION_CHARACTERS,
    TASK_TYPES,
    Candidate,
    Complexity,
    Scores,
    task_type,
)

SYNONYMS = {
    "optimisation": "optimization",
    "summarisation": "summarization",
    "analysis": "data_analysis",
    "code": "code_generation",
    "coding": "code_generation",
    "docs": "documentation",
    "design": "architecture",
    "review": "code_review",
    "test": "testing",
    "chat": "conversation",
    "qa": "question_answering",
}
UNUSABLE_BUDGETS = [-0.01, -1, -math.inf, math.inf, math.nan, True, False, "0.5", 10**9 + 1, [1]]
UNUSABLE_BUDGET_IDS = ["below", "minus-one", "-inf", "inf", "nan", "true", "false", "text", "too-large", "list"]


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_task_type_is_read_in_any_case_and_with_spaces_or_hyphens(name):
    spellings = (name, name.upper(), name.replace("_", " ").title(), name.replace("_", "-"), f"  {name}\n")
    assert {task_type(spelling) for spelling in spellings} == {name}


@pytest.mark.parametrize(("synonym", "canonical"), SYNONYMS.items())
def test_a_synonym_means_its_task_type(synonym, canonical):
    assert task_type(synonym) == canonical
    assert Task("x", type=synonym.upper()).type == canonical


@pytest.mark.parametrize(
    "name", ["", " ", "cooking", "data  analysis", "code_generation;", "тест", 7, None, ["testing"]]
)
def test_an_unknown_task_type_is_refused_with_the_list_of_all(name):
    with pytest.raises(InvalidTask) as refusal:
        task_type(name)
    assert refusal.value.field == "type"
    assert refusal.value.message.startswith(f"type is {name!r}; expected one of {', '.join(TASK_TYPES)}.")


def test_a_task_refuses_an_unknown_type():
    with pytest.raises(
        InvalidTask, match=r"^type is 'cooking'; expected one of .* Leave it out to have it predicted\.$"
    ):
        Task("x", type="cooking")


@pytest.mark.parametrize("budget", UNUSABLE_BUDGETS, ids=UNUSABLE_BUDGET_IDS)
def test_a_budget_that_is_no_amount_of_dollars_is_refused(budget):
    with pytest.raises(
        InvalidTask, match=r"^budget_usd is .*; expected (0 to 1,000,000,000|a finite number)"
    ) as refusal:
        Task("x", budget_usd=budget)
    assert refusal.value.field == "budget_usd"


def test_a_budget_of_four_hundred_digits_is_refused():
    with pytest.raises(InvalidTask, match=r"^budget_usd is "):
        Task("x", budget_usd=10**400)


@pytest.mark.parametrize(("budget", "nanousd"), [(0, 0), (0.05, 50_000_000), (1e-9, 1), (10**9, 10**18), (None, None)])
def test_a_budget_counts_in_nano_usd(budget, nanousd):
    assert Task("x", budget_usd=budget).budget_nanousd == nanousd


@pytest.mark.parametrize("text", ["", " ", "\n\t \r", "\u3000\u2003"])
def test_an_empty_description_is_refused(text):
    with pytest.raises(InvalidTask, match=r"^description is empty; expected the text of the task\.$") as refusal:
        Task(text)
    assert refusal.value.field == "description"


@pytest.mark.parametrize(("text", "kind"), [(None, "NoneType"), (5, "int"), (b"x", "bytes"), (["x"], "list")])
def test_a_description_that_is_no_text_is_refused(text, kind):
    with pytest.raises(InvalidTask, match=rf"^description is {kind}; expected text\.$") as refusal:
        Task(text)
    assert refusal.value.field == "description"


def test_a_description_is_refused_from_one_character_too_many_on():
    assert len(Task("x" * MAX_DESCRIPTION_CHARACTERS).description) == 10_000_000
    with pytest.raises(InvalidTask, match=r"^description has 10,000,001 characters; at most 10,000,000 fit\.$"):
        Task("x" * (MAX_DESCRIPTION_CHARACTERS + 1))


@pytest.mark.parametrize("capability", ["Vision", "audio", ""])
def test_an_unknown_capability_is_refused_with_the_known_ones(capability):
    with pytest.raises(InvalidTask) as refusal:
        Constraints(capabilities=("tools", capability))
    assert refusal.value.field == "constraints.capabilities"
    assert refusal.value.message == (
        f"constraints.capabilities has {capability!r}; expected any of {', '.join(CAPABILITIES)}."
    )


@pytest.mark.parametrize("name", ["capabilities", "models", "exclude"])
def test_a_text_in_place_of_a_list_is_refused(name):
    with pytest.raises(
        InvalidTask, match=rf"^constraints\.{name} is the text 'gpt-4o'; expected a list of names\.$"
    ) as e:
        Constraints(**{name: "gpt-4o"})
    assert e.value.field == f"constraints.{name}"


@pytest.mark.parametrize("name", ["capabilities", "models", "exclude"])
def test_a_number_in_place_of_a_list_of_names_is_refused(name):
    with pytest.raises(InvalidTask) as refusal:
        Constraints(**{name: 5})
    assert refusal.value.field == f"constraints.{name}"


@pytest.mark.parametrize("name", ["models", "exclude"])
@pytest.mark.parametrize("value", [[5], [None]], ids=["list-of-numbers", "list-of-null"])
def test_a_list_of_names_that_holds_something_else_is_refused(name, value):
    with pytest.raises(InvalidTask) as refusal:
        Constraints(**{name: value})
    assert refusal.value.field == f"constraints.{name}"


def test_an_empty_list_of_allowed_models_is_refused():
    with pytest.raises(InvalidTask, match=r"^constraints\.models is an empty list; name at least one model"):
        Constraints(models=())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_latency_ms", [-1, math.nan, math.inf, True]),
        ("min_quality", [-0.01, 1.01, math.nan, math.inf, True]),
        ("input_tokens", [-1, math.nan, math.inf, 1e10, True]),
        ("max_output_tokens", [-1, math.nan, math.inf, 1e10, False]),
    ],
)
def test_a_number_out_of_its_range_is_refused(name, values):
    for value in values:
        with pytest.raises(InvalidTask, match=rf"^constraints\.{name} is .*; expected ") as refusal:
            Constraints(**{name: value})
        assert refusal.value.field == f"constraints.{name}"


@pytest.mark.parametrize("name", ["max_latency_ms", "min_quality", "input_tokens", "max_output_tokens"])
def test_a_text_in_place_of_a_number_is_refused(name):
    with pytest.raises(InvalidTask, match=rf"^constraints\.{name} is "):
        Constraints(**{name: "many"})


def test_a_latency_of_nothing_is_refused():
    with pytest.raises(InvalidTask, match=r"^constraints\.max_latency_ms is 0; expected milliseconds above 0\.$"):
        Constraints(max_latency_ms=0)


@pytest.mark.parametrize("name", ["input_tokens", "max_output_tokens"])
def test_half_a_token_is_refused(name):
    with pytest.raises(InvalidTask, match=rf"^constraints\.{name} is 1\.5; expected a whole number of tokens"):
        Constraints(**{name: 1.5})


def test_lists_of_names_are_kept_as_tuples():
    constraints = Constraints(capabilities=["tools"], models=["a", "b"], exclude=["c"])
    assert (constraints.capabilities, constraints.models, constraints.exclude) == (("tools",), ("a", "b"), ("c",))


def test_the_extremes_of_every_range_are_accepted():
    assert Constraints(max_latency_ms=0.001, min_quality=0, input_tokens=0, max_output_tokens=0)
    assert Constraints(max_latency_ms=1e12, min_quality=1, input_tokens=10**9, max_output_tokens=10**9)


def test_a_complexity_knows_the_probability_of_its_label():
    assert Complexity("medium", {"simple": 0.2, "medium": 0.5, "complex": 0.3}).probability == 0.5


def test_a_candidate_says_its_cost_in_dollars():
    scores = Scores(1.0, 0.5, 0.9, 0.8, 0.81)
    assert Candidate("m", 0.5, 2_500_000, 10, True, scores, 0.1).cost_usd == 0.0025
