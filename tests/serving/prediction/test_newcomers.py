import math
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import BundleError, InvalidInput, UnknownModel
from pointsman.prediction import ability_table, read_bundle, write_bundle
from pointsman.prediction.abilities import Unmeasured
from pointsman.prediction.bundle import Ability, BenchmarkPrior, TypicalDemand
from pointsman.prediction.newcomers import Facts, Level, Scored, fit_newcomer, level_of

MODELS = 30


@pytest.fixture(scope="module")
def manifest(real):
    """Thirty models of one demand and one length number; a price and a benchmark that say something."""
    rng = np.random.default_rng(0)
    layout = msgspec.structs.replace(real.manifest.layout, demand=1, length=1)
    abilities = {}
    for number in range(MODELS):
        bias, slope = rng.normal(), 1 + 0.1 * rng.normal()
        abilities[f"model-{number}"] = Ability(bias, (slope,), bias, (slope,), 5.0, (0.5 + 0.1 * rng.normal(),), 9, ())
    return msgspec.structs.replace(
        real.manifest,
        layout=layout,
        abilities=abilities,
        typical_demand=TypicalDemand((0.5,), (0.5,)),
        price_prior=msgspec.structs.replace(real.manifest.price_prior, intercept=0.2, slope=0.3, residual=0.6),
        benchmark_priors={"exam": BenchmarkPrior(0.1, 1.1, 0.3, 20)},
    )


def scored_by(bias, slope, count, seed=1):
    rng = np.random.default_rng(seed)
    demand = rng.normal(size=(count, 1)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(bias + slope * demand[:, 0])))
    tokens = np.exp(5.5 + 0.5 * demand[:, 0])
    return Scored({"fast": demand, "deep": demand}, demand, (rng.random(count) < chance) * 1.0, tokens, ("mine",))


def test_a_model_nothing_is_known_of_has_the_mean_ability_and_says_how_uncertain_it_is(manifest):
    found = fit_newcomer(manifest, "new", Facts())
    mean = np.mean([ability.deep_bias for ability in manifest.abilities.values()])
    assert found.ability.deep_bias == pytest.approx(mean, abs=1e-6)
    assert (found.ability.outcomes, found.ability.sources) == (0, ())
    assert found.before == found.after
    assert found.ability.deviation == pytest.approx(found.after.deviation, abs=1e-6)
    assert 0.5 < found.after.deviation < 1.5


def test_scores_bring_the_ability_to_the_truth_and_the_deviation_down(manifest):
    levels = [fit_newcomer(manifest, "new", Facts(), scored_by(2.0, 1.0, count)) for count in (20, 200, 2000)]
    deviations = [found.after.deviation for found in levels]
    assert deviations == sorted(deviations, reverse=True)
    ability = levels[-1].ability
    assert (ability.deep_bias, ability.deep_vector[0]) == pytest.approx((2.0, 1.0), abs=0.2)
    assert (ability.length_bias, ability.length_vector[0]) == pytest.approx((5.5, 0.5), abs=0.02)
    assert (ability.outcomes, ability.sources) == (2000, ("mine",))
    assert levels[0].after.deviation < levels[0].before.deviation
    assert levels[-1].after.deviation < 0.1


def test_the_outcomes_that_a_bundle_has_of_the_model_itself_are_left_aside(manifest):
    others = {name: ability for name, ability in manifest.abilities.items() if name != "model-3"}
    without = msgspec.structs.replace(manifest, abilities=others)
    known, scored = Facts(usd_per_mtok=2.0), scored_by(0.5, 1.0, 30)
    assert fit_newcomer(manifest, "model-3", known, scored) == fit_newcomer(without, "model-3", known, scored)


def test_earlier_newcomers_are_no_evidence_about_later_ones(manifest):
    first = fit_newcomer(manifest, "first", Facts(), scored_by(3.0, 1.0, 50)).ability
    more = msgspec.structs.replace(manifest, abilities={**manifest.abilities, "first": first})
    assert fit_newcomer(more, "second", Facts()) == fit_newcomer(manifest, "second", Facts())


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_dearer_model_is_expected_to_be_no_worse(manifest, one, other):
    cheap, dear = (fit_newcomer(manifest, "new", Facts(usd_per_mtok=usd)).after.logit for usd in sorted((one, other)))
    assert cheap <= dear


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_better_published_score_never_lowers_the_level(manifest, one, other):
    low, high = (
        fit_newcomer(manifest, "new", Facts(benchmarks={"exam": score})).after.logit for score in sorted((one, other))
    )
    assert low <= high


def test_a_price_alone_leaves_the_level_that_the_price_prior_expects(manifest):
    level = fit_newcomer(manifest, "new", Facts(usd_per_mtok=math.e)).after
    assert (level.logit, level.deviation) == pytest.approx((0.5, 0.6), abs=1e-6)


def test_each_further_fact_makes_the_level_more_certain(manifest):
    facts = (Facts(), Facts(usd_per_mtok=1.0), Facts(usd_per_mtok=1.0, benchmarks={"exam": 0.7}))
    deviations = [fit_newcomer(manifest, "new", fact).after.deviation for fact in facts]
    assert deviations == sorted(deviations, reverse=True)


def test_a_model_like_another_lies_between_that_one_and_the_mean(manifest):
    mean = fit_newcomer(manifest, "new", Facts()).after
    best = max(manifest.abilities, key=lambda name: manifest.abilities[name].deep_bias)
    found = fit_newcomer(manifest, "new", Facts(like=best)).after
    assert mean.logit < found.logit < level_of(manifest, manifest.abilities[best]).logit
    assert found.deviation < mean.deviation


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        (Facts(like="nobody"), UnknownModel, "--like names 'nobody', which the bundle has no ability of"),
        (Facts(benchmarks={"quiz": 0.5}), InvalidInput, "knows nothing of the benchmark 'quiz'; it knows exam."),
        (Facts(benchmarks={"exam": 72}), InvalidInput, "score is 72; expected a share above 0 and below 1"),
        (Facts(benchmarks={"exam": math.nan}), InvalidInput, "score is nan"),
    ],
)
def test_a_fact_that_cannot_be_used_is_refused(manifest, facts, error, words):
    with pytest.raises(error, match=re.escape(words)):
        fit_newcomer(manifest, "new", facts)


def test_a_prior_on_disk_is_not_called_measured_and_scores_are(manifest):
    unknown = Unmeasured(None, 0.0, 1.0)
    for scored, is_measured in ((None, False), (scored_by(0.0, 1.0, 5), True)):
        ability = fit_newcomer(manifest, "new", Facts(), scored).ability
        with_it = msgspec.structs.replace(manifest, abilities={**manifest.abilities, "new": ability})
        assert ability_table(with_it, {"new": unknown}).is_measured == (is_measured,)


def test_a_level_is_shown_with_its_deviation_where_one_is_stated():
    assert Level(0.0, 0.4).words == "0.500 ± 0.100"
    assert Level(0.0, 0.0).words == "0.500"


def test_what_places_newcomers_survives_the_disk(light_dir, tmp_path):
    bundle = read_bundle(light_dir)
    width = bundle.manifest.layout.demand
    name = next(iter(bundle.manifest.abilities))
    ability = msgspec.structs.replace(bundle.manifest.abilities[name], deviation=0.25)
    manifest = msgspec.structs.replace(
        bundle.manifest,
        abilities={**bundle.manifest.abilities, name: ability},
        typical_demand=TypicalDemand((0.5,) * width, (0.25,) * width),
        benchmark_priors={"exam": BenchmarkPrior(0.1, 1.1, 0.3, 20)},
    )
    contents = {file: (light_dir / file).read_bytes() for file in ("graph.onnx", "tokenizer.json", "card.md")}
    again = read_bundle(write_bundle(tmp_path / "bundle", manifest, contents)).manifest
    assert again.abilities == manifest.abilities
    assert (again.typical_demand, again.benchmark_priors) == (manifest.typical_demand, manifest.benchmark_priors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: next(iter(m["abilities"].values())).update(deviation=-0.1), "deviation of"),
        (lambda m: m.update(typical_demand={"fast": [0.0], "deep": [0.0]}), "typical_demand must have as many numbers"),
        (
            lambda m: m.update(benchmark_priors={"exam": {"intercept": 0, "slope": 1, "residual": 0, "models": 9}}),
            "residual of every benchmark prior",
        ),
    ],
)
def test_a_bundle_with_impossible_uncertainty_is_refused(copied, edit_manifest, change, words):
    edit_manifest(copied, change)
    with pytest.raises(BundleError, match=words):
        read_bundle(copied)
