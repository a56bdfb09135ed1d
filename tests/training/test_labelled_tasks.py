import json

import pytest

from pointsman.errors import InvalidFile
from pointsman.types import COMPLEXITIES, TASK_TYPES
from pointsman_training.tasks import read_tasks

GOOD = {"id": "a", "text": "Sort a list", "type": "code_generation", "complexity": "simple"}


@pytest.fixture
def file_of(tmp_path):
    def write(*lines, name="tasks.jsonl"):
        path = tmp_path / name
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return path

    return write


def refused(*paths) -> str:
    with pytest.raises(InvalidFile) as caught:
        read_tasks(paths)
    return caught.value.message


def test_tasks_are_read_in_order_with_labels_as_numbers(file_of):
    other = {"id": "b", "text": "Prove it", "type": "Reasoning", "complexity": "complex", "language": "en"}
    tasks = read_tasks([file_of(GOOD, "", other)])
    assert (tasks.ids, tasks.texts) == (("a", "b"), ("Sort a list", "Prove it"))
    assert [COMPLEXITIES[index] for index in tasks.complexity] == ["simple", "complex"]
    assert [TASK_TYPES[index] for index in tasks.type] == ["code_generation", "reasoning"]
    assert list(tasks.digests) == ["tasks.jsonl"]


def test_line_17_that_is_not_json_is_named(file_of):
    path = file_of(*(GOOD | {"id": str(number)} for number in range(16)), "{oops")
    assert refused(path).startswith(f"{path}, line 17 isn't JSON: ")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"complexity": "hard"}, "complexity is 'hard'; expected one of simple, medium, complex."),
        ({"type": "cooking"}, "type is 'cooking'; expected one of code_generation, "),
        ({"text": 3}, "Expected `str`, got `int` - at `$.text`; expected id, text, type and complexity."),
    ],
)
def test_a_wrong_field_is_refused_with_its_line(file_of, changes, part):
    path = file_of(GOOD, GOOD | {"id": "b"} | changes)
    assert refused(path).startswith(f"{path}, line 2: {part}")


@pytest.mark.parametrize("field", ["id", "text", "type", "complexity"])
def test_a_missing_field_is_named(file_of, field):
    path = file_of({name: value for name, value in GOOD.items() if name != field})
    assert refused(path) == (
        f"{path}, line 1: Object missing required field `{field}`; expected id, text, type and complexity."
    )


def test_an_id_used_twice_is_refused_with_both_places(file_of):
    first, second = file_of(GOOD, name="first.jsonl"), file_of(GOOD | {"id": "b"}, GOOD, name="second.jsonl")
    assert refused(first, second) == f"{second}, line 2: id 'a' was used in first.jsonl, line 1 already."


def test_a_place_without_tasks_is_refused(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} is no file of labelled tasks and holds none; expected JSONL."
    assert refused(tmp_path / "nowhere.jsonl").endswith("expected JSONL.")
