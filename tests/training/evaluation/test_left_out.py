import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import read_bundle
from pointsman.prediction.newcomers import Facts, level_of
from pointsman_training.evaluation.leaving_out import NOTHING, PRICE, Setting, cases, relearner, without
from pointsman_training.evaluation.left_out import (
    COUNTS,
    MEAN,
    NEAREST,
    NEIGHBOURS,
    LeftOut,
    constant_trial,
    full_trial,
    trials,
)
from pointsman_training.evaluation.protocols.cold_start import DRAWS, run
from pointsman_training.evaluation.protocols.protocol import Inputs, Options
from pointsman_training.evaluation.rows import fleet_of
from pointsman_training.prices import read_prices

MODEL = "gpt-4o"


@pytest.fixture(scope="module")
def setting(trained, world, outcomes):
    bundle, prices = read_bundle(trained), read_prices(world.prices)
    fleet = fleet_of(bundle.manifest, outcomes, prices, "school", (MODEL, "gpt-4o-mini"))
    rows = np.flatnonzero((outcomes.sources == "school") & (outcomes.splits == "dev"))
    return Setting(bundle, outcomes, prices, fleet, rows[np.isfinite(outcomes.scores[rows, fleet.columns[0]])])


@pytest.fixture(scope="module")
def left(setting):
    """A model left out of the small bundle, whose scores follow an ability that is known, on 700 invented demands."""
    manifest = without(setting.bundle.manifest, MODEL, setting.prices)
    rng = np.random.default_rng(0)
    known = list(manifest.abilities.values())
    demand = rng.normal(size=(700, manifest.layout.demand)).astype(np.float32)
    weights = 1.3 * np.mean([ability.deep_vector for ability in known], axis=0)
    weights *= 2 / np.linalg.norm(weights)
    logits = 1.0 + demand @ weights
    length = rng.normal(size=(700, manifest.layout.length)).astype(np.float32)
    return LeftOut(
        model=MODEL,
        depth="deep",
        manifest=manifest,
        facts={NOTHING: Facts(), PRICE: Facts(usd_per_mtok=6.25)},
        demand={"fast": demand, "deep": demand},
        length=length,
        embedding=demand,
        scores=(rng.random(700) < 1 / (1 + np.exp(-logits))).astype(np.float32),
        output_tokens=np.full(700, 120, dtype=np.float32),
        full_logits=logits,
        full_tokens=np.full(700, 120.0),
        constant=0.7,
    )


def test_every_predictor_is_tried_at_every_count_on_the_same_rows(left):
    found = list(trials(left, np.arange(200), np.arange(200, 700)))
    assert [(trial.prompts, trial.predictor) for trial in found] == [
        (count, name) for count in COUNTS for name in (NOTHING, PRICE, *((MEAN, NEIGHBOURS, NEAREST) if count else ()))
    ]


def test_more_scores_bring_the_ability_nearer_to_that_of_all_outcomes(left):
    found = [trial for trial in trials(left, np.arange(200), np.arange(200, 700)) if trial.predictor == NOTHING]
    errors, stated = [trial.logit_error for trial in found], [trial.deviation for trial in found]
    assert errors[-1] < errors[0]
    assert stated[1:] == sorted(stated[1:], reverse=True)
    rows = np.arange(200, 700)
    assert full_trial(left, rows).log_loss < found[-1].log_loss < constant_trial(left, rows).log_loss
    assert full_trial(left, rows).token_error == 0
    assert constant_trial(left, rows).auc == 0.5


def test_a_pool_too_small_for_a_count_leaves_it_out(left):
    assert {trial.prompts for trial in trials(left, np.arange(60), np.arange(200, 700))} == {0, 20, 50}


def test_scores_of_the_measured_rows_are_never_fitted(left):
    pool, rows = np.arange(200), np.arange(200, 700)
    flipped = replace(left, scores=np.where(np.arange(700) < 200, left.scores, 1 - left.scores))
    one, other = (list(trials(each, pool, rows)) for each in (left, flipped))
    assert [trial.auc for trial in one] == pytest.approx([1 - trial.auc for trial in other], abs=1e-6)


def test_the_manifest_without_a_model_knows_nothing_of_it(setting):
    rest = without(setting.bundle.manifest, MODEL, setting.prices)
    assert MODEL not in rest.abilities
    prices = {name: price for name, price in setting.prices.items() if name != MODEL}
    assert rest.price_prior == without(setting.bundle.manifest, MODEL, prices).price_prior
    assert rest.price_prior != setting.bundle.manifest.price_prior


def test_a_case_has_the_models_own_scores_and_the_bundles_ability_as_the_mark(setting):
    first, second = cases(setting, "deep")
    assert (first.model, second.model) == (MODEL, "gpt-4o-mini")
    column = setting.outcomes.columns.index(("school", MODEL))
    np.testing.assert_array_equal(first.scores, setting.outcomes.scores[setting.rows, column])
    ability = setting.bundle.manifest.abilities[MODEL]
    expected = ability.deep_bias + first.demand["deep"] @ np.array(ability.deep_vector)
    np.testing.assert_allclose(first.full_logits, expected, atol=1e-4)
    assert list(first.facts) == [NOTHING, PRICE]


def test_strict_learns_everything_again_without_the_model(setting, tasks, quick_run):
    told = []
    rest = relearner(setting, tasks, quick_run, told.append)(MODEL)
    assert told == [f"learning without {MODEL}"]
    assert set(rest.manifest.abilities) == set(setting.bundle.manifest.abilities) - {MODEL}
    assert rest.demand["deep"].shape == (len(setting.rows), setting.bundle.manifest.layout.demand)
    assert rest.length.shape == (len(setting.rows), setting.bundle.manifest.layout.length)
    assert np.isfinite([level_of(rest.manifest, ability).logit for ability in rest.manifest.abilities.values()]).all()


def test_the_report_has_its_ends_its_shares_and_its_caveats(trained, world, quick_run):
    inputs, options = Inputs([world.outcomes], world.prices, bundle=trained), Options(run=quick_run)
    report = run(inputs, options)
    assert (report.source, report.draws, report.is_strict) == ("school", DRAWS, False)
    assert (report.full.auc_share, report.full.log_loss_share) == (1, 1)
    assert (report.constant.auc_share, report.constant.log_loss_share) == (0, 0)
    assert {(row.prompts, row.predictor) for row in report.figures_by_count} == {(0, NOTHING), (0, PRICE)}
    assert [row.model for row in report.models] == list(read_bundle(trained).manifest.metrics["fleet"])
    data = json.loads(report.to_json())
    assert data["protocol"] == "cold-start"
    assert len(report.tables[0].rows) == len(report.figures_by_count) + 2
    assert all(len(row) == len(table.heads) for table in report.tables for row in table.rows)
    assert "one at a time, its ability left out" in report.headline
    assert any("demands were learned with" in note for note in report.notes)
    assert run(inputs, options).to_json() == report.to_json()


def test_too_few_dev_prompts_are_refused(trained, world, rows, write_table, tmp_path):
    few = [row for row in rows if row["split"] == "train" or row["group"] == "g6"]
    table = write_table(tmp_path / "few.parquet", few)
    with pytest.raises(InvalidOutcomes, match="at least four groups are needed"):
        run(Inputs([table], world.prices, bundle=trained), Options())


def test_the_bundle_says_where_typical_tasks_lie(setting):
    typical = setting.bundle.manifest.typical_demand
    assert len(typical.deep) == len(typical.fast) == setting.bundle.manifest.layout.demand
    assert setting.bundle.manifest.benchmark_priors == {}
    assert msgspec.json.encode(typical)
