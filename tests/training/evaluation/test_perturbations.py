import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_training.evaluation.perturbations import (
    PERTURBATIONS,
    TYPO_RATE,
    first_letter_lower,
    first_letters,
    lower_case,
    perturbed,
    respelled,
    spaced,
    typos,
    upper_case,
    without_last_mark,
    wrapped,
)

TEXT = "Why does the colour parser fail? Write a fix, and LABELLED tests."


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        (lower_case, TEXT, "why does the colour parser fail? write a fix, and labelled tests."),
        (upper_case, TEXT, "WHY DOES THE COLOUR PARSER FAIL? WRITE A FIX, AND LABELLED TESTS."),
        (first_letters, TEXT, "Why Does The Colour Parser Fail? Write A Fix, And LABELLED Tests."),
        (first_letter_lower, TEXT, "why does the colour parser fail? Write a fix, and LABELLED tests."),
        (without_last_mark, TEXT, "Why does the colour parser fail? Write a fix, and LABELLED tests"),
        (without_last_mark, "???", "???"),
        (respelled, TEXT, "Why does the color parser fail? Write a fix, and LABELED tests."),
        (respelled, "Optimize the modeling; don't summarise.", "Optimise the modelling; don't summarize."),
    ],
)
def test_what_needs_no_chance_changes_exactly_what_it_names(change, text, expected, rng):
    assert change(text, rng) == expected


def test_typos_slip_on_one_letter_in_fifty_and_on_nothing_but_letters(rng):
    text = "q" * 40_000 + "1234567890 .,;" * 100
    typed = typos(text, rng)
    assert typed.endswith("1234567890 .,;" * 100)
    rewritten = sum(typed.count(letter) for letter in "was")
    assert rewritten / 40_000 == pytest.approx(TYPO_RATE / 4, rel=0.2)
    assert set(typed) - set(text) == {"w", "a", "s"}


def test_a_typo_keeps_case_and_every_kind_of_slip_occurs():
    typed = {typos("Sum", np.random.default_rng(seed)) for seed in range(4_000)}
    assert {"Dum", "um", "SSum", "uSm", "Sum"} <= typed


@given(text=st.text(min_size=1).filter(str.strip), seed=st.integers(0, 2**32 - 1))
def test_a_perturbed_text_is_still_a_task_and_is_drawn_from_text_and_seed_alone(text, seed):
    for perturbation in PERTURBATIONS:
        changed = perturbation.change(text, np.random.default_rng(seed))
        assert changed.strip()
        assert changed == perturbation.change(text, np.random.default_rng(seed))


@given(text=st.text(min_size=1).filter(str.strip), seed=st.integers(0, 2**32 - 1))
def test_frames_padding_and_white_space_keep_the_words(text, seed):
    for perturbation in PERTURBATIONS:
        changed = perturbation.change(text, np.random.default_rng(seed))
        if perturbation.kind in ("paraphrase frame", "padding") or perturbation.name == "markdown":
            assert text in changed
    assert spaced(text, np.random.default_rng(seed)).split() == text.split()
    assert wrapped(text, np.random.default_rng(seed)).split() == text.split()


@given(text=st.text())
def test_respelling_twice_gives_the_text_back(text):
    rng = np.random.default_rng(0)
    assert respelled(respelled(TEXT, rng), rng) == TEXT
    assert respelled(text, rng).split() == text.split() or respelled(respelled(text, rng), rng) == text


def test_a_text_is_perturbed_the_same_way_whatever_its_neighbours():
    for perturbation in PERTURBATIONS:
        assert perturbed((TEXT, "Sort a list."), perturbation, 3)[0] == perturbed((TEXT,), perturbation, 3)[0]
    names = [perturbation.name for perturbation in PERTURBATIONS]
    assert len(set(names)) == len(names)
