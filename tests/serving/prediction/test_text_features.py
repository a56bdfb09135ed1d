import hashlib
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.prediction import FEATURE_NAMES, FEATURE_VERSION, text_counts, text_counts_of
from pointsman.prediction.features import WINDOW
from pointsman.prediction.vocabulary import WORD_CLASSES

DEFINITION_BY_VERSION = {2: "0d813a6d3bc33f789dc728d89a009045047bb5c3716aef8b818cf134cbe9683a"}
"""Digest of names, their order, and the words of each class: what a bundle was trained on."""

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
SHARES = ("digit_share", "symbol_share", "non_ascii_share", "ends_with_question")
BYTE_FEATURES = FEATURE_NAMES[FEATURE_NAMES.index("digits") : FEATURE_NAMES.index("numbers_1_digit")]
HUGE_TEXTS = {
    "letters": "a" * 10_000_000,
    "lines": "\n" * 10_000_000,
    "brackets": "(" * 10_000_000,
    "digits": "1," * 5_000_000,
    "spaces and tabs": " \t" * 5_000_000,
    "astral": "🦊" * 10_000_000,
    "surrogates": "\ud800" * 10_000_000,
    "words": "why prove it? " * 700_000,
}
SCRIPTS = {
    "Latin": "Übersetze den Satz",
    "Greek": "Γράψε μια συνάρτηση",
    "Cyrillic": "Исправь ошибку входа",
    "Hebrew": "תקן את הבאג",
    "Arabic": "أصلح خطأ تسجيل الدخول",
    "Devanagari": "लॉगिन बग ठीक करें",
    "Thai": "แก้ไขบั๊ก",
    "Han": "修复登录错误",
    "Kana": "ログインのバグを直して",
    "Hangul": "로그인 버그를 고쳐줘",
    "Georgian": "გაასწორე შეცდომა",
    "Ethiopic": "ስህተቱን አስተካክል",
    "Emoji": "🐛🔧👩‍💻",
    "Gothic": "𐌲𐌿𐍄",
}


def counts_by_name(text):
    return dict(zip(FEATURE_NAMES, text_counts(text).tolist(), strict=True))


def digest_of(counts):
    return hashlib.sha256(",".join(f"{count:.4f}" for count in counts.tolist()).encode()).hexdigest()


def assert_lawful(counts):
    assert counts.shape == (len(FEATURE_NAMES),)
    assert counts.dtype == np.float32
    assert np.isfinite(counts).all()
    assert (counts >= 0).all()


def test_a_change_of_names_order_or_words_raises_the_feature_version():
    definition = "\n".join([*FEATURE_NAMES, *(f"{name}: {words}" for name, words in WORD_CLASSES.items())])
    assert DEFINITION_BY_VERSION[FEATURE_VERSION] == hashlib.sha256(definition.encode()).hexdigest()


def test_the_counts_of_a_text_stay_what_they_were_under_this_feature_version():
    text = 'Why does `f(x[0])` fail? 1. Fix 3.14 of 12,345 "lines"\n\n- prove \\sum ≤ ПриветA 漢字 🦊\n\tdef\x01 _ end?'
    assert digest_of(text_counts(text)) == "5b9a26f4ade6f3caa6374c4b7ac62002c8fef53f8297c04f1c4d95d07fec3182"


def test_names_are_distinct_words():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in FEATURE_NAMES)


def test_every_word_stands_in_one_class_only():
    words = [word for members in WORD_CLASSES.values() for word in members.split()]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_every_word_of_every_class_is_counted_in_its_class():
    for name, members in WORD_CLASSES.items():
        for word in members.split():
            counts = counts_by_name(f"zzz {word} zzz")
            found = {feature for feature, count in counts.items() if feature.startswith("words_") and count}
            assert found - {"words_per_sentence"} == {f"words_{name}"}, word


@given(ANY_TEXT)
@example("")
@example("\x00\x01\x7f\ud800\udfff\uffff\U0010ffff")
@example("²³¼ ٣٫١٤ ௧ Ⅷ 1.,.,. .5 \\ \\\\frac")
@example("İıſK")
def test_any_text_gives_finite_counts_of_the_right_width_that_are_the_same_every_time(text):
    counts = text_counts(text)
    assert_lawful(counts)
    assert np.array_equal(counts, text_counts(text))
    assert all(0 <= counts_by_name(text)[name] <= 1 for name in SHARES)


@given(st.lists(ANY_TEXT, max_size=5))
def test_the_counts_of_many_texts_are_those_of_each(texts):
    together = text_counts_of(texts)
    assert together.shape == (len(texts), len(FEATURE_NAMES))
    assert all(np.array_equal(row, text_counts(text)) for row, text in zip(together, texts, strict=True))


@given(st.lists(ANY_TEXT, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_words_changes_no_byte_count(words, random):
    before = counts_by_name(" ".join(words))
    random.shuffle(words)
    after = counts_by_name(" ".join(words))
    assert {name: before[name] for name in BYTE_FEATURES} == {name: after[name] for name in BYTE_FEATURES}


@given(ANY_TEXT, ANY_TEXT)
def test_a_longer_text_never_has_fewer_bytes_of_a_class(text, more):
    before, after = counts_by_name(text), counts_by_name(f"{text} {more}")
    assert all(after[name] >= before[name] for name in BYTE_FEATURES)


@pytest.mark.parametrize("text", HUGE_TEXTS.values(), ids=HUGE_TEXTS)
def test_ten_megabytes_are_counted(text):
    assert_lawful(text_counts(text))


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_is_counted(text):
    counts = counts_by_name(text)
    assert_lawful(text_counts(text))
    assert counts["words"] > 0 or all(unicodedata.category(character)[0] != "L" for character in text)
    assert counts["characters"] == pytest.approx(np.log1p(len(text)))


def test_every_control_character_is_counted_as_one():
    controls = [chr(code) for code in (*range(9), *range(14, 32), 127)]
    for control in controls:
        assert counts_by_name(f"a{control}b")["control_characters"] == pytest.approx(np.log1p(1))


def test_only_the_window_at_both_ends_is_read():
    head, tail = "prove " * 666 + "abcd", "fix it " * 571 + "end"
    assert (len(head), len(tail)) == (WINDOW, WINDOW)
    one, other = (text_counts(head + middle * 5_000 + tail) for middle in ("why? ", "{\n\ud800 "))
    assert not np.array_equal(one, other)
    same_length = [text_counts(head + middle + tail) for middle in ("x" * 9_000, "?(\n" * 3_000, "漢" * 9_000)]
    assert np.array_equal(same_length[0], same_length[1])
    assert np.array_equal(same_length[0], same_length[2])


def test_the_true_length_of_a_text_counts_beyond_the_window():
    lengths = (2 * WINDOW, 2 * WINDOW + 1, 100_000, 1_000_000)
    counted = [counts_by_name("a" * length)["characters"] for length in lengths]
    assert counted == pytest.approx(np.log1p(lengths))


@pytest.mark.parametrize(
    ("text", "feature", "count"),
    [
        ("one two two", "words", 3),
        ("one two two", "distinct_words", 2),
        ("7 42 365 1,984 123456 3.14 2.", "numbers_1_digit", 2),
        ("7 42 365 1,984 123456 3.14 2.", "numbers_2_digits", 1),
        ("7 42 365 1,984 123456 3.14 2.", "numbers_3_digits", 1),
        ("7 42 365 1,984 123456 3.14 2.", "numbers_4_digits", 1),
        ("7 42 365 1,984 123456 3.14 2.", "numbers_long", 1),
        ("7 42 365 1,984 123456 3.14 2.", "decimals", 1),
        ("f([{()}]) (x)", "nesting_depth", 4),
        (")))", "nesting_depth", 0),
        ("- a\n* b\n 1. c\n2) d\n-e", "list_items", 4),
        ("Which?\nA. x\nB. y\nC. z", "answer_options", 3),
        ("```py\nx\n```", "code_fences", 2),
        ("a\nabcd\nab", "longest_line", 4),
        ("  a\n    b\nc", "indented_lines", 2),
        ("Привет", "utf8_cyrillic", 6),
        ("漢字かな한", "utf8_east_asian", 5),
        ("🦊🦊", "utf8_astral", 2),
        ("\\frac{1}{2} \\int x", "words_latex_heavy", 1),
    ],
)
def test_a_count_is_what_its_name_says_on_a_log_scale(text, feature, count):
    assert counts_by_name(text)[feature] == pytest.approx(np.log1p(count))


@pytest.mark.parametrize(
    ("text", "feature", "value"),
    [
        ("abc 123", "digit_share", 3 / 7),
        ("a+b=", "symbol_share", 0.5),
        ("aé", "non_ascii_share", 2 / 3),
        ("ab abcd", "word_length", 3),
        ("what?", "ends_with_question", 1),
        ("何?", "ends_with_question", 1),
        ("what?!", "ends_with_question", 0),
    ],
)
def test_a_share_is_what_its_name_says(text, feature, value):
    assert counts_by_name(text)[feature] == pytest.approx(value)
