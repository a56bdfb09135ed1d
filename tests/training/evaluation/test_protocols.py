"""The retraining protocols on the small world: what is left out stays out, and what is measured is all there."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli import main
from pointsman.errors import InvalidInput, InvalidOutcomes
from pointsman_training.cli import evaluate as verb
from pointsman_training.evaluation import bootstrap, scores
from pointsman_training.evaluation.protocols import IN_DISTRIBUTION, PROTOCOLS, learning_curve, leave_task_out, runner
from pointsman_training.evaluation.protocols.headlines import Headline, cells, spread
from pointsman_training.evaluation.protocols.material import Material, learn_from, read_material
from pointsman_training.evaluation.protocols.pairs import pair_figures
from pointsman_training.evaluation.protocols.protocol import Inputs, Options
from pointsman_training.outcomes import read_outcomes
from pointsman_training.pipeline import Run
from pointsman_training.rows import write_rows

PAIR = ("claude-3-5-sonnet-20240620", "llama-3.1-8b-instruct")


@pytest.fixture(scope="module")
def rows_by_kind(rows) -> list[dict[str, object]]:
    """The small world with one kind of task a group, so that one can be left out."""
    return [{**row, "task_type": "code" if int(row["group"][1:]) % 2 else "math/grade-school"} for row in rows]


@pytest.fixture(scope="module")
def inputs(world, rows_by_kind, write_table, encoder, tmp_path_factory) -> Inputs:
    """Feature rows, so that texts are read only once."""
    root = tmp_path_factory.mktemp("kinds")
    return Inputs(
        write_rows(read_outcomes([write_table(root / "texts.parquet", rows_by_kind)]), encoder, root / "rows"),
        world.prices,
        [world.tasks],
    )


@pytest.fixture(scope="module")
def run(quick_run, tmp_path_factory) -> Run:
    return replace(quick_run, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def options(run) -> Options:
    return Options(run=run, profile="fast", pair=PAIR, seeds=2, sizes=(40, 10_000))


@pytest.fixture(scope="module")
def material(inputs, run) -> Material:
    return read_material(inputs, run)


@pytest.fixture(scope="module")
def reports(inputs, options):
    """Every retraining protocol, run once."""
    asked = {"leave-task-out": {"task_type": "code"}, "pair": {"source": "office"}, "learning-curve": {"seeds": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leave_task_out, "FEWEST", 30)
        return {name: runner(name)(inputs, replace(options, **asked.get(name, {}))) for name in RETRAINING}


RETRAINING = ("leave-source-out", "leave-task-out", "pair", "learning-curve", "seeds")


@pytest.mark.parametrize("name", RETRAINING)
def test_every_report_is_json_with_its_name_and_tables_as_wide_as_their_heads(reports, name):
    data = json.loads(reports[name].to_json(), parse_constant=lambda constant: pytest.fail(constant))
    assert data["protocol"] == name
    assert data["notes"]
    assert reports[name].headline
    for table in reports[name].tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.heads)}


def test_a_held_source_is_judged_by_what_was_learned_elsewhere(reports, outcomes):
    by_source = {held.source: held for held in reports["leave-source-out"].sources}
    assert list(by_source) == ["office", "school"]
    office, school = by_source["office"], by_source["school"]
    assert (office.prompts, school.prompts) == (40, 110)
    assert (office.scale, school.scale) == ("school", "office")
    assert (len(office.known_models), office.models) == (5, 5)
    assert (len(school.known_models), school.models) == (5, 6), "gpt-4o was never asked in the office"
    assert [judge.name for judge in office.judges] == [
        "Pointsman", "kNN, k = 100", "each model's mean elsewhere", "length of the prompt",
    ]  # fmt: skip
    assert office.judges[0].prediction.log_loss < office.judges[2].prediction.log_loss
    assert office.pair.strong == PAIR[0]
    shared = set(outcomes.groups[outcomes.sources == "office"]) & set(outcomes.groups[outcomes.sources == "school"])
    of_school_train = (outcomes.sources == "school") & (outcomes.splits == "train")
    assert office.left_out == np.isin(outcomes.groups[of_school_train], list(shared)).sum() > 0


def test_rows_that_share_a_group_with_held_ones_are_never_learned_from(material):
    held = material.rows("office")
    groups = material.outcomes.groups
    train = material.train_rows_outside(held)
    assert not set(groups[train]) & set(groups[held])
    rest = np.setdiff1d(material.train_rows, train)
    assert set(groups[rest]) <= set(groups[held]), "nothing else is left out"


def test_a_model_that_only_the_held_source_has_is_unknown_to_what_is_learned(material, run):
    dataset, learned = learn_from(material, material.rows("office"), run, "office")
    assert "gpt-4o" not in learned.reference
    assert ("school", "gpt-4o") not in dataset.columns
    assert dataset.is_train.all()


def test_the_scale_can_be_another_source_than_the_fullest(material, run):
    dataset, learned = learn_from(material, material.train_rows, run, "office")
    assert dataset.main_source == "office"
    assert {dataset.columns[column][0] for column in learned.fleet.columns} == {"office"}


def test_kinds_of_task_are_types_with_many_prompts_then_families_of_the_rarer():
    types = ["math/a"] * 200 + ["math/b"] * 150 + ["math/c"] * 60 + ["code"] * 250 + ["open"] * 20
    assert leave_task_out.kinds_of(types) == ["code", "math/a", "math"]
    assert leave_task_out.kinds_of(["math/a"] * 200 + ["math/b"] * 50) == ["math/a"], "too few rarer ones"
    named = np.array(["math/a", "math/b", "code", "mathematics/a"])
    kinds = ["code", "math/a", "math"]
    assert leave_task_out.is_of_kind(named, "math", kinds).tolist() == [False, True, False, False]
    assert leave_task_out.is_of_kind(named, "math/a", kinds).tolist() == [True, False, False, False]


def test_a_held_kind_is_measured_on_all_its_rows_beside_all_routers(reports):
    report = reports["leave-task-out"]
    assert report.source == "school"
    (code,) = report.kinds
    assert (code.kind, code.prompts + code.baseline_prompts < 110) == ("code", True)
    assert [router.name for router in code.routers][:2] == ["Pointsman", "random mix"]
    assert code.headline.log_loss == pytest.approx(code.routers[0].prediction.log_loss)
    assert code.standing.log_loss.value == pytest.approx(code.headline.log_loss)
    assert code.same_kind_elsewhere > 0
    assert len(code.differences) == len(code.routers) - 1


def test_a_kind_can_be_left_out_of_every_source(inputs, options, monkeypatch):
    monkeypatch.setattr(leave_task_out, "FEWEST", 30)
    report = leave_task_out.run(inputs, replace(options, task_type="code", everywhere=True))
    assert [(held.kind, held.same_kind_elsewhere) for held in report.kinds] == [("code", 0)]


def test_the_pair_is_measured_once_on_every_prompt_that_both_models_did(reports, outcomes):
    report = reports["pair"]
    columns = [outcomes.columns.index(("office", model)) for model in PAIR]
    scored = np.isfinite(outcomes.scores[:, columns]).all(axis=1).sum()
    assert report.figures_of_pair.prompts == scored == sum(report.train_prompts)
    names = [router.name for router in report.figures_of_pair.routers]
    assert names[:2] == ["Pointsman", "Pointsman, on the scale of school"]
    assert names[-1] == "length of the prompt"
    assert report.figures_of_pair.routers[0].difference is None


def test_apgr_of_a_pair_is_the_mean_over_parts(material):
    columns = material.columns("office", PAIR)
    rows = material.rows("office")
    rows = rows[np.isfinite(material.outcomes.scores[np.ix_(rows, columns)]).all(axis=1)]
    margin = material.features.counts[rows, 0].astype(np.float64)
    parts = [(rows[:15], {"a": margin[:15]}), (rows[15:], {"a": margin[15:]})]
    found = pair_figures(material, parts, columns, 10, np.random.default_rng(0))
    expected = [
        scores.apgr(scores.pair_curve(part["a"], *material.outcomes.scores[np.ix_(chosen, columns)].T))
        for chosen, part in parts
    ]
    assert found.routers[0].apgr.value == pytest.approx(np.mean(expected))


def test_a_learning_curve_has_every_learner_at_every_size(reports, material):
    report = reports["learning-curve"]
    few, all_of_them = report.sizes
    assert few.wanted == 40 and all(30 < prompts <= 40 for prompts in few.prompts)
    assert all_of_them.prompts == (len(material.rows("school", "train")),)
    assert report.other_prompts == len(material.rows("office", "train"))
    names = [learner.name for learner in few.learners]
    assert names[:2] == ["Pointsman", "Pointsman, with the other sources"]
    assert {"kNN", "embedding, ridge", "one boosted classifier a model", "task-type table, true type"} <= set(names)
    assert all(learner.spread.trainings == 1 for size in report.sizes for learner in size.learners)
    kinds = [learner.log_loss_difference is None for learner in few.learners]
    assert kinds == [True] + [False] * (len(names) - 1)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.data())
def test_parts_are_whole_groups_no_larger_than_asked_and_nested(names, data):
    groups = np.array(names)
    less, more = sorted(data.draw(st.tuples(st.integers(1, 50), st.integers(1, 50))))
    small, large = (learning_curve.part_of(groups, size, np.random.default_rng(3)) for size in (less, more))
    assert set(small) <= set(large)
    assert len(small) <= less
    for part in (small, large):
        assert not set(groups[part]) & set(np.delete(groups, part))
    assert len(learning_curve.part_of(groups, len(groups), np.random.default_rng(3))) == len(groups)


def test_sizes_beyond_all_prompts_count_once():
    assert learning_curve.distinct_sizes((10_000, 100, 5_000, 100), 3_774) == (100, 5_000)
    assert learning_curve.distinct_sizes((100, 1_000), 3_774) == (100, 1_000)


def test_seeds_spread_over_trainings_at_both_depths(reports):
    report = reports["seeds"]
    assert report.seeds == (3, 4)
    assert [depth.depth for depth in report.depths] == ["fast", "deep"]
    for depth in report.depths:
        assert depth.spread == spread(depth.trainings)
        assert depth.trainings[0] != depth.trainings[1]
        assert depth.complexity_accuracy == ()


def test_a_spread_is_mean_and_sample_deviation():
    one, other = Headline(*[1.0] * 9), Headline(*[3.0] * 9)
    assert spread([one, other]).mean == Headline(*[2.0] * 9)
    assert spread([one, other]).deviation == Headline(*[pytest.approx(math.sqrt(2))] * 9)
    assert cells(spread([one]))[0] == "1.0000"
    assert cells(spread([one, other]))[1] == "2.000 ± 1.414"


def test_the_correlation_of_ranks_on_all_rows_is_spearmans():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 9, 50), rng.random(50)
    weights = bootstrap.drawn_weights(np.arange(50).astype(str), 3, rng)
    found = bootstrap.weighted_spearman(left, right, weights)
    assert found[0] == pytest.approx(scores.spearman(left, right))
    assert len(found) == 4
    assert np.isnan(bootstrap.weighted_spearman(np.ones(50), right, weights)).all()


def test_the_same_seed_gives_the_same_report(inputs, options, reports):
    assert runner("seeds")(inputs, options).to_json() == reports["seeds"].to_json()


@pytest.mark.parametrize(
    ("name", "changed", "error", "words"),
    [
        (
            "leave-source-out",
            {"source": "nowhere"},
            InvalidInput,
            "--source is 'nowhere'; expected one of office, school",
        ),
        ("leave-task-out", {}, InvalidOutcomes, "No kind of task of 'school' has 200 prompts"),
        ("learning-curve", {"sizes": (20, 100)}, InvalidInput, "--sizes has 20; expected at least 30 prompts"),
        ("pair", {}, InvalidInput, "no source 'routellm'; name one of office, school with --source"),
        (
            "pair",
            {"source": "office", "pair": ("gpt-4o", PAIR[1])},
            InvalidInput,
            "'gpt-4o'; expected one of claude-3-5",
        ),
    ],
)
def test_what_does_not_fit_the_outcomes_is_refused(inputs, options, name, changed, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        runner(name)(inputs, replace(options, **changed))


def test_without_dev_rows_there_is_nothing_to_measure_on(world, rows, write_table, tmp_path, options):
    path = write_table(tmp_path / "train.parquet", [row for row in rows if row["split"] == "train"])
    with pytest.raises(InvalidOutcomes, match="'school' has no rows in the split dev"):
        runner("seeds")(Inputs([path], world.prices, [world.tasks]), options)


def test_a_source_that_is_all_there_is_cannot_be_left_out(world, rows, write_table, tmp_path, options):
    path = write_table(tmp_path / "school.parquet", [row for row in rows if row["source"] == "school"])
    with pytest.raises(InvalidOutcomes, match="Without 'school' and its groups no train row is left"):
        runner("leave-source-out")(Inputs([path], world.prices, [world.tasks]), options)


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != IN_DISTRIBUTION])
def test_every_name_in_the_registry_has_a_module_that_runs(name):
    assert callable(runner(name))


@pytest.mark.parametrize("name", [IN_DISTRIBUTION, "nothing"])
def test_a_name_without_module_is_refused(name):
    with pytest.raises(InvalidInput, match="expected one of leave-source-out"):
        runner(name)


@pytest.fixture
def command(monkeypatch, world):
    """Run the verb as an entry point would."""
    monkeypatch.setattr("pointsman.cli._module", lambda named, plugins: verb)
    monkeypatch.setattr("pointsman.cli.entry_points", lambda group: [_Entry()])
    files = ["--outcomes", str(world.outcomes), "--prices", str(world.prices)]
    return lambda *more: main(["evaluate", *files, *more])


class _Entry:
    name, value = "evaluate", "pointsman_training.cli.evaluate"


def test_the_verb_runs_a_protocol_and_writes_its_json(command, monkeypatch, reports, tmp_path, capsys):
    seen = []
    monkeypatch.setattr(
        verb, "runner", lambda name: lambda inputs, options: seen.append((name, options)) or reports["seeds"]
    )
    path = tmp_path / "r.json"
    assert command("--protocol", "seeds", "--seeds", "2", "--folds", "3", "--seed", "4", "--json", str(path)) == 0
    assert path.read_bytes() == reports["seeds"].to_json() + b"\n"
    assert "Mean ± standard deviation over trainings" in capsys.readouterr().out
    ((name, options),) = seen
    assert (name, options.seeds, options.run.folds, options.run.seed) == ("seeds", 2, 3, 4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--protocol", "seeds", "--html", "r.html"], "--html says nothing to --protocol seeds; it reads --bundle"),
        (["--protocol", "seeds", "--seeds", "0"], "--seeds is 0; expected at least 1"),
        (["--seeds", "2"], "--seeds says nothing to --protocol in-distribution"),
        (["--protocol", "pair", "--pair", "gpt-4o"], "--pair names 1 models; expected two"),
        (["--protocol", "learning-curve", "--sizes", "100,many"], "'many' is no number of prompts"),
        (["--protocol", "sideways"], "invalid choice: 'sideways'"),
    ],
)
def test_what_a_protocol_cannot_use_is_refused_with_exit_2(command, wrong, words, capsys):
    assert command(*wrong) == 2
    assert words in capsys.readouterr().err


def test_a_protocol_says_which_file_it_needs(monkeypatch, world, capsys):
    monkeypatch.setattr("pointsman.cli._module", lambda named, plugins: verb)
    monkeypatch.setattr("pointsman.cli.entry_points", lambda group: [_Entry()])
    assert main(["evaluate", "--outcomes", str(world.outcomes)]) == 2
    assert "--protocol in-distribution needs --prices" in capsys.readouterr().err
