import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import UnknownModel
from pointsman.prediction import Predictor, Unmeasured, ability_table, measured_table
from pointsman.prediction.bundle import Ability, TypicalDemand
from pointsman.prediction.predictor import Reading


def ability(fast_bias, fast_vector, deep_bias, length_bias=5.0):
    return Ability(
        fast_bias=fast_bias,
        fast_vector=fast_vector,
        deep_bias=deep_bias,
        deep_vector=(0.0, 0.0),
        length_bias=length_bias,
        length_vector=(1.0,),
        outcomes=10,
        sources=("s",),
    )


@pytest.fixture
def manifest(real):
    abilities = {"weak": ability(0.0, (1.0, 0.0), -1.0, 4.0), "strong": ability(2.0, (0.0, 2.0), 3.0, 6.0)}
    layout = msgspec.structs.replace(real.manifest.layout, demand=2, length=1)
    return msgspec.structs.replace(real.manifest, abilities=abilities, layout=layout, typical_demand=None)


def reading(depth="fast", demand=((0.0, 0.0), (1.0, -1.0)), length=((0.0,), (1.0,))):
    rows = len(demand)
    return Reading(
        demand=np.array(demand, dtype=np.float32),
        length=np.array(length, dtype=np.float32),
        complexity=np.full((rows, 3), 1 / 3, dtype=np.float32),
        type=np.full((rows, 16), 1 / 16, dtype=np.float32),
        novelty=np.zeros(rows, dtype=np.float32),
        depth=depth,
    )


def logistic(logit):
    return 1 / (1 + math.exp(-logit))


def test_quality_is_the_logistic_of_bias_plus_demand_times_vector(manifest):
    table = measured_table(manifest)
    assert (table.models, table.is_measured) == (("weak", "strong"), (True, True))
    expected = [[logistic(0), logistic(2)], [logistic(1), logistic(2 - 2)]]
    np.testing.assert_allclose(table.quality(reading()), expected, rtol=1e-6)
    np.testing.assert_allclose(table.quality(reading("deep")), [[logistic(-1), logistic(3)]] * 2, rtol=1e-6)


def test_output_tokens_are_the_exponential_kept_between_one_and_a_hundred_thousand(manifest):
    lengths = ((0.0,), (-100.0,), (100.0,))
    tokens = measured_table(manifest).output_tokens(reading(demand=((0, 0),) * 3, length=lengths))
    expected = [[math.exp(4), math.exp(6)], [1, 1], [100_000, 100_000]]
    np.testing.assert_allclose(tokens, expected, rtol=1e-4)


def test_models_are_taken_in_the_order_asked_for(manifest):
    table = measured_table(manifest, ["strong", "weak"])
    assert table.models == ("strong", "weak")
    np.testing.assert_array_equal(table.quality(reading()), measured_table(manifest).quality(reading())[:, ::-1])


@pytest.mark.parametrize("models", [["gpt-9"], ["weak", "gpt-9"], [""]])
def test_a_model_without_outcomes_is_refused_with_the_known_ones(manifest, models):
    with pytest.raises(UnknownModel) as refusal:
        measured_table(manifest, models)
    assert refusal.value.message == f"The bundle has no outcomes for {models[-1]!r}; it knows strong, weak."
    assert refusal.value.field == "models"


def test_a_measured_model_keeps_its_ability_whatever_its_card_says(manifest):
    table = ability_table(manifest, {"strong": Unmeasured(kin="weak", kin_shift=-3, usd_per_mtok=0.01)})
    assert table.is_measured == (True,)
    np.testing.assert_array_equal(table.quality(reading()), measured_table(manifest, ["strong"]).quality(reading()))


def test_an_unmeasured_model_has_its_kins_quality_with_the_shift_added_to_the_logit(manifest):
    shifts = (-0.5, 0.0, 1.5)
    known = {f"new{shift}": Unmeasured(kin="strong", kin_shift=shift, usd_per_mtok=1.0) for shift in shifts}
    table = ability_table(manifest, known)
    assert table.is_measured == (False, False, False)
    np.testing.assert_allclose(table.quality(reading())[0], [logistic(2 + shift) for shift in shifts], rtol=1e-6)
    np.testing.assert_allclose(table.quality(reading("deep"))[1], [logistic(3 + shift) for shift in shifts], rtol=1e-6)
    np.testing.assert_allclose(table.output_tokens(reading())[0], [math.exp(6)] * 3, rtol=1e-5)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_greater_shift_never_lowers_quality(real, one, other):
    kin = next(iter(real.manifest.abilities))
    known = {"low": Unmeasured(kin, min(one, other), 1.0), "high": Unmeasured(kin, max(one, other), 1.0)}
    demand = np.linspace(-1, 1, real.manifest.layout.demand)[np.newaxis]
    low, high = ability_table(real.manifest, known).quality(reading(demand=demand))[0]
    assert low <= high


@pytest.mark.parametrize("slope", [0.4, 0.0, -0.4])
def test_a_model_known_by_price_only_has_on_typical_tasks_the_level_that_its_price_leads_to_expect(manifest, slope):
    prior = msgspec.structs.replace(manifest.price_prior, intercept=0.5, slope=slope)
    typical = TypicalDemand(fast=(1.0, -1.0), deep=(1.0, -1.0))
    manifest = msgspec.structs.replace(manifest, price_prior=prior, typical_demand=typical)
    prices = (0.1, 1.0, 20.0)
    known = {f"at {price}": Unmeasured(kin=None, kin_shift=9.0, usd_per_mtok=price) for price in prices}
    table = ability_table(manifest, known)
    expected = [logistic(0.5 + slope * math.log(price)) for price in prices]
    for depth in ("fast", "deep"):
        np.testing.assert_allclose(table.quality(reading(depth))[1], expected, rtol=1e-5)
    np.testing.assert_allclose(table.output_tokens(reading())[0], [math.exp(5)] * 3, rtol=1e-5)


@given(st.floats(0, 1_000), st.floats(0, 1_000))
def test_a_dearer_unmeasured_model_is_expected_to_be_no_worse_where_the_slope_is_positive(real, one, other):
    manifest = msgspec.structs.replace(
        real.manifest, price_prior=msgspec.structs.replace(real.manifest.price_prior, slope=0.3)
    )
    known = {"cheap": Unmeasured(None, 0.0, min(one, other)), "dear": Unmeasured(None, 0.0, max(one, other))}
    demand = np.linspace(-1, 1, manifest.layout.demand)[np.newaxis]
    cheap, dear = ability_table(manifest, known).quality(reading(demand=demand))[0]
    assert cheap <= dear


def test_a_kin_that_has_no_outcomes_either_leaves_the_price_to_decide(manifest):
    known = {"a": Unmeasured("nobody", 2.0, 1.0), "b": Unmeasured(None, 0.0, 1.0), "free": Unmeasured(None, 0.0, 0.0)}
    quality = ability_table(manifest, known).quality(reading())
    np.testing.assert_array_equal(quality[:, 0], quality[:, 1])
    assert np.isfinite(quality).all()


def test_every_ability_of_the_real_bundle_gives_qualities_between_zero_and_one(real):
    table = measured_table(real.manifest)
    quality = table.quality(Predictor(real).read(["Fix the login bug", "x" * 10_000, "Prove Fermat's theorem"], "deep"))
    assert quality.shape == (3, len(real.manifest.abilities))
    assert ((quality > 0) & (quality < 1)).all()
