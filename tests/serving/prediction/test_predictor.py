import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pointsman.errors import BundleError
from pointsman.prediction import FEATURE_NAMES, Predictor, measured_table
from pointsman.prediction.bundle import FileDigest
from pointsman.prediction.encoder import encoder_feeds, pooling_of
from pointsman.prediction.features import text_counts
from pointsman.prediction.lifting import shared_tables
from pointsman.prediction.predictor import opened
from pointsman.prediction.wording import core_text
from pointsman.types import TASK_TYPES

TASKS = Path(__file__).parents[3] / "datasets" / "tasks"
DEPTHS = ("fast", "deep")
PARTS = ("demand", "length", "type", "complexity", "novelty")
HARD_TEXTS = ["", " ", "\x00", "\ud800", "🦊" * 5_000, "漢" * 9_000, "a" * 1_000_000, "(" * 10_000, "1 " * 10_000]


@pytest.fixture(scope="module")
def texts():
    lines = [line for path in sorted(TASKS.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    chosen = [json.loads(line)["text"] for line in lines[:: len(lines) // 200][:200]]
    assert len(chosen) == 200
    return chosen


@pytest.fixture(scope="module")
def predictor(real):
    return Predictor(real)


@pytest.fixture(scope="module")
def one_by_one(predictor, texts):
    return {depth: [predictor.read([text], depth) for text in texts] for depth in DEPTHS}


def stacked(readings, part):
    return np.concatenate([getattr(reading, part) for reading in readings])


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_batch_equals_its_tasks_one_by_one(predictor, texts, one_by_one, depth):
    together = predictor.read(texts, depth)
    assert together.depth == depth
    for part in PARTS:
        assert np.abs(getattr(together, part) - stacked(one_by_one[depth], part)).max() <= 1e-6, part
    assert together.type.argmax(axis=1).tolist() == stacked(one_by_one[depth], "type").argmax(axis=1).tolist()


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_qualities_of_a_batch_choose_as_those_one_by_one(real, predictor, texts, one_by_one, depth):
    table = measured_table(real.manifest)
    together = table.quality(predictor.read(texts, depth))
    alone = np.concatenate([table.quality(reading) for reading in one_by_one[depth]])
    assert np.abs(together - alone).max() <= 1e-6
    assert together.argmax(axis=1).tolist() == alone.argmax(axis=1).tolist()


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_order_of_a_batch_does_not_matter(predictor, texts, depth):
    forwards, backwards = predictor.read(texts[:40], depth), predictor.read(texts[:40][::-1], depth)
    for part in PARTS:
        assert np.abs(getattr(forwards, part) - getattr(backwards, part)[::-1]).max() <= 1e-6, part


@pytest.mark.parametrize("depth", DEPTHS)
def test_eight_threads_read_what_one_reads(real, texts, one_by_one, depth):
    predictor = Predictor(real)
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(lambda text: predictor.read([text], depth), texts))
    for part in PARTS:
        assert np.array_equal(stacked(readings, part), stacked(one_by_one[depth], part)), part


@pytest.mark.parametrize("depth", DEPTHS)
def test_probabilities_of_complexity_add_up_to_one(one_by_one, depth):
    probabilities = stacked(one_by_one[depth], "complexity")
    assert (probabilities >= 0).all()
    assert np.abs(probabilities.sum(axis=1) - 1).max() <= 1e-5


@pytest.mark.parametrize("depth", DEPTHS)
def test_novelty_is_a_share_that_differs_between_texts(one_by_one, depth):
    novelty = stacked(one_by_one[depth], "novelty")
    assert ((novelty >= 0) & (novelty <= 1)).all()
    assert novelty.std() > 0.01


def test_the_depths_differ(one_by_one):
    assert np.abs(stacked(one_by_one["fast"], "demand") - stacked(one_by_one["deep"], "demand")).max() > 0.01


@pytest.mark.parametrize("depth", DEPTHS)
def test_any_text_is_read_as_finite_numbers_of_the_layouts_widths(real, predictor, depth):
    reading, layout = predictor.read(HARD_TEXTS, depth), real.manifest.layout
    widths = {"demand": layout.demand, "length": layout.length, "type": len(TASK_TYPES), "complexity": 3}
    for part, width in widths.items():
        values = getattr(reading, part)
        assert (values.shape, values.dtype) == ((len(HARD_TEXTS), width), np.float32)
        assert np.isfinite(values).all()
    assert reading.novelty.shape == (len(HARD_TEXTS),)


@pytest.mark.parametrize("depth", DEPTHS)
def test_no_texts_give_no_rows(real, predictor, depth):
    reading = predictor.read([], depth)
    assert reading.demand.shape == (0, real.manifest.layout.demand)
    assert reading.novelty.shape == (0,)
    assert measured_table(real.manifest).quality(reading).shape == (0, len(real.manifest.abilities))


def test_a_batch_of_more_than_one_run_equals_its_runs(predictor, texts):
    many = (texts * 3)[:520]
    together, alone = predictor.read(many, "fast"), predictor.read(texts, "fast")
    assert np.abs(together.demand[400:520] - alone.demand[:120]).max() <= 1e-6
    assert together.demand.shape[0] == 520


@pytest.mark.parametrize("depth", DEPTHS)
def test_each_depth_reads_what_the_whole_graph_says(real, predictor, texts, depth):
    whole = opened(real.graph)
    for text in texts[:20]:
        ids = np.array([predictor._encoder.token_ids(core_text(text))], dtype=np.int64)
        feeds = encoder_feeds(ids, pooling_of(ids)) | {"is_deep": np.array(depth == "deep")}
        feeds["counts"] = text_counts(core_text(text))[np.newaxis]
        (rows,) = whole.run(["rows"], feeds)
        read = predictor.read([text], depth)
        assert np.array_equal(read.demand, rows[:, : real.manifest.layout.demand])


def test_the_token_table_is_in_memory_once(real, predictor):
    (table,) = shared_tables(real.graph).values()
    assert table.shape[1] == real.manifest.encoder.dimensions
    assert [value.shape() for value in predictor._shared.values()] == [list(table.shape)]


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_graph_reads_as_many_counts_as_there_are_names(predictor, depth):
    shapes = {node.name: node.shape for node in predictor._sessions[depth].get_inputs()}
    assert shapes["counts"][1] == len(FEATURE_NAMES)


def test_a_graph_that_is_none_is_refused(real, tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"x")
    files = real.manifest.files | {"graph.onnx": FileDigest(hashlib.sha256(b"x").hexdigest(), 1)}
    manifest = msgspec.structs.replace(real.manifest, files=files)
    with pytest.raises(BundleError, match=r"^graph\.onnx is cut short inside a number\.$"):
        Predictor(msgspec.structs.replace(real, path=tmp_path, manifest=manifest))


def test_a_graph_that_was_replaced_after_the_bundle_was_read_is_refused(real, tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"x")
    with pytest.raises(BundleError) as refusal:
        Predictor(msgspec.structs.replace(real, path=tmp_path))
    assert refusal.value.message == (
        f"{tmp_path / 'graph.onnx'} doesn't match its digest in the manifest: it was altered or damaged."
    )
