import json
from collections import Counter
from pathlib import Path

import pytest

from pointsman_training.evaluation.languages import ENGLISH, OTHER, UNSURE, language_of

TASKS = Path(__file__).parents[3] / "datasets" / "tasks"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", ENGLISH),
        ("Wie heißt die Hauptstadt von Frankreich?", OTHER),
        ("¿Cuál es la capital de Francia?", OTHER),
        ("フランスの首都はどこですか", OTHER),
        ("Explain to me what the word 自由 means in this poem", ENGLISH),
        ("Bubble sort", UNSURE),
        ("x = y + 1", UNSURE),
        ("", UNSURE),
    ],
)
def test_script_and_stop_words_tell_english_from_the_rest(text, language):
    assert language_of(text) == language


def test_what_is_called_english_is_english_and_what_is_called_foreign_mostly_is_not():
    lines = [
        json.loads(line) for path in TASKS.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()
    ]
    found = Counter((line["language"] == "en", language_of(line["text"])) for line in lines)
    assert found[True, ENGLISH] / (found[True, ENGLISH] + found[False, ENGLISH]) > 0.99
    assert found[False, OTHER] / (found[False, OTHER] + found[True, OTHER]) > 0.95
    assert found[False, OTHER] / sum(count for (english, _), count in found.items() if not english) > 0.95
