import pytest

from pointsman.errors import NoEligibleModel
from pointsman.money import format_usd
from pointsman.registry import load_fleet
from pointsman.task_json import task_from_dict

TASKS = [
    {"id": "a", "text": "Fix the login bug", "type": "debugging", "budget_usd": 0.5},
    {"description": "Write a haiku about autumn rain", "tags": {"team": "search"}},
    {"id": "c", "text": "Prove that every finite group of order 35 is cyclic", "constraints": {"min_quality": 0.1}},
    {"id": "d", "text": "Übersetze das ins Englische: Der Hund schläft.", "constraints": {"models": ["gpt-4o"]}},
]
TOO_DEAR = {"id": "dear", "text": "Fix the login bug", "budget_usd": 0.000000001}


@pytest.fixture
def batch(pointsman, bundle_dir, tmp_path):
    def run(source, *words, output=tmp_path / "decisions.jsonl", **options):
        return pointsman("batch", source, "--output", output, "--bundle", bundle_dir, *words, **options)

    return run


@pytest.fixture
def output(tmp_path):
    return tmp_path / "decisions.jsonl"


def approx(data):
    """Compare numbers to 1e-5: a batch sums in another order than a single task does."""
    if isinstance(data, dict):
        return {key: approx(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [approx(value) for value in data]
    return pytest.approx(data, rel=1e-5, abs=1e-5) if isinstance(data, float) else data


def test_batch_equals_route_one_by_one(batch, jsonl, output, read_jsonl, router):
    code, _, err = batch(jsonl(*TASKS))
    assert (code, err) == (0, "")
    assert read_jsonl(output) == [approx(router.route(task_from_dict(task)).to_dict()) for task in TASKS]


def test_chunks_change_nothing(batch, jsonl, output, read_jsonl, monkeypatch):
    source = jsonl(*TASKS)
    batch(source)
    whole = read_jsonl(output)
    monkeypatch.setattr("pointsman.cli.progress.CHUNK", 3)
    assert batch(source).code == 0
    assert read_jsonl(output) == approx(whole)


def test_a_refused_task_becomes_a_line_and_does_not_lose_the_others(batch, jsonl, output, read_jsonl, router):
    code, out, err = batch(jsonl(TASKS[0], TOO_DEAR, TASKS[1]))
    refusal = router.try_route_many([task_from_dict(TOO_DEAR)])[0]
    assert isinstance(refusal, NoEligibleModel)
    first, refused, last = read_jsonl(output)
    assert refused == {"task_id": "dear", "error": {"code": "budget_too_small", "message": refusal.message}}
    assert (first["task_id"], last["task_id"]) == ("a", None)
    assert code == 1
    assert err == "1 of 3 tasks were refused (1 budget_too_small); their lines say why.\n"
    assert "3 (1 refused)" in out


def test_the_summary_counts_tasks_models_cost_and_saving(batch, jsonl, output, read_jsonl):
    out = batch(jsonl(*TASKS)).out
    decisions = read_jsonl(output)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "tasks 4 (0 refused)"
    chosen = [decision["model"] for decision in decisions]
    assert sorted(lines[1:-2]) == sorted(f"{chosen.count(model)} {model}" for model in set(chosen))
    cost, saving = (sum(decision[key] for decision in decisions) for key in ("cost_nanousd", "saving_nanousd"))
    assert lines[-2] == f"cost {format_usd(cost)}"
    assert lines[-1] == f"saving {format_usd(saving)} ({saving / (cost + saving):.1%} against gpt-4o)"


def test_fleet_profile_and_strategy_reach_the_decisions(batch, jsonl, output, read_jsonl):
    batch(jsonl(TASKS[0]), "--fleet", "seeds", "--profile", "fast", "--strategy", "weighted")
    [decision] = read_jsonl(output)
    assert (decision["profile"], decision["strategy"]) == ("fast", "weighted")
    assert {candidate["model"] for candidate in decision["candidates"]} <= set(load_fleet("seeds").ids)


def test_dashes_are_standard_input_and_output(batch, jsonl, read_jsonl, output):
    source = jsonl(*TASKS)
    batch(source)
    code, out, err = batch("-", output="-", stdin=source.read_bytes())
    assert code == 0
    assert out == output.read_text()
    assert err.startswith("tasks")


def test_blank_lines_a_byte_order_mark_and_crlf_are_no_matter(batch, jsonl, output, read_jsonl):
    source = jsonl(b"\xef\xbb\xbf" + b'{"text": "Fix it"}\r', b"", b"  \r", b'{"text": "Write a haiku"}\r')
    assert batch(source).code == 0
    assert len(read_jsonl(output)) == 2


def test_a_former_output_is_replaced_and_keeps_its_mode(batch, jsonl, output, read_jsonl):
    output.write_text("former")
    output.chmod(0o640)
    assert batch(jsonl(*TASKS)).code == 0
    assert len(read_jsonl(output)) == len(TASKS)
    assert output.stat().st_mode & 0o777 == 0o640


def test_who_reads_a_former_output_never_sees_half_of_the_next(batch, jsonl, output):
    output.write_text("former")
    with output.open() as reader:
        assert batch(jsonl(*TASKS)).code == 0
        assert reader.read() == "former"


def test_a_link_stays_a_link(batch, jsonl, output, tmp_path):
    target = tmp_path / "target.jsonl"
    output.symlink_to(target)
    assert batch(jsonl(*TASKS)).code == 0
    assert output.is_symlink()
    assert len(target.read_text().splitlines()) == len(TASKS)


def test_a_device_is_written_to_and_not_replaced(batch, jsonl):
    assert batch(jsonl(*TASKS), output="/dev/null").code == 0
    with open("/dev/null", "rb") as device:
        assert device.read() == b""


GOOD = b'{"text": "Fix it"}'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([GOOD] * 16 + [b'{"text": '], "{path}, line 17: Input data was truncated; expected one JSON object per line."),
        ([GOOD, b"{'text': 1}"], "{path}, line 2: JSON is malformed: "),
        ([GOOD, b'{"text": "a", "budget_usd": NaN}'], "{path}, line 2: JSON is malformed: invalid character"),
        ([b'{"text": "\xff"}'], "{path}, line 1: byte 11 isn't UTF-8; save the file as UTF-8."),
        ([GOOD, b"", b"[" * 100_000], "{path}, line 3: nested too deeply; expected one JSON object per line."),
        ([b"", b" "], "{path} is empty; expected one JSON object per line."),
        ([GOOD, b"[]"], "{path}, line 2: The JSON is []; expected an object"),
        ([GOOD, b'{"text": " "}'], "{path}, line 2: "),
        ([b'{"text": "a", "type": "poetry"}'], "{path}, line 1: type is 'poetry'; expected one of code_generation, "),
        ([b'{"text": "a", "budget_usd": -1}'], "{path}, line 1: budget_usd is -1 USD; expected 0 to 1,000,000,000."),
        ([b'{"text": "a", "budget_usd": "5"}'], '{path}, line 1: budget_usd is "5"; expected a finite number'),
        ([b'{"text": "a", "colour": 1}'], "{path}, line 1: colour is no known field; expected any of "),
        (
            [b'{"id": "a", "text": "x"}', GOOD, b'{"id": "a", "text": "y"}'],
            "{path}, line 3: id 'a' stands already on {path}, line 1; ids must differ.\n",
        ),
        (
            [GOOD, b'{"text": "a", "constraints": {"models": ["gpt4o"]}}'],
            '{path}, line 2: No model "gpt4o" in the fleet "default"; did you mean gpt-4o or gpt-4o-mini?\n',
        ),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(batch, jsonl, tmp_path, lines, message):
    source = jsonl(*lines)
    code, out, err = batch(source)
    assert (code, out) == (2, "")
    assert err.startswith("error: " + message.replace("{path}", str(source)))
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [source]


def test_a_line_that_never_ends_is_refused(batch, jsonl, tmp_path, monkeypatch):
    monkeypatch.setattr("pointsman.json_lines.MAX_LINE_BYTES", 1 << 20)
    source = jsonl(GOOD, b'{"text": "' + b"a" * (1 << 20) + b'"}')
    message = f"error: {source}, line 2: the line is longer than 1 MB; expected one task per line.\n"
    assert batch(source) == (2, "", message)
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_input_is_refused(batch, tmp_path):
    source = tmp_path / "none.jsonl"
    assert batch(source) == (2, "", f"error: {source} can't be read: No such file or directory.\n")


def test_an_output_that_cannot_be_is_refused_before_any_work(batch, tmp_path):
    missing = tmp_path / "none" / "d.jsonl"
    message = f"error: {missing} can't be written: there is no directory {missing.parent}; create it first.\n"
    assert batch("none.jsonl", output=missing) == (2, "", message)
    message = f"error: {tmp_path} is a directory; expected the name of a file to write.\n"
    assert batch("none.jsonl", output=tmp_path) == (2, "", message)


def test_a_failure_half_way_leaves_the_former_output(batch, jsonl, output, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    source = jsonl(*TASKS)
    output.write_text("former")
    monkeypatch.setattr("os.fsync", full)
    assert batch(source) == (2, "", f"error: {output} can't be written: No space left on device.\n")
    assert output.read_text() == "former"
    assert sorted(tmp_path.iterdir()) == sorted([source, output])
