import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.prediction import core_text

PLAIN = "Fix the login bug"


@pytest.mark.parametrize(
    "dressed",
    [
        "Fix the login bug",
        "  Fix the login bug\n\n",
        "Hi there, Fix the login bug",
        "Hello! Could you please Fix the login bug",
        "Good morning team,\nI would like you to Fix the login bug",
        "I need help with the following: Fix the login bug",
        "Please, Fix the login bug",
        "Here is my task: Fix the login bug",
        "Fix the login bug, thanks a lot in advance!",
        "Fix the login bug please",
        "Fix the login bug\n\nBest regards",
        "Fix the login bug. Thank you for your help. Have a great day!",
        "# Fix the login bug",
        "> Fix the login bug",
        "- Fix the login bug",
        "**Fix the login bug**",
        "Fix  the   login bug",
    ],
)
def test_what_a_task_is_dressed_in_is_taken_off(dressed):
    assert core_text(dressed).rstrip(".") == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "Can you swim?",
        "Would you rather be rich or famous?",
        "Thanks for the Memory is a song by whom?",
        "def __init__(self, x): self.y = x**2 + x**3",
        "What is 2**10 and 3**4?",
        "1. collect\n2. sort\n- sum up",
        "def f():\n    return  1",
        "Dear Abby was a column in which newspaper?",
        "How do I say thank you in Korean to an elder?",
        "Hello, Dolly! premiered when?"[7:],
    ],
)
def test_what_belongs_to_the_task_stays(text):
    assert core_text(text) == text.replace("  1", " 1")


def test_a_question_keeps_its_mark_when_courtesy_after_it_goes():
    assert core_text("Could you solve x + 1 = 2 please?") == "solve x + 1 = 2?"
    assert core_text("What is the capital of France? Thanks!") == "What is the capital of France?"


@pytest.mark.parametrize("text", ["Hi", "Thanks!", "please", "Hello there!", "thank you so much"])
def test_a_text_of_nothing_but_courtesy_is_read_as_it_is(text):
    assert core_text(text) == text


@given(st.text(st.characters(codec=None, exclude_categories=())))
@example("")
@example("\ud800 please")
@example("thanks " * 400)
@example("hi, " * 2_000)
def test_any_text_has_a_core_that_is_no_longer_and_blank_only_if_the_text_is(text):
    core = core_text(text)
    assert len(core) <= len(text) + 1
    assert bool(core.strip()) == bool(text.strip())


@given(st.text(string.ascii_letters + " .,?", min_size=20))
def test_the_case_of_a_text_changes_what_is_taken_off_by_nothing(text):
    assert core_text(text.upper()) == core_text(text).upper()
