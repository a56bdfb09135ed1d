import json
import statistics
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pointsman.prediction import FEATURE_VERSION
from pointsman.types import COMPLEXITIES, TASK_TYPES
from pointsman_training.evaluation.translations import read_translations
from pointsman_training.outcomes import read_outcomes
from pointsman_training.prices import read_prices
from pointsman_training.tables import ROW_COLUMNS
from pointsman_training.tasks import read_tasks

DATASETS = Path(__file__).parents[2] / "datasets"
FIELDS = {"id", "text", "type", "complexity", "language"}


def lines_of(folder):
    return {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in folder.glob("*.jsonl")}


@pytest.fixture(scope="module")
def training():
    return lines_of(DATASETS / "tasks")


@pytest.fixture(scope="module")
def held_out():
    return lines_of(DATASETS / "tasks" / "held-out")


def test_every_line_is_a_whole_task_in_the_file_of_its_type(training, held_out):
    assert set(training) == {f"{name}.jsonl" for name in TASK_TYPES}
    for name, tasks in (*training.items(), *held_out.items()):
        for task in tasks:
            assert set(task) == FIELDS
            assert all(isinstance(value, str) and value.strip() for value in task.values())
            assert task["complexity"] in COMPLEXITIES and task["type"] in TASK_TYPES
            assert name == "tasks.jsonl" or name == f"{task['type']}.jsonl"


def test_there_are_more_than_five_thousand_tasks_and_training_reads_them():
    assert len(read_tasks([DATASETS / "tasks"])) > 5_000
    assert len(read_tasks([DATASETS / "tasks" / "held-out"])) == 300


def test_ids_and_texts_are_unique_over_all_files_and_held_out_tasks_share_none(training, held_out):
    tasks = [task for files in (training, held_out) for group in files.values() for task in group]
    assert [name for name, times in Counter(task["id"] for task in tasks).items() if times > 1] == []
    normalised = Counter(" ".join(task["text"].casefold().split()) for task in tasks)
    assert [text for text, times in normalised.items() if times > 1] == []


def test_labels_are_balanced_within_every_type(training):
    for name, tasks in training.items():
        counts = Counter(task["complexity"] for task in tasks)
        assert all(abs(counts[label] / (len(tasks) / 3) - 1) <= 0.05 for label in COMPLEXITIES), (name, counts)


def test_length_does_not_give_the_label_away(training):
    words = {label: [] for label in COMPLEXITIES}
    for task in (task for tasks in training.values() for task in tasks):
        words[task["complexity"]].append(len(task["text"].split()))
    medians = [statistics.median(counts) for counts in words.values()]
    assert max(medians) <= 1.3 * min(medians)


def test_many_languages_occur_in_every_label(training):
    by_label = {label: set() for label in COMPLEXITIES}
    for task in (task for tasks in training.values() for task in tasks):
        by_label[task["complexity"]].add(task["language"])
    assert all(len(languages) >= 15 for languages in by_label.values())


def test_the_record_of_agreement_agrees_with_the_files_and_with_itself(training, held_out):
    record = json.loads((DATASETS / "tasks" / "agreement.json").read_text())
    pairs = Counter(record["first_to_second"])
    agreed = sum(times for pair, times in pairs.items() if len(set(pair.split("->"))) == 1)
    assert record["tasks_written"] == pairs.total()
    assert record["removed_disagreements"] == pairs.total() - agreed
    assert record["agreement"] == pytest.approx(agreed / pairs.total(), abs=5e-5)
    removed = record["removed_disagreements"] + record["removed_near_duplicates"]
    assert record["tasks_kept"] == record["tasks_written"] - removed == sum(map(len, training.values()))
    of_held_out = record["held_out"]
    assert of_held_out["tasks_kept"] == of_held_out["tasks_written"] - of_held_out["removed_twins_of_training_tasks"]
    assert of_held_out["tasks_kept"] == sum(map(len, held_out.values()))
    assert f"{record['agreement']:.1%}".replace("%", " %") in (DATASETS / "tasks" / "RUBRIC.md").read_text()


def test_public_rows_hold_no_text_and_stay_small():
    files = sorted((DATASETS / "public").iterdir())
    assert sum(path.stat().st_size for path in files) < 30e6
    for path in files:
        schema = pq.read_schema(path)
        assert tuple(sorted(schema.names)) == tuple(sorted(ROW_COLUMNS))
        assert schema.metadata[b"feature_version"] == str(FEATURE_VERSION).encode()


def test_public_rows_can_be_read_and_hold_half_a_million_outcomes():
    outcomes = read_outcomes([DATASETS / "public"])
    assert (outcomes.scores == outcomes.scores).sum() > 500_000
    shared = set(outcomes.groups[outcomes.splits == "train"]) & set(outcomes.groups[outcomes.splits == "dev"])
    assert shared == set()


def test_no_public_prompt_has_an_id_that_gives_its_text_away():
    for path in (DATASETS / "public").iterdir():
        ids = pq.read_table(path, columns=["prompt_id"]).column(0).to_pylist()
        assert max(map(len, ids)) < 80 and not any(" " in name for name in ids)


def test_prices_can_be_read_and_name_their_origin():
    assert len(read_prices(DATASETS / "prices.csv")) >= 40
    header, *lines = (DATASETS / "prices.csv").read_text().splitlines()
    assert header == "model,input_usd_per_mtok,output_usd_per_mtok,source_of_price"
    assert all(line.endswith(",,,") or line.split(",", 3)[3] for line in lines)


def test_the_readme_names_every_source_file_with_its_licence():
    readme = (DATASETS / "README.md").read_text()
    for path in (DATASETS / "public").iterdir():
        row = next(line for line in readme.splitlines() if line.startswith(f"| {path.stem} |") and "/" in line)
        assert any(licence in row for licence in ("Apache-2.0", "MIT", "CC BY 4.0"))
    assert "prices.csv" in readme and "agreement.json" in readme and "held-out" in readme


def test_every_translation_is_of_a_held_out_task_and_every_language_has_the_same_ones(held_out):
    ids = {task["id"] for tasks in held_out.values() for task in tasks}
    translations = read_translations([DATASETS / "translations.jsonl"])
    assert set(translations) == {"de", "fr", "es"}
    assert all(set(by_id) == set(translations["de"]) <= ids for by_id in translations.values())
    texts = [text for by_id in translations.values() for text in by_id.values()]
    assert len(texts) == len(set(texts)) == 120
