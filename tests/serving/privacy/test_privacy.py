"""What is left of a text that is stored, and what the patterns find of 226 snippets that were written for them."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.privacy import redacted, sanitised

SNIPPETS = [json.loads(line) for line in Path(__file__).with_name("pii.jsonl").read_text().splitlines()]
SPLIT = "~"
"""Stands within tokens in the file, so that no scanner takes them for leaked ones."""

RECALL = {
    False: {
        "EMAIL": (22, 23), "PHONE": (29, 30), "CARD": (14, 14), "IBAN": (12, 12), "SSN": (7, 7), "IP": (11, 11),
        "SECRET": (17, 18), "NAME": (0, 3), "BIRTH": (0, 1), "STREET": (0, 1), "PASSPORT": (0, 1),
    },
    True: {
        "EMAIL": (8, 10), "PHONE": (11, 13), "CARD": (5, 6), "IBAN": (5, 5), "SSN": (3, 4), "IP": (6, 6),
        "SECRET": (6, 6),
    },
}  # fmt: skip
"""(found, there are) by kind, as in docs/log.md, by whether the snippets were held out when the patterns were made."""

CHANGED = {False: (0, 42), True: (4, 20)}


@pytest.mark.parametrize("is_held_out", [False, True])
def test_recall_is_as_the_docs_say(is_held_out):
    found, there = Counter(), Counter()
    for snippet in SNIPPETS:
        if snippet.get("held_out", False) == is_held_out:
            text = redacted(snippet["text"].replace(SPLIT, ""))
            for kind, words in snippet["found"]:
                there[kind] += 1
                found[kind] += words.replace(SPLIT, "") not in text and f"[{kind}]" in text
    assert {kind: (found[kind], there[kind]) for kind in there} == RECALL[is_held_out]


@pytest.mark.parametrize("is_held_out", [False, True])
def test_texts_without_personal_data_are_changed_as_rarely_as_the_docs_say(is_held_out):
    harmless = [
        one["text"] for one in SNIPPETS if not one["found"] and one.get("held_out", False) == is_held_out
    ]  # fmt: skip
    assert (sum(redacted(text) != text for text in harmless), len(harmless)) == CHANGED[is_held_out]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to ann@example.com, or bob@example.org", "Write to [EMAIL], or [EMAIL]"),
        ("card 4111 1111 1111 1111 but not 4111 1111 1111 1112", "card [CARD] but not 4111 1111 1111 1112"),
        ("IBAN DE89 3704 0044 0532 0130 00 bei der Bank", "IBAN [IBAN] bei der Bank"),
        ("not DE89 3704 0044 0532 0130 01", "not DE89 3704 0044 0532 0130 01"),
        ("ssn 536-22-8145, and 000-22-8145", "ssn [SSN], and 000-22-8145"),
        ("from 203.0.113.9 to 127.0.0.1", "from [IP] to 127.0.0.1"),
        ("+1 212-555-0142 or 0142", "[PHONE] or 0142"),
        ('{"password": "correct horse"}', '{"password": "[SECRET]"}'),
    ],
)
def test_only_what_has_the_form_and_the_checksum_is_replaced(text, left):
    assert redacted(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x00b\x1b[31mc\td\ne\r\n", "ab[31mc\td\ne\r\n"),
        ("admin\u202egnp.exe \u2066x\u2069", "admingnp.exe x"),
        ("zero\u200bwidth\ufeff\xad", "zerowidth"),
        ("\ud800broken", "broken"),
        ("hidden \U000e0041\U000e0042 words", "hidden  words"),
        ("می\u200cخواهم 👩\u200d👩\u200d👧", "می\u200cخواهم 👩\u200d👩\u200d👧"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nhi", "[SECRET]\nhi"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "[SECRET]"),
        ("mysql://root:hunter22@db/x", "mysql://root:[SECRET]@db/x"),
    ],
)
def test_unseen_characters_and_secrets_go(text, left):
    assert sanitised(text) == left


@given(st.text(st.characters() | st.sampled_from("@:.-+1234567890abcdef \u202e\x00=\"'")))
def test_any_text_is_taken_and_nothing_unseen_is_left(text):
    once = redacted(text)
    assert sanitised(once) == sanitised(sanitised(once))
    assert not {"\x00", "\u202e"} & set(once)
    once.encode()


def test_redaction_names_the_extra_that_it_needs():
    script = (
        "import sys; sys.modules['stdnum'] = None\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "from pointsman.errors import MissingExtra\nfrom pointsman.privacy import redacted\n"
        "try:\n    redacted('x')\nexcept MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == (
        'Storing redacted text needs the extra "privacy". Install it with: pip install "pointsman[privacy]"\n'
    )
