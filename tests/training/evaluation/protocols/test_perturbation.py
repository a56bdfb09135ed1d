import json
from types import SimpleNamespace

import pytest

from pointsman.cli import main
from pointsman.errors import InvalidFile, InvalidInput
from pointsman_training.cli import evaluate as verb
from pointsman_training.evaluation.perturbations import PERTURBATIONS
from pointsman_training.evaluation.protocols.perturbation import MEAN, run
from pointsman_training.evaluation.protocols.protocol import Inputs, Options
from pointsman_training.evaluation.translations import read_translations

FEW = Options(sample=6, draws=50)


@pytest.fixture(scope="module")
def translations(tmp_path_factory):
    path = tmp_path_factory.mktemp("translations") / "translations.jsonl"
    lines = [
        {"id": "simple-0", "language": "de", "text": "Nenne den Plural von Apfel."},
        {"id": "simple-1", "language": "de", "text": "Addiere 3 und 5."},
        {"id": "simple-0", "language": "fr", "text": "Donne le pluriel de pomme."},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def asked(trained, world, translations):
    return Inputs([world.outcomes], world.prices, tasks=[world.tasks], translations=[translations], bundle=trained)


@pytest.fixture(scope="module")
def report(asked):
    return run(asked, FEW)


def test_every_change_is_measured_on_every_set_in_every_profile(report):
    assert report.texts == {"training tasks": 6, "office": 6, "school": 6, "translated tasks": 1}
    changes = [perturbation.name for perturbation in PERTURBATIONS]
    for profile in ("auto", "fast", "deep"):
        for name in ("training tasks", "office", "school"):
            found = [s.change for s in report.shifts if (s.profile, s.texts) == (profile, name)]
            assert found == [*changes, MEAN]
        found = [s.change for s in report.shifts if (s.profile, s.texts) == (profile, "translated tasks")]
        assert found == ["de", "fr", MEAN]


def test_real_scores_are_lost_only_where_there_are_some(report):
    assert all(s.quality_lost is None for s in report.shifts if "tasks" in s.texts)
    assert any(s.quality_lost is not None for s in report.shifts if s.texts == "school")


def test_a_reading_depth_flips_in_auto_only(report):
    assert all(s.depth_flips.value == 0 for s in report.shifts if s.profile != "auto" and s.changed)


def test_the_same_seed_gives_the_same_report_and_it_reads_as_json_and_tables(asked, report):
    assert run(asked, FEW).to_json() == report.to_json()
    data = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert data["protocol"] == "perturbation"
    assert len(data["shifts"]) == len(report.shifts)
    assert [len(table.rows) for table in report.tables] == [14, 14, 14, 3] * 3
    assert all(len(row) == len(table.heads) for table in report.tables for row in table.rows)
    assert "translated tasks (1)" in report.headline


def test_without_texts_it_says_what_to_name(trained, world):
    with pytest.raises(InvalidInput, match="--held-out-tasks"):
        run(Inputs([], world.prices, bundle=trained), FEW)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "a", "language": "de"}', "line 1: .*`text`"),
        ('{"id": "a", "language": "de", "text": " "}', "line 1: text is empty"),
        ("nothing", "line 1: .*expected an object"),
        (
            '{"id": "a", "language": "de", "text": "x"}\n{"id": "a", "language": "de", "text": "y"}',
            "line 2: 'a'.*twice",
        ),
    ],
)
def test_a_line_that_is_no_translation_is_refused_by_its_number(line, words, tmp_path):
    path = tmp_path / "wrong.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidFile, match=words):
        read_translations([path])


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidFile, match="can't be read"):
        read_translations([tmp_path / "none.jsonl"])


def test_the_verb_runs_it_without_outcomes_and_prices(monkeypatch, trained, world, tmp_path, capsys):
    entry = SimpleNamespace(name="evaluate", value="pointsman_training.cli.evaluate")
    monkeypatch.setattr("pointsman.cli._module", lambda named, plugins: verb)
    monkeypatch.setattr("pointsman.cli.entry_points", lambda group: [entry])
    asked = ["evaluate", "--protocol", "perturbation", "--bundle", str(trained), "--json", str(tmp_path / "r.json")]
    assert main([*asked, "--tasks", str(world.tasks), "--sample", "2"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["texts"] == {"training tasks": 2}
    assert "training tasks, profile deep" in capsys.readouterr().out
    assert main([*asked, "--sample", "2"]) == 2
    assert "--held-out-tasks" in capsys.readouterr().err
