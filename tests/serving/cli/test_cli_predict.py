import pytest

from pointsman.prediction import Predictor, read_bundle
from pointsman.predictions import PredictItem, prediction_records
from pointsman.types import COMPLEXITIES, TASK_TYPES

LINES = [
    {"id": "a", "text": "Fix the login bug", "type": "debugging"},
    {"id": "b", "text": "Write a haiku about autumn rain", "language": "en"},
    {"id": "c", "text": "证明根号二是无理数", "type": None},
]


@pytest.fixture
def predict(pointsman, bundle_dir, tmp_path):
    def run(source, *words, output=tmp_path / "predictions.jsonl", **options):
        return pointsman("predict", "--input", source, "--output", output, "--bundle", bundle_dir, *words, **options)

    return run


@pytest.fixture
def output(tmp_path):
    return tmp_path / "predictions.jsonl"


def test_a_prediction_has_exactly_the_agreed_fields(predict, jsonl, output, read_jsonl, bundle_dir):
    code, out, err = predict(jsonl(*LINES))
    assert (code, out, err) == (0, f"{output}: 3 predictions.\n", "")
    records = read_jsonl(output)
    models = set(read_bundle(bundle_dir).manifest.abilities)
    assert [record["id"] for record in records] == ["a", "b", "c"]
    for record in records:
        assert list(record) == ["id", "complexity", "type", "quality", "output_tokens", "confidence", "novelty"]
        assert list(record["complexity"]) == ["label", "probabilities"]
        assert list(record["complexity"]["probabilities"]) == list(COMPLEXITIES)
        assert sum(record["complexity"]["probabilities"].values()) == pytest.approx(1, abs=2e-6)
        assert record["type"] in TASK_TYPES
        assert set(record["quality"]) == set(record["output_tokens"]) == models
        assert all(0 < quality < 1 for quality in record["quality"].values())
        assert all(isinstance(count, int) and count >= 1 for count in record["output_tokens"].values())
    assert records[0]["type"] == "debugging"


@pytest.mark.parametrize("profile", ["auto", "fast", "deep"])
def test_lines_are_the_records_of_the_library(predict, jsonl, output, bundle_dir, profile):
    import msgspec

    predict(jsonl(*LINES), "--models", "gpt-4o,gpt-4o-mini", "--profile", profile)
    bundle = read_bundle(bundle_dir)
    items = [PredictItem(line["id"], line["text"], line.get("type")) for line in LINES]
    records = prediction_records(bundle, Predictor(bundle), items, models=["gpt-4o", "gpt-4o-mini"], profile=profile)
    assert output.read_bytes() == b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def test_chunks_change_nothing(predict, jsonl, output, read_jsonl, monkeypatch):
    source = jsonl(*LINES)
    predict(source, "--models", "gpt-4o")
    whole = read_jsonl(output)
    monkeypatch.setattr("pointsman.cli.progress.CHUNK", 2)
    predict(source, "--models", "gpt-4o")
    assert [record["id"] for record in read_jsonl(output)] == ["a", "b", "c"]
    for record, expected in zip(read_jsonl(output), whole, strict=True):
        assert record["quality"] == pytest.approx(expected["quality"], abs=2e-6)


def test_dashes_are_standard_input_and_output(predict, jsonl, output):
    source = jsonl(*LINES)
    predict(source)
    assert predict("-", output="-", stdin=source.read_bytes()) == (0, output.read_text(), "")


GOOD = b'{"id": "good", "text": "Fix it"}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "Input data was truncated; expected one JSON object per line."),
        (b"3", "The JSON is 3; expected an object"),
        (b'{"text": "x"}', "id is missing; expected id and text"),
        (b'{"id": "x"}', "text is missing; expected id and text"),
        (b'{"id": 7.5, "text": "x"}', "id is 7.5; expected a text"),
        (b'{"id": "x", "text": ["x"]}', 'text is ["x"]; expected a text'),
        (b'{"id": "x", "text": " \\n"}', "text is empty; expected the text of the task.\n"),
        (b'{"id": "x", "text": "x", "type": "poetry"}', "type is 'poetry'; expected one of code_generation, "),
        (b'{"id": "good", "text": "x"}', "id 'good' stands already on {path}, line 1; ids must differ.\n"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(predict, jsonl, tmp_path, line, message):
    source = jsonl(GOOD, line)
    code, out, err = predict(source)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {source}, line 2: " + message.replace("{path}", str(source)))
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [source]


def test_a_text_of_more_than_ten_million_characters_is_refused(predict, jsonl):
    source = jsonl({"id": "x", "text": "a" * 10_000_001})
    message = f"error: {source}, line 1: text has 10,000,001 characters; expected at most 10,000,000.\n"
    assert predict(source) == (2, "", message)


def test_a_model_without_outcomes_is_refused_and_nothing_is_written(predict, jsonl, tmp_path):
    source = jsonl(GOOD)
    code, out, err = predict(source, "--models", "gpt-4o,gpt-99")
    assert (code, out) == (2, "")
    assert err.startswith("error: The bundle has no outcomes for 'gpt-99'; it knows ")
    assert list(tmp_path.iterdir()) == [source]
