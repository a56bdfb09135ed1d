"""How long an answer may be, and what the concise instruction changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation import Effect, Trial, concise_effect, instruction, output_limit
from pointsman.conversation.concise import INSTRUCTIONS, VERSION, Comparison, is_concise
from pointsman.conversation.output import FACTORS, LEAST_TOKENS, QUANTILES, length_factor
from pointsman.errors import InvalidInput
from pointsman.settings import OutputSettings
from pointsman.types import TASK_TYPES

PREDICTED = OutputSettings(predicted=True)


@pytest.mark.parametrize(
    ("settings", "limits", "expected"),
    [
        (OutputSettings(), {}, None),
        (OutputSettings(), {"predicted_tokens": 10.0}, None),
        (OutputSettings(), {"asked": 500, "plan_tokens": 800}, 500),
        (OutputSettings(), {"asked": 900, "plan_tokens": 800}, 800),
        (OutputSettings(max_tokens_by_type={"translation": 300}), {"asked": 900}, 300),
        (OutputSettings(max_tokens_by_type={"testing": 300}), {"asked": 900}, 900),
        (PREDICTED, {"predicted_tokens": 400.0}, 800),
        (PREDICTED, {"predicted_tokens": 400.0, "asked": 100}, 100),
        (PREDICTED, {"predicted_tokens": 1.0}, LEAST_TOKENS),
        (PREDICTED, {"predicted_tokens": float("nan"), "plan_tokens": 70}, 70),
        (PREDICTED, {"predicted_tokens": None}, None),
        (OutputSettings(predicted=True, quantile=0.99), {"predicted_tokens": 400.0}, 1_580),
    ],
)
def test_the_least_of_all_limits_counts(settings, limits, expected):
    assert output_limit(settings, "translation", **limits) == expected


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_greater_quantile_never_lowers_the_limit(one, other):
    low, high = sorted((one, other))
    assert FACTORS[0] <= length_factor(low) <= length_factor(high) <= FACTORS[-1]


def test_the_measured_quantiles_have_their_measured_factors():
    assert [length_factor(quantile) for quantile in QUANTILES] == pytest.approx(FACTORS)


def test_every_task_type_but_creative_writing_has_a_short_instruction():
    assert set(TASK_TYPES) - set(INSTRUCTIONS) == {"creative_writing"}
    assert max(map(len, INSTRUCTIONS.values())) <= 110


def test_the_instruction_is_given_to_its_share_only_where_it_is_wanted():
    settings = OutputSettings(concise=True, concise_share=0.5)
    given_to = [unit for unit in map(str, range(2_000)) if instruction("translation", settings, unit)]
    assert 900 < len(given_to) < 1_100
    assert [instruction("translation", settings, unit) for unit in given_to[:3]] == [INSTRUCTIONS["translation"]] * 3
    assert instruction("translation", OutputSettings(), given_to[0]) is None
    assert instruction("creative_writing", settings, given_to[0]) is None


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_is_in_a_share_is_in_every_greater_one(unit, one, other):
    low, high = sorted((one, other))
    assert is_concise(low, unit) <= is_concise(high, unit)
    assert not is_concise(0.0, unit)
    assert is_concise(1.0, unit)


def trials(n_units, ratio, rng, quality=None):
    lengths = rng.lognormal(5, 0.5, size=(n_units, 3)) * np.where(np.arange(n_units) % 2, ratio, 1.0)[:, np.newaxis]
    return [
        Trial(str(unit), bool(unit % 2), int(length), quality) for unit in range(n_units) for length in lengths[unit]
    ]


def test_an_effect_is_found_where_there_is_one_and_its_interval_holds_it():
    effect = concise_effect(trials(600, 0.7, np.random.default_rng(1)), np.random.default_rng(2))
    tokens = effect.output_tokens
    assert (effect.version, effect.quality, tokens.answers) == (VERSION, None, (900, 900))
    assert tokens.low < tokens.difference < tokens.high < 0
    assert tokens.difference == pytest.approx(tokens.with_it - tokens.without)
    assert tokens.low < -0.3 * tokens.without < tokens.high


def test_no_effect_is_claimed_of_equal_sides_in_most_samples():
    """A 95 % interval misses zero in one sample of twenty; 8 or more of 40 have a chance below one in a thousand."""
    missed = 0
    for seed in range(40):
        tokens = concise_effect(trials(60, 1.0, np.random.default_rng(seed)), np.random.default_rng(0)).output_tokens
        missed += not tokens.low <= 0 <= tokens.high
    assert missed < 8


def test_quality_is_compared_where_it_was_judged_and_the_result_is_exact():
    rows = [Trial(f"{side}{n}", side, 10, 0.5 if side else 1.0) for side in (False, True) for n in range(4)]
    rows += [Trial("x", False, 10), Trial("y", True, 10)]
    assert concise_effect(rows, np.random.default_rng(0)) == Effect(
        VERSION, Comparison(10.0, 10.0, 0.0, 0.0, 0.0, (5, 5)), Comparison(1.0, 0.5, -0.5, -0.5, -0.5, (4, 4))
    )


def test_one_conversation_on_a_side_is_no_comparison():
    rows = [Trial("a", True, 10), Trial("a", True, 12), Trial("b", False, 9), Trial("c", False, 9)]
    with pytest.raises(InvalidInput, match="2 conversations without the instruction and 1 with it"):
        concise_effect(rows, np.random.default_rng(0))
