import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman import Router, Task
from pointsman.cli import main
from pointsman.errors import InvalidFile, InvalidOutcomes
from pointsman.prediction import Predictor, measured_table, read_bundle
from pointsman_training.outcomes import read_outcomes
from pointsman_training.pipeline import Inputs, train
from pointsman_training.prices import read_prices
from pointsman_training.rows import write_rows

ROOT = Path(__file__).parents[2]
# MLflow 3 with SQLAlchemy 2.1, filtered by message: SQLAlchemy is no dependency of ours.
MLFLOW = ("ignore:The ``noload`` loader strategy is deprecated",)


def silent(line):
    pass


def arguments(world, output, *more):
    given = {"outcomes": world.outcomes, "tasks": world.tasks, "prices": world.prices, "output": output}
    flat = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return ["train", *flat, "--folds", "2", "--jobs", "1", "--seed", "3", *more]


@pytest.fixture(scope="module")
def command(world, tmp_path_factory):
    """The small world trained by the command line as a user would, tracked: bundle, tracking URI, exit code, output."""
    root = tmp_path_factory.mktemp("command")
    uri, printed = f"sqlite:///{root / 'runs.db'}", io.StringIO()
    with redirect_stdout(printed):
        code = main(arguments(world, root / "bundle", "--track", uri))
    return root / "bundle", uri, code, printed.getvalue()


@pytest.mark.filterwarnings(*MLFLOW)
def test_the_command_trains_a_bundle_that_verifies(command, capsys):
    bundle, _, code, printed = command
    assert code == 0
    for stage in ("read 150 prompts", "90 tasks", "proved parity on 90 texts", f"wrote {bundle}"[:20], "Model card"):
        assert stage in printed
    assert main(["bundle", "verify", str(bundle)]) == 0
    assert "verified (format 1" in capsys.readouterr().out


@pytest.mark.filterwarnings(*MLFLOW)
def test_the_trained_bundle_routes(command):
    router = Router.load(bundle=command[0])
    decision = router.route(Task("A shop sells apples in packs of seven; how many packs make 91?"))
    assert decision.bundle == read_bundle(command[0]).digest
    assert {decision.model, *decision.fallbacks} == {candidate.model for candidate in decision.candidates}
    measured = {candidate.model for candidate in decision.candidates if candidate.is_measured}
    assert measured == set(read_bundle(command[0]).manifest.abilities) & set(router.fleet.ids)


@pytest.mark.filterwarnings(*MLFLOW)
def test_the_bundle_learned_who_is_strong_and_what_is_hard(command, world):
    bundle = read_bundle(command[0])
    reading = Predictor(bundle).read(
        ["Say the plural of the word for pears.", "Find a lock-free order of updates to a bakery under two crashes."],
        "deep",
    )
    table = measured_table(bundle.manifest)
    quality = table.quality(reading)
    assert (quality[0] > quality[1]).all()
    weak, strong = (table.models.index(pick(world.strength, key=world.strength.get)) for pick in (min, max))
    assert (quality[:, strong] > quality[:, weak]).all()
    assert reading.complexity.argmax(axis=1).tolist() == [0, 2]


@pytest.mark.filterwarnings(*MLFLOW)
def test_the_manifest_says_what_was_learned_from(command, rows):
    training = read_bundle(command[0]).manifest.training
    assert {name: training[name] for name in ("prompts", "outcomes", "tasks", "seed", "folds", "uses_dev")} == {
        "prompts": 150, "outcomes": len(rows), "tasks": 90, "seed": 3, "folds": 2, "uses_dev": False,
    }  # fmt: skip
    assert set(training["outcome_files"]) == {"school.parquet", "office.parquet"}
    assert set(training["task_files"]) == {"tasks.jsonl"}
    assert all(len(digest) == 64 for digest in training["outcome_files"].values())


@pytest.mark.filterwarnings(*MLFLOW)
def test_a_tracked_run_has_parameters_metrics_and_the_bundle(command):
    from mlflow import MlflowClient

    bundle, uri, _, _ = command
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'pointsman'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["seed"] == "3" and run.data.params["folds"] == "2"
    metrics = read_bundle(bundle).manifest.metrics
    assert run.data.metrics["deep.cross_validated.log_loss"] == metrics["deep"]["cross_validated"]["log_loss"]
    assert {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "bundle")} == {
        "manifest.json", "graph.onnx", "tokenizer.json", "card.md",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_bundle_and_another_seed_another(trained, inputs, quick_run, tmp_path):
    again = train(inputs, tmp_path / "again", quick_run, silent)
    other = train(inputs, tmp_path / "other", replace(quick_run, seed=4), silent)
    digests = [read_bundle(path).digest for path in (trained, again, other)]
    assert digests[0] == digests[1] != digests[2]


def test_training_from_feature_rows_gives_the_same_qualities_within_rounding(
    trained, world, outcomes, encoder, quick_run, tmp_path
):
    files = write_rows(outcomes, encoder, tmp_path / "rows")
    from_rows = train(Inputs(files, world.prices, [world.tasks]), tmp_path / "bundle", quick_run, silent)
    for depth in ("fast", "deep"):
        qualities = []
        for path in (trained, from_rows):
            bundle = read_bundle(path)
            qualities.append(measured_table(bundle.manifest).quality(Predictor(bundle).read(outcomes.texts, depth)))
        gaps = np.abs(qualities[0] - qualities[1])
        assert (gaps.mean() < 0.005, gaps.max() < 0.05) == (True, True)


def test_learning_from_the_dev_split_keeps_the_figures_measured_before_it(trained, inputs, quick_run, tmp_path):
    final = read_bundle(train(inputs, tmp_path / "final", replace(quick_run, uses_dev=True), silent)).manifest
    before = read_bundle(trained).manifest
    assert final.training["uses_dev"] is True
    for depth in ("fast", "deep"):
        assert final.metrics[depth]["dev"] == before.metrics[depth]["dev"]
        prompts = [m.metrics[depth]["cross_validated"]["prompts"] for m in (before, final)]
        assert prompts[1] == prompts[0] + before.metrics[depth]["dev"]["prompts"]


def test_tasks_held_out_are_measured_on_and_not_learned(trained, inputs, world, quick_run, tmp_path):
    with_them = replace(inputs, held_out_tasks=[world.tasks])
    manifest = read_bundle(train(with_them, tmp_path / "bundle", quick_run, silent)).manifest
    before = read_bundle(trained).manifest
    assert manifest.files["graph.onnx"] == before.files["graph.onnx"]
    assert manifest.abilities == before.abilities
    complexity = manifest.metrics["deep"]["complexity"]
    assert complexity["held_out_tasks"] == 90 and complexity["held_out_accuracy"] > 1 / 3


@pytest.fixture
def bad_inputs(world, rows, write_table, tmp_path):
    """Each way to go wrong: the option to replace, its bad value, and a part of the message."""
    outcomes = write_table(tmp_path / "bad.parquet", [rows[0] | {"score": 7.0}, *rows[1:]])
    tasks = tmp_path / "bad.jsonl"
    tasks.write_text(world.tasks.read_text().splitlines()[0] + "\nnot JSON\n")
    prices, few = tmp_path / "bad.csv", tmp_path / "few.csv"
    prices.write_text("model,input_usd_per_mtok\ngpt-4o,2.5\n")
    few.write_text("model,input_usd_per_mtok,output_usd_per_mtok\ngpt-4o,2.5,10\n")
    leaky = [row | {"split": "dev" if row["prompt_id"] == "school-000" else row["split"]} for row in rows]
    leak = write_table(tmp_path / "leak.parquet", leaky)
    return {
        "score": ("--outcomes", outcomes, "row 0: score is 7"),
        "no outcomes": ("--outcomes", tmp_path / "nowhere", "doesn't exist"),
        "leak": ("--outcomes", leak, "Group 'g0' is in both splits"),
        "tasks": ("--tasks", tasks, "line 2 isn't JSON"),
        "prices": ("--prices", prices, "lacks the column output_usd_per_mtok"),
        "one price": ("--prices", few, "Only 1 models have both a price and outcomes"),
        "encoder": ("--encoder", tmp_path / "nowhere", "can't be loaded by sentence-transformers"),
        "seed": ("--seed", -1, "--seed is -1; expected a number not below 0."),
        "folds": ("--folds", 1, "--folds is 1; expected at least 2."),
    }


@pytest.mark.parametrize(
    "case", ["score", "no outcomes", "leak", "tasks", "prices", "one price", "encoder", "seed", "folds"]
)
def test_bad_input_is_refused_with_exit_code_2_and_nothing_is_written(world, bad_inputs, tmp_path, capsys, case):
    option, value, message = bad_inputs[case]
    output = tmp_path / "out" / "bundle"
    assert main([*arguments(world, output), option, str(value)]) == 2
    assert message in capsys.readouterr().err
    assert not output.parent.exists()


def test_a_directory_that_is_no_bundle_is_never_replaced(inputs, quick_run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(Exception, match="exists and is no bundle"):
        train(inputs, tmp_path / "mine", quick_run, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_rows_of_another_encoder_are_refused(world, outcomes, encoder, quick_run, tmp_path):
    other = replace(encoder, spec=type(encoder.spec)("another-model", 2, 384, 64))
    files = write_rows(outcomes, other, tmp_path / "rows")
    with pytest.raises(InvalidOutcomes, match=r"made with the encoder \('another-model', 2\)"):
        train(Inputs(files, world.prices, [world.tasks]), tmp_path / "bundle", quick_run, silent)


def test_the_rows_command_writes_one_file_a_source(world, tmp_path, capsys):
    assert main(["rows", "--outcomes", str(world.outcomes), "--output", str(tmp_path / "rows")]) == 0
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {"school.parquet", "office.parquet"}
    assert len(read_outcomes([tmp_path / "rows"])) == 150
    assert capsys.readouterr().out.count("wrote ") == 2


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["gpt-4o,-1,1"], "line 2: price is -1;"),
        (["gpt-4o,nan,1"], "line 2: price is NaN;"),
        (["gpt-4o,much,1"], "line 2: price is 'much';"),
        (["a,1,1", "gpt-4o,1,1", "gpt-4o,2,2"], "line 4: model 'gpt-4o' was priced already; keep one row a model."),
    ],
)
def test_a_wrong_price_is_refused_with_its_line(tmp_path, lines, part):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["model,input_usd_per_mtok,output_usd_per_mtok", *lines]))
    with pytest.raises(InvalidFile) as caught:
        read_prices(path)
    assert caught.value.message.startswith(f"{path}, {part}")


def test_models_without_a_price_are_skipped(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("model,input_usd_per_mtok,output_usd_per_mtok\na,,\nb,1.5,2\n")
    prices = read_prices(path)
    assert {model: p.input_nanousd_per_mtok for model, p in prices.items()} == {"b": 1_500_000_000}
    with pytest.raises(InvalidFile, match="doesn't exist; expected a CSV file with the columns model, "):
        read_prices(tmp_path / "nowhere.csv")


def _without_tasks(rows):
    return rows, False


def _one_group(rows):
    return [row | {"group": "g", "split": "train"} for row in rows], True


def _one_model(rows):
    return [row for row in rows if row["model"] == "gpt-4o"], True


def _model_only_in_dev(rows):
    return [row for row in rows if row["model"] != "claude-3-haiku" or row["split"] == "dev"], True


def _only_dev(rows):
    return [row | {"split": "dev"} for row in rows], True


def _few_prompts(rows):
    return [row for row in rows if row["prompt_id"] < "office-120"], False


def _no_common_prompt(rows):
    models = sorted({row["model"] for row in rows})
    kept = [row for row in rows if (models.index(row["model"]) + hash_of(row["prompt_id"])) % 2]
    return kept, True


def hash_of(name):
    return sum(name.encode())


def _unknown_input(rows):
    return [row | {"input_tokens": None} for row in rows], True


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "alter",
    [
        _without_tasks,
        _one_group,
        _one_model,
        _model_only_in_dev,
        _only_dev,
        _few_prompts,
        _no_common_prompt,
        _unknown_input,
    ],
)
def test_unusual_outcomes_give_a_bundle_or_a_message(rows, write_table, world, quick_run, tmp_path, alter):
    table, has_tasks = alter(rows)
    path = write_table(tmp_path / "unusual.parquet", table)
    tasks = [world.tasks] if has_tasks else []
    try:
        bundle = train(Inputs([path], world.prices, tasks), tmp_path / "bundle", quick_run, silent)
    except (InvalidOutcomes, InvalidFile):
        return
    assert json.loads((bundle / "manifest.json").read_text())["metrics"]["source"] in ("school", "office")
