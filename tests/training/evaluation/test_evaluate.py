import json
import re

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.errors import InvalidInput, InvalidOutcomes, UnknownModel
from pointsman.prediction import Predictor, read_bundle
from pointsman_training.cli import evaluate as verb
from pointsman_training.evaluation.complexity import against_labels
from pointsman_training.evaluation.evaluate import Choice, Inputs, evaluate, trial_on, unseen
from pointsman_training.evaluation.reading import read_features
from pointsman_training.evaluation.render import page_of
from pointsman_training.tasks import read_tasks


@pytest.fixture(scope="module")
def files(trained, world) -> Inputs:
    return Inputs(trained, [world.outcomes], world.prices)


@pytest.fixture(scope="module")
def report(files):
    return evaluate(files, Choice())


WITHIN = {"fast": 1e-5, "deep": 1e-2}
"""Deep, onnxruntime fuses the int8 layers of the whole graph otherwise than those of the encoder alone."""


def test_reading_features_equals_reading_their_texts(trained, encoder):
    bundle = read_bundle(trained)
    texts = ["Prove it.", "Say the plural of apple, é.", "x " * 300]
    for depth in ("fast", "deep"):
        ours, theirs = read_features(bundle, encoder.features(texts), depth), Predictor(bundle).read(texts, depth)
        for name in ("demand", "length", "type", "complexity", "novelty"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=WITHIN[depth])


def test_the_report_has_every_router_on_the_same_rows(report):
    assert report.setup.prompts + report.setup.left_out == 15
    assert [router.name for router in report.routers] == [
        "Pointsman", "random mix", "best single", "hull of singles", "task-type table, true type",
        "task-type table, predicted type", "text counts, logistic", "kNN", "k-means (Avengers)", "embedding, ridge",
        "embedding, logistic", "one boosted classifier a model", "oracle",
    ]  # fmt: skip
    by_name = {router.name: router for router in report.routers}
    assert by_name["random mix"].apgr == by_name["best single"].apgr == 0.5
    assert by_name["oracle"].gap_to_oracle == 0
    assert by_name["oracle"].ogc == 1
    assert all(router.aiq_true <= by_name["oracle"].aiq_true + 1e-9 for router in report.routers)


def test_the_trial_has_the_rows_that_the_report_is_made_of(files, report):
    trial = trial_on(files, Choice())
    assert trial.models == report.setup.models
    assert len(trial.scores) == report.setup.prompts
    assert trial.models[trial.reference] == report.setup.reference
    assert trial.scores.mean(axis=0).tolist() == pytest.approx([model.quality for model in report.models])
    assert trial.costs.mean(axis=0).tolist() == pytest.approx([model.cost_usd for model in report.models])


def test_the_first_value_of_every_interval_is_the_figure_itself(report):
    first = report.routers[0]
    standing = report.standing
    assert standing.log_loss.value == pytest.approx(first.prediction.log_loss, abs=1e-6)
    assert standing.apgr.value == pytest.approx(first.apgr)
    assert standing.cost_at_98.value == pytest.approx(first.cost_at_98)


def test_slices_of_a_kind_share_out_all_prompts(report):
    kinds = {piece.kind for piece in report.slices}
    assert kinds == {"all", "task type", "length", "characters", "language", "predicted complexity", "novelty"}
    for kind in kinds:
        assert sum(piece.prompts for piece in report.slices if piece.kind == kind) == report.setup.prompts


def test_the_default_policy_spends_all_its_calls(report):
    policy = report.policy
    assert sum(policy.call_shares.values()) == pytest.approx(1)
    assert list(policy.call_shares.values()) == sorted(policy.call_shares.values(), reverse=True)
    assert 0 <= policy.entropy_bits <= np.log2(len(report.setup.models))
    everything = next(piece for piece in report.slices if piece.kind == "all")
    assert (policy.quality, policy.cost_usd) == pytest.approx((everything.quality, everything.cost_usd))


def test_every_source_is_predicted_on_all_models_that_the_bundle_knows(report):
    assert [(source.name, source.models) for source in report.sources] == [("office", 5), ("school", 6)]
    assert all(0 < source.prediction.log_loss < 3 for source in report.sources)


def test_complexity_is_compared_with_outcomes_and_with_labels_where_there_are_some(files, report, world):
    assert [(c.truth, c.prompts) for c in report.complexity] == [
        ("outcomes of weak, middling and strong models", report.setup.prompts)
    ]
    bundle = read_bundle(files.bundle)
    labelled = against_labels(bundle, read_tasks([world.tasks]), "fast")
    assert labelled.prompts == 90
    assert [sum(row) for row in labelled.mass] == [30, 30, 30]


def test_the_same_seed_gives_the_same_report(files, report):
    assert evaluate(files, Choice()).to_json() == report.to_json()


def test_a_bundle_that_learned_from_the_rows_is_called_out(files, report, outcomes, trained):
    assert report.setup.is_unseen is True
    assert evaluate(files, Choice(split="train")).setup.is_unseen is False
    manifest = read_bundle(trained).manifest
    manifest.training["uses_dev"] = True
    assert unseen(manifest, outcomes, "dev") is False
    manifest.training["outcome_files"] = {}
    assert unseen(manifest, outcomes, "dev") is None


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        (Choice(models=("gpt-4o", "gpt-9")), UnknownModel, "no outcomes for 'gpt-9'"),
        (Choice(models=("gpt-4o",)), InvalidInput, "needs two models"),
        (Choice(models=("gpt-4o", "gpt-4o")), InvalidInput, "twice"),
        (Choice(source="nowhere"), InvalidOutcomes, "choose --source among office, school"),
        (Choice(reference="gpt-9"), InvalidInput, "--baseline names 'gpt-9'"),
        (Choice(pair=("llama-3.1-8b-instruct", "gpt-4o")), InvalidInput, "the first must be the better one"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(files, choice, error, words):
    with pytest.raises(error, match=re.escape(words)):
        evaluate(files, choice)


def test_a_model_without_price_is_refused(files, tmp_path):
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_usd_per_mtok,output_usd_per_mtok\ngpt-4o,1,2\n")
    with pytest.raises(InvalidInput, match="'claude-3-haiku', which has no price"):
        evaluate(Inputs(files.bundle, files.outcomes, prices), Choice(models=("gpt-4o", "claude-3-haiku")))


def test_a_split_without_rows_is_refused(trained, world, rows, write_table, tmp_path):
    path = write_table(tmp_path / "train.parquet", [row for row in rows if row["split"] == "train"])
    with pytest.raises(InvalidOutcomes, match="no rows in the split 'dev', only in train"):
        evaluate(Inputs(trained, [path], world.prices), Choice())


def test_the_page_needs_nothing_from_outside_and_escapes_names(report):
    page = page_of(report).decode()
    assert page.count("<svg") == 2
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


@pytest.fixture
def command(monkeypatch, files):
    """Run the verb as an entry point would."""
    monkeypatch.setattr("pointsman.cli._module", lambda named, plugins: verb)
    monkeypatch.setattr("pointsman.cli.entry_points", lambda group: [_Entry()])
    common = ["evaluate", "--bundle", str(files.bundle), "--outcomes", *map(str, files.outcomes), "--prices"]
    return lambda *more: main([*common, str(files.prices), *more])


class _Entry:
    name, value = "evaluate", "pointsman_training.cli.evaluate"


def test_the_verb_writes_json_and_page(command, world, tmp_path, capsys):
    written = ["--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]
    assert command(*written, "--held-out-tasks", str(world.tasks)) == 0
    data = json.loads((tmp_path / "r.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert data["routers"][0]["name"] == "Pointsman"
    assert [confusion["truth"] for confusion in data["complexity"]][1:] == ["labelled tasks"]
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert "Pointsman minus baseline" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [["--draws", "10"], ["--seed", "-1"], ["--pair", "gpt-4o"], ["--models", "gpt-4o,gpt-9"], ["--json", "/nowhere/r"],
     ["--json", "-", "--html", "-"]],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_exit_2_and_writes_nothing(command, wrong, tmp_path, capsys):
    page = tmp_path / "r.html"
    assert command(*(wrong if "--html" in wrong else [*wrong, "--html", str(page)])) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not page.exists()


def test_a_length_that_nobody_observed_is_taken_from_the_median_or_the_expected():
    from pointsman_training.evaluation.rows import real_output_tokens

    observed = np.array([[10, np.nan], [30, np.nan], [np.nan, np.nan]], dtype=np.float32)
    filled, never = real_output_tokens(observed, np.full((3, 2), 7, dtype=np.float32))
    assert (filled.tolist(), never.tolist()) == ([[10, 7], [30, 7], [20, 7]], [1])
