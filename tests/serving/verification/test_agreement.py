import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.verification import agreement, final_answer, majority

LONG = ["The sky is blue because short waves scatter more than long ones do.", "Air scatters blue light most of all, "
        "so that the sky looks blue.", "It reflects the sea, and the sea is blue as everybody knows."]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("The answer is 1,200.50.", "1200.5"),
        ("First, 3 + 4 = 7.\nFinal answer: 7", "7"),
        ("So \\boxed{3/4} it is, after \\boxed{1}.", "1"),
        ("We get\n#### 42", "42"),
        ("**Answer:** (B)", "b"),
        ("The Eiffel Tower.", "eiffel tower"),
        ("$12", "12"),
        ("-0.50", "-0.5"),
        (LONG[0], None),
        ("", None),
    ],
)
def test_an_answer_comes_down_to_what_it_marks_as_final_or_to_itself_where_short(text, final):
    assert final_answer(text) == final


def test_short_answers_agree_where_they_are_the_same_number_or_words():
    assert agreement(["The answer is 12.", "12.0", "answer: 13"]) == 0.5
    assert agreement(["Paris", "paris.", "The Paris"]) == 1
    assert agreement(["Paris", "Rome"]) == 0


def test_long_answers_agree_by_their_cosine_and_without_vectors_nothing_is_said():
    vectors = {LONG[0]: [1, 0], LONG[1]: [1, 1], LONG[2]: [-1, 0]}

    assert agreement(LONG) is None
    assert agreement(LONG, lambda texts: np.array([vectors[text] for text in texts])) == pytest.approx(0.5**0.5 / 2)
    assert agreement(LONG, lambda texts: np.zeros((len(texts), 2))) is None


def test_one_answer_agrees_with_nothing():
    assert agreement(["12"]) is None


def test_the_majority_is_the_first_of_the_answers_most_agree_on():
    assert majority(["12", "13", "The answer is 13"]) == 1
    assert majority(["12", "13"]) == 0
    assert majority(LONG) is None
    assert majority([]) is None


@given(st.lists(st.text(max_size=80), max_size=5))
def test_agreement_of_any_texts_is_a_share(texts):
    found = agreement(texts)

    assert found is None or 0 <= found <= 1
