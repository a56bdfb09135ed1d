"""What the guard refuses, on authored examples and on the measured pairs."""

import random
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.caching.guard import difference
from pointsman.caching.roots import OPPOSITES, root
from pointsman.caching.wording import wording

BENCH = Path(__file__).resolve().parents[2] / "bench" / "cache.py"


@pytest.fixture(scope="session")
def bench():
    spec = spec_from_file_location("bench_cache", BENCH)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("negations", "Which suppliers deliver on Sundays?", "Which suppliers don't deliver on Sundays?"),
        ("numbers", "Give me 10 names for a cat", "Give me 100 names for a cat"),
        ("words", "What is the capital of Australia?", "What is the capital of Austria?"),
        ("names", "Who directed Alien?", "Who directed Aliens?"),
        ("antonym", "How do I enable the firewall?", "How do I disable the firewall?"),
        ("direction", "Translate from French to English", "Translate from English to French"),
        ("direction", "Is Go faster than Rust?", "Is Rust faster than Go?"),
        ("order", "Does poverty cause crime?", "Does crime cause poverty?"),
        ("question", "When was Bach born?", "Where was Bach born?"),
        ("code", "Explain `i++`", "Explain `++i`"),
        ("identifiers", "Rename getUser everywhere", "Rename getUsers everywhere"),
        ("quotes", 'Translate "to let"', 'Translate "toilet"'),
        ("symbols", "Is a > b here?", "Is a < b here?"),
        ("persons", "What did he say to the board?", "What did she say to the board?"),
        ("question", "How do I reset my password?", "Wie setze ich mein Passwort zurück?"),
        ("persons", "What is my balance?", "What is your balance?"),
        ("is_past", "What do I do with the key?", "What did I do with the key?"),
        ("mood", "Should I pay the fine?", "Can I pay the fine?"),
        ("words", "Explain US tax law", "Explain us tax law"),
        (None, "How do I reset my password?", "What's the best way to reset my password?"),
        (None, "How can I turn on notifications?", "how do i enable notifications"),
        (None, "In Excel, how do I merge cells?", "How can I merge cells in Excel?"),
        (None, "What is the meaning of `chmod 755`?", "What does `chmod 755` mean?"),
    ],
)
def test_the_guard_says_in_what_two_questions_differ(kind, one, other):
    assert difference(one, other) == kind
    assert difference(other, one) == kind


def test_code_without_marks_must_be_the_same_to_the_letter():
    one = "What does this do?\ndef f(a):\n    return a + 1\n"
    assert difference(one, one.replace("+", "-")) == "code"
    assert wording(one) != wording(one.replace("    ", ""))


@given(st.text(max_size=200))
def test_a_text_never_differs_from_itself(text):
    assert difference(text, text) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_whether_two_texts_differ_doesnt_depend_on_which_came_first(one, other):
    assert (difference(one, other) is None) == (difference(other, one) is None)


def test_no_word_stands_for_its_opposite():
    assert [word for word, others in OPPOSITES.items() if word in others] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("policies", "policy"), ("running", "run"), ("stopped", "stop"), ("databases", "db"), ("wrote", "create")],
)
def test_words_of_one_meaning_share_a_root(one, other):
    assert root(one) == root(other)


def test_dress_is_taken_off_and_quotes_keep_their_capitals():
    assert wording("Hi,  how do I RESET it?? Thanks!") == wording("how do i reset it")
    assert wording('Translate "Polish"') != wording('Translate "polish"')


def test_false_hits_on_hard_pairs_stay_below_half_a_percent(bench):
    hard = [pair for pair in bench.pairs() if not pair.should_hit]
    passed = [pair.id for pair in hard if difference(pair.first, pair.second) is None]
    passed += [pair.id for pair in hard if wording(pair.first) == wording(pair.second)]
    assert len(hard) >= 500
    assert len(passed) <= 0.005 * len(hard), passed


def test_half_of_the_workload_is_answered_and_none_of_it_wrongly(bench, embed):
    served = bench.replayed(bench.workload(), embed)
    assert served.false_hits == []
    assert served.hit_rate >= 0.4


def test_a_sample_of_pairs_is_answered_as_measured_through_the_whole_cache(bench, embed):
    chosen = random.Random(7).sample(bench.pairs(), 120)
    hits = {pair.id for pair in chosen if bench.is_hit(pair, embed)}
    wrong = {pair.id for pair in chosen if not pair.should_hit}
    assert len(hits & wrong) <= 1
    assert len(hits - wrong) >= 0.3 * len(chosen) - 0.3 * len(wrong)
