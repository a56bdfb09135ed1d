import hashlib
from pathlib import Path

import pytest

from pointsman.verification.refusal import _REFUSAL, _opening, hedging, is_refusal

ANSWERS = [line.split("\t") for line in Path(__file__).with_name("refusals.tsv").read_text("utf-8").splitlines()]
HELD_OUT = 1


def half_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2


def figures(half):
    found = [
        (is_refusal(text.replace("\\n", "\n")), label == "1") for label, _, text in ANSWERS if half_of(text) == half
    ]
    true, claimed = sum(said and meant for said, meant in found), sum(said for said, _ in found)
    return len(found), true / claimed, true / sum(meant for _, meant in found)


@pytest.mark.parametrize("half", [0, HELD_OUT])
def test_refusals_are_told_from_answers_on_authored_texts_also_on_those_held_out(half):
    answers, precision, recall = figures(half)

    assert answers == 113
    assert precision >= 0.98
    assert recall == 1


def test_a_refusal_far_from_the_beginning_is_part_of_an_answer():
    assert not is_refusal("The story begins in a harbour. " * 10 + "I'm sorry, but I can't help with that.")


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("I don't know who wrote that book.", 1.0),
        ("I’m not sure, but it may be 1912.", 1.0),
        ("Das weiß jeder.", 0.0),
        ("Ich weiß es leider nicht.", 1.0),
        ("It was 1912. " * 30 + "I'm not certain about the month.", 0.5),
        ("It was 1912. " * 30 + "I'm not certain. " + "It was 1912. " * 30, 0.0),
        ("It was 1912.", 0.0),
    ],
)
def test_an_answer_that_does_not_know_says_so(text, strength):
    assert hedging(text) == strength


@pytest.mark.parametrize("text", [text for _, _, text in ANSWERS])
def test_looking_for_hints_first_loses_no_refusal(text):
    assert is_refusal(text) == (_REFUSAL.search(_opening(text)) is not None)
