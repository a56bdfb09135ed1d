"""The gate on real tiny bundles: what it reads, what it writes, its exit codes."""

import json
import shutil

import msgspec
import numpy as np
import pytest

from pointsman.cli import main
from pointsman.errors import BundleError, InvalidInput
from pointsman.prediction import read_bundle, write_bundle
from pointsman_training.cli import gate as verb
from pointsman_training.gate.field import Field, Terms, pooled
from pointsman_training.gate.gate import Inputs, gate
from pointsman_training.gate.promote import promote
from pointsman_training.gate.verdict import Bounds
from pointsman_training.prices import read_prices


@pytest.fixture(scope="module")
def changed(trained, tmp_path_factory):
    """Return a function that writes the trained bundle with abilities scaled, or other fields of the manifest."""

    def write(name, scale=1.0, **fields):
        bundle = read_bundle(trained)
        abilities = {
            model: msgspec.structs.replace(ability, deep_vector=tuple(scale * part for part in ability.deep_vector))
            for model, ability in bundle.manifest.abilities.items()
        }
        contents = {file: (trained / file).read_bytes() for file in bundle.manifest.files}
        manifest = msgspec.structs.replace(bundle.manifest, **({"abilities": abilities} | fields))
        return write_bundle(tmp_path_factory.mktemp("changed") / name, manifest, contents)

    return write


@pytest.fixture(scope="module")
def champion(changed):
    return changed("champion", scale=-3.0, constant=None)


@pytest.fixture(scope="module")
def report(trained, champion, world):
    return gate(Inputs(trained, champion, [world.outcomes], world.prices), Terms())


@pytest.fixture
def run(trained, champion, world, tmp_path):
    """Return a function that runs the verb and returns its exit code."""

    def call(*words, candidate=trained, against=champion):
        return main(["gate", str(candidate), "--against", str(against), "--outcomes", str(world.outcomes),
                     "--prices", str(world.prices), *map(str, words)])  # fmt: skip

    return call


def test_the_report_has_five_checks_and_four_claims_on_the_measured_rows(report, trained, champion):
    assert [check.name for check in report.verdict.checks] == [
        "beats champion and baselines", "calibration", "slices", "contributors", "unseen rows",
    ]  # fmt: skip
    assert [claim.opponent for claim in report.verdict.claims] == [
        "the champion", "the best constant", "task-type table, true type", "kNN",
    ]  # fmt: skip
    assert (report.setup.candidate, report.setup.champion) == (
        read_bundle(trained).digest,
        read_bundle(champion).digest,
    )
    assert report.setup.prompts + report.setup.left_out == 15
    assert report.setup.constant in report.setup.models
    assert report.verdict.checks[4].status == "passed"


def test_the_same_seed_gives_the_same_report(report, trained, champion, world):
    again = gate(Inputs(trained, champion, [world.outcomes], world.prices), Terms())
    assert again.to_json() == report.to_json()


def test_fifteen_prompts_promote_nobody_and_exit_is_3(run, tmp_path, capsys):
    target = tmp_path / "live"
    assert run("--json", tmp_path / "r.json", "--promote-to", target) == 3
    assert not target.exists()
    out = capsys.readouterr().out
    assert out.startswith("DO NOT PROMOTE")
    assert "What would change it" in out
    data = json.loads((tmp_path / "r.json").read_bytes())
    assert data["promotes"] is False
    assert data["verdict"]["claims"][0]["opponent"] == "the champion"


def test_on_success_the_very_candidate_is_promoted_whole(run, trained, tmp_path, monkeypatch, capsys):
    from pointsman_training.gate import verdict

    monkeypatch.setattr(verdict.Verdict, "promotes", property(lambda self: True))
    assert run("--promote-to", tmp_path / "live") == 0
    assert read_bundle(tmp_path / "live").digest == read_bundle(trained).digest
    assert "PROMOTE\n" in capsys.readouterr().out


def test_a_candidate_that_changed_since_it_passed_is_not_promoted(trained, tmp_path):
    with pytest.raises(BundleError, match="has changed since it passed the gate"):
        promote(trained, tmp_path / "live", "0" * 16)
    assert not (tmp_path / "live").exists()


def test_the_champion_itself_is_equal_and_not_promoted(run, trained, tmp_path, capsys):
    copy = shutil.copytree(trained, tmp_path / "copy")
    assert run("--promote-to", tmp_path / "live", against=copy) == 3
    assert "they are equal" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "live").exists()


def test_rows_a_bundle_learned_from_are_refused_and_may_be_allowed(trained, champion, world):
    inputs = Inputs(trained, champion, [world.outcomes], world.prices)
    terms = Terms(split="train")
    assert gate(inputs, terms).verdict.checks[4].status == "failed"
    allowed = Terms(split="train", bounds=Bounds(allows_seen=True))
    assert gate(inputs, allowed).verdict.checks[4].status == "waived"


def test_a_bundle_with_a_constant_is_measured_as_the_constant_it_serves_at_its_own_dial(trained, changed, world):
    model = "gpt-4o-mini"
    constant = changed("constant", constant=model)
    found = gate(Inputs(constant, changed("other", scale=0.5, constant=model), [world.outcomes], world.prices), Terms())
    champion = found.verdict.claims[0]
    assert (champion.quality.value, champion.cost_usd.value) == (0, 0)
    plain = gate(Inputs(constant, changed("free", scale=0.5), [world.outcomes], world.prices), Terms())
    assert plain.verdict.claims[0].gain.value == champion.gain.value


def test_sources_are_pooled_by_model_and_stay_known_as_slices_and_contributors(trained, champion, world, outcomes):
    together = pooled(outcomes)
    assert together.columns == tuple(("all", model) for model in outcomes.models)
    assert np.isfinite(together.scores).sum() == np.isfinite(outcomes.scores).sum()
    models = tuple(model for model in outcomes.models if model != "gpt-4o")
    bundles = read_bundle(trained), read_bundle(champion)
    field = Field.of(bundles, outcomes, read_prices(world.prices), Terms(models=models, source="all"))
    assert set(field.sources) == {"school", "office"}
    assert field.contributors.tolist() == field.sources.tolist()


def test_a_contributor_column_decides_who_is_left_out(trained, champion, world, rows, write_table, tmp_path):
    path = write_table(tmp_path / "o.parquet", [row | {"team": f"team {row['group'][-1]}"} for row in rows])
    inputs = Inputs(trained, champion, [path], world.prices)
    check = gate(inputs, Terms(contributor="team")).verdict.checks[3]
    assert check.status == "passed"
    assert check.finding.startswith("the first check doesn't hold either without the rows of any one of ")
    with pytest.raises(InvalidInput, match=r"--contributor-column is 'crew', which no file of outcomes has"):
        gate(inputs, Terms(contributor="crew"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--draws", "10"], "--draws is 10; expected at least 2,000"),
        (["--seed", "-1"], "--seed is -1"),
        (["--margin", "2"], "--margin is 2; expected a quality from 0 to 1."),
        (["--max-slice-drop", "nan"], "--max-slice-drop is nan"),
        (["--models", "gpt-4o,gpt-9"], "no outcomes for 'gpt-9'"),
        (["--promote-to", "/tmp"], "/tmp exists and is no bundle"),
    ],
)
def test_what_cannot_be_used_is_refused_with_exit_2(run, capsys, words, message):
    assert run(*words) == 2
    assert message in capsys.readouterr().err


def test_the_verb_is_offered_with_its_summary(capsys):
    assert main(["--help"]) == 0
    assert "promote a bundle, or say why not" in capsys.readouterr().out
    assert verb.NOT_PROMOTED == 3


def test_training_says_what_routing_is_worth(trained, outcomes):
    manifest = read_bundle(trained).manifest
    worth = manifest.metrics["worth_of_routing"]
    assert manifest.constant == (None if worth["lowest_one_sided"] > 0 else worth["best_constant"])
    card = (trained / "card.md").read_text()
    assert "At the default dial, routing gains" in card
    assert ("**This bundle serves" in card) == (manifest.constant is not None)


def test_the_recipe_marks_a_bundle_that_chance_alone_could_explain(learned):
    assert learned.worth.prompts > 50
    assert learned.worth.model in learned.fleet.names
