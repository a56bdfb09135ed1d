import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from pointsman import Policy, Router, load_fleet
from pointsman.cli import main
from pointsman.errors import InvalidOutcomes
from pointsman.policy_file import read_policy
from pointsman.prediction import read_bundle
from pointsman_training.outcomes import read_outcomes
from pointsman_training.prices import read_prices
from pointsman_training.target import Choice, promises_on


@pytest.fixture(scope="module")
def fresh(world, rows, write_table, tmp_path_factory):
    """Outcomes like those of the world, of one source and in groups of their own, that no bundle learned from."""
    office = [
        {**row, "prompt_id": f"new-{row['prompt_id']}", "group": row["prompt_id"], "source": "desk", "split": "dev"}
        for row in rows
        if row["source"] == "school"
    ]
    return write_table(tmp_path_factory.mktemp("fresh") / "desk.parquet", office)


@pytest.fixture
def target(capsys, monkeypatch, trained, world):
    """Run `pointsman target` on the trained bundle; return code, output, errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        code = main(["target", "--bundle", str(trained), *map(str, words)])
        return code, *capsys.readouterr()

    return run


def test_a_quality_on_own_outcomes_becomes_a_policy_that_a_router_reads(target, fresh, world, trained, tmp_path):
    path = tmp_path / "policy.json"
    options = ("--outcomes", fresh, "--prices", world.prices, "--profile", "fast", "--tasks-per-month", "1000")
    code, out, err = target(*options, "--quality", "0.4", "--output", path)
    assert (code, err) == (0, "")
    assert "prompts of desk in" in out
    assert "at least 0.4 is promised with 95 % confidence" in out
    policy = read_policy(path)
    assert (policy.target_quality, policy.promises.source, policy.promises.evidence) == (0.4, "desk", "held out")
    assert policy.promises.bundle == read_bundle(trained).digest
    fleet = load_fleet("default").subset(policy.promises.fleet)
    decision = Router.load(trained, fleet, "fast", policy=path).route("Say the plural of the word for apples.")
    assert decision.promise.quality == 0.4
    assert decision.promise.reason is None or "novelty" in decision.promise.reason
    whole = Router.load(trained, "default", "fast", policy=path).route("Say the plural of the word for apples.")
    assert whole.promise.reason.startswith("another fleet than calibrated: with ")


def test_promises_on_outcomes_are_what_the_bundle_does_on_them(fresh, world, trained):
    bundle, outcomes = read_bundle(trained), read_outcomes([fresh])
    promises = promises_on(bundle, outcomes, read_prices(world.prices), Choice())
    models = tuple(promises.fleet)
    scores = outcomes.scores[:, [outcomes.columns.index(("desk", model)) for model in models]]
    whole = np.isfinite(scores).all(axis=1)
    assert promises.prompts == promises.groups <= whole.sum()
    texts = [text for text, is_whole in zip(outcomes.texts, whole, strict=True) if is_whole]
    fleet = load_fleet("default").subset(models)
    largest = promises.curves["deep"][-1]
    router = Router.load(trained, fleet, "deep", Policy(trade_usd=largest.trade_usd, confidence=None))
    decisions = router.route_many(texts)
    achieved = [
        row[models.index(decision.model)]
        for row, decision in zip(scores[whole], decisions, strict=True)
        if decision.novelty <= promises.novelty_ceiling + 1e-4
    ]
    assert np.mean(achieved) == pytest.approx(largest.quality, abs=0.03)


def test_a_spend_on_traffic_needs_no_outcomes_and_promises_nothing(target, tmp_path):
    traffic, path = tmp_path / "tasks.jsonl", tmp_path / "policy.json"
    traffic.write_text("".join(json.dumps({"description": f"Add {n} and 5"}) + "\n" for n in range(20)))
    options = ("--traffic", traffic, "--tasks-per-month", "1e5", "--profile", "fast")
    code, out, err = target(*options, "--spend", "200", "--output", path)
    assert (code, err) == (0, "")
    assert "Quality is predicted for these tasks" in out
    assert "a month expected of $200.00." in out
    policy = read_policy(path)
    assert (policy.target_quality, policy.threshold) == (None, None)
    assert policy.trade_usd > 0


def test_the_bundles_own_curve_serves_where_nothing_else_is_given(target, trained):
    code, out, _ = target("--spend", "1000", "--tasks-per-month", "1000")
    assert code == 0
    assert "cross-fitted, read auto." in out
    code, out, err = target("--quality", "0.999")
    assert (code, out) == (2, "")
    assert "the most that can be promised for this fleet is" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--spend", "5"), "--spend needs --tasks-per-month"),
        (("--spend", "5", "--tasks-per-month", "0"), "--tasks-per-month is 0; expected a number above 0."),
        (("--spend", "0", "--tasks-per-month", "5"), "target_spend is 0.0; expected a finite number above 0."),
        (("--spend", "nan", "--tasks-per-month", "5"), "target_spend is nan; expected a finite number above 0."),
        (("--quality", "2"), "target_quality is 2.0; expected a probability from 0 to 1."),
        (("--quality", "0.5", "--traffic", "x.jsonl"), "A quality can be promised on outcomes only"),
        (("--quality", "0.5", "--outcomes", "x"), "--outcomes needs --prices"),
        (("--quality", "0.5", "--output", "no/such/place.json"), "there is no directory no/such"),
    ],
)
def test_options_that_do_not_go_together_are_refused(target, words, message):
    code, out, err = target(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_rows_that_the_bundle_learned_from_are_refused(outcomes, world, trained):
    bundle = read_bundle(trained)
    with pytest.raises(InvalidOutcomes, match=r"^The bundle learned from these rows, so what it predicts"):
        promises_on(bundle, outcomes, read_prices(world.prices), Choice(source="school"))
    nothing = replace(outcomes, splits=np.full(len(outcomes), "train"), digests={})
    with pytest.raises(InvalidOutcomes, match=r"^'school' has no rows in the split 'dev'; choose another --split\.$"):
        promises_on(bundle, nothing, read_prices(world.prices), Choice(source="school", split="dev"))


def test_a_bundle_without_a_curve_says_what_to_do(capsys, monkeypatch, trained):
    bundle = read_bundle(trained)
    bare = msgspec.structs.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, promise=None))
    monkeypatch.setattr("pointsman.prediction.read_bundle", lambda path: bare)
    assert main(["target", "--quality", "0.5"]) == 2
    assert capsys.readouterr().err.startswith("error: The bundle carries no calibrated curve. Give --outcomes")
