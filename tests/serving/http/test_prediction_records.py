import math

import msgspec
import numpy as np
import pytest

from pointsman.errors import InvalidInput, InvalidTask, UnknownModel
from pointsman.prediction import measured_table
from pointsman.predictions import PredictItem, item_from_dict, prediction_records
from pointsman.types import COMPLEXITIES, TASK_TYPES

ITEMS = [
    PredictItem("a", "What is the capital of Peru?"),
    PredictItem("b", "Prove that every bounded monotone sequence of reals converges.", "reasoning"),
    PredictItem("c", "def f(x):\n    return x +\n\nWhy does this not compile?"),
    PredictItem("d", "Übersetze diesen Satz ins Japanische: Der Zug hat Verspätung."),
]


@pytest.fixture
def records(router):
    def made(items, models=None, profile="fast"):
        return prediction_records(router.bundle, router.predictor, items, models=models, profile=profile)

    return made


@pytest.mark.parametrize("profile", ["fast", "deep"])
def test_a_record_says_what_the_reading_and_the_abilities_say(router, records, profile):
    manifest = router.bundle.manifest
    reading = router.predictor.read([item.text for item in ITEMS], profile)
    table = measured_table(manifest)
    quality, tokens = table.quality(reading), table.output_tokens(reading)
    for row, (item, record) in enumerate(zip(ITEMS, records(ITEMS, profile=profile), strict=True)):
        best = int(reading.complexity[row].argmax())
        assert record.id == item.id
        assert record.complexity.label == COMPLEXITIES[best]
        assert list(record.complexity.probabilities) == list(COMPLEXITIES)
        assert list(record.complexity.probabilities.values()) == pytest.approx(reading.complexity[row], abs=2e-6)
        assert record.type == (item.type or TASK_TYPES[int(reading.type[row].argmax())])
        assert list(record.quality) == list(manifest.abilities)
        assert list(record.quality.values()) == pytest.approx(quality[row], abs=2e-6)
        assert record.output_tokens == dict(zip(table.models, map(math.ceil, tokens[row].tolist()), strict=True))
        assert record.confidence == max(record.quality.values())
        assert record.novelty == pytest.approx(reading.novelty[row], abs=1e-6)


def test_probabilities_have_six_digits_and_sum_to_one(records):
    for record in records(ITEMS):
        shares = record.complexity.probabilities.values()
        assert sum(shares) == pytest.approx(1, abs=2e-6)
        for number in (*shares, *record.quality.values(), record.novelty):
            assert number == round(number, 6)
        assert all(0 < quality < 1 for quality in record.quality.values())


def test_the_record_has_exactly_the_fields_of_the_contract(records):
    [record] = msgspec.to_builtins(records(ITEMS[:1], models=["gpt-4o"]))
    assert list(record) == ["id", "complexity", "type", "quality", "output_tokens", "confidence", "novelty"]
    assert list(record["complexity"]) == ["label", "probabilities"]
    assert list(record["quality"]) == list(record["output_tokens"]) == ["gpt-4o"]
    assert type(record["output_tokens"]["gpt-4o"]) is int


def test_auto_reads_deep(records):
    assert records(ITEMS, profile="auto") == records(ITEMS, profile="deep")
    assert records(ITEMS, profile="auto") != records(ITEMS, profile="fast")


@pytest.mark.parametrize("profile", ["fast", "deep"])
def test_many_items_are_predicted_as_one_by_one(records, profile):
    for together, alone in zip(
        records(ITEMS, profile=profile), [records([item], profile=profile)[0] for item in ITEMS], strict=True
    ):
        assert (together.id, together.type) == (alone.id, alone.type)
        assert together.complexity.label == alone.complexity.label
        assert together.quality == pytest.approx(alone.quality, abs=2e-6)
        assert together.output_tokens == pytest.approx(alone.output_tokens, abs=1)


def test_named_models_are_predicted_as_among_all_and_in_the_order_named(records):
    chosen = records(ITEMS, models=["gpt-4o-mini", "gpt-4o", "gpt-4o-mini"])
    for record, whole in zip(chosen, records(ITEMS), strict=True):
        assert list(record.quality) == ["gpt-4o-mini", "gpt-4o"]
        assert list(record.quality.values()) == pytest.approx([whole.quality[m] for m in record.quality], abs=2e-6)
        assert record.confidence == max(record.quality.values())


def test_a_given_type_is_brought_into_canonical_form(records):
    assert records([PredictItem("a", "x", "Code Review")])[0].type == "code_review"


def test_no_items_give_no_records(records):
    assert records([]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is empty; expected the text of the task."),
        (" \n", "text is empty; expected the text of the task."),
        ("x" * 10_000_001, "text has 10,000,001 characters; expected at most 10,000,000."),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(text, message):
    with pytest.raises(InvalidTask) as caught:
        PredictItem("a", text)
    assert (caught.value.field, caught.value.message) == ("text", message)


def test_an_unknown_type_is_refused():
    with pytest.raises(InvalidTask, match="type is 'gardening'; expected one of code_generation, ") as caught:
        PredictItem("a", "x", "gardening")
    assert caught.value.field == "type"


def test_an_id_that_stands_twice_is_refused_naming_both_places(records):
    with pytest.raises(InvalidTask) as caught:
        records([*ITEMS, PredictItem("b", "Again")])
    assert caught.value.field == "tasks[4].id"
    assert caught.value.message == 'tasks[4].id is "b", as is tasks[1].id; ids must differ.'


def test_an_unknown_model_or_profile_is_refused(records):
    with pytest.raises(UnknownModel, match=r"no outcomes for 'gpt-99'") as caught:
        records(ITEMS, models=["gpt-4o", "gpt-99"])
    assert caught.value.field == "models"
    with pytest.raises(InvalidInput, match="models is an empty list"):
        records(ITEMS, models=[])
    with pytest.raises(InvalidInput, match="profile is 'shallow'"):
        records(ITEMS, profile="shallow")


def test_a_refusal_comes_before_any_reading(router):
    class Unread:
        def read(self, texts, depth):
            raise AssertionError("read although the request was refused")

    with pytest.raises(InvalidTask):
        prediction_records(router.bundle, Unread(), [ITEMS[0], ITEMS[0]], models=None, profile="fast")


def test_a_certain_reading_is_never_written_as_certainty(router, records):
    table = measured_table(router.bundle.manifest)
    reading = router.predictor.read([ITEMS[0].text], "fast")
    certain = msgspec.structs.replace(reading, demand=(reading.demand * 1e6).astype(np.float32))
    with np.errstate(over="ignore"):
        assert set(table.quality(certain)[0].tolist()) & {0.0, 1.0}

    class Certain:
        def read(self, texts, depth):
            return certain

    with np.errstate(over="ignore"):
        [record] = prediction_records(router.bundle, Certain(), ITEMS[:1], models=None, profile="fast")
    assert {1e-06, 0.999999} & set(record.quality.values())
    assert not {0.0, 1.0} & set(record.quality.values())


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ([], "tasks[2]"),
        ({"text": "x"}, "tasks[2].id"),
        ({"id": "a"}, "tasks[2].text"),
        ({"id": 7.5, "text": "x"}, "tasks[2].id"),
        ({"id": "a", "text": 7}, "tasks[2].text"),
        ({"id": "a", "text": "x", "budget": 1}, "tasks[2].budget"),
        ({"id": "a", "text": " "}, "tasks[2].text"),
        ({"id": "a", "text": "x", "type": "gardening"}, "tasks[2].type"),
    ],
)
def test_an_item_that_is_not_id_text_and_type_is_refused(data, field):
    with pytest.raises(InvalidTask) as caught:
        item_from_dict(data, "tasks[2]")
    assert caught.value.field == field
    assert caught.value.message.startswith("tasks[2]: ")


def test_an_item_is_read_from_json():
    assert item_from_dict({"id": "a", "text": "x", "type": None}) == PredictItem("a", "x")
    assert item_from_dict({"id": "a", "text": "x", "type": "testing"}) == PredictItem("a", "x", "testing")


def test_an_id_that_is_a_whole_number_comes_back_as_one(router):
    items = [item_from_dict({"id": 7, "text": "Fix the login bug"})]
    [record] = prediction_records(router.bundle, router.predictor, items, models=["gpt-4o"], profile="fast")
    assert record.id == 7
