import numpy as np
import pytest
from scipy.special import expit, softmax

from pointsman_training.ability import Abilities, Lengths
from pointsman_training.heads import Outputs, leading_demands
from pointsman_training.stack import _fit_column, fit_complexity, fit_lengths, fit_quality

COLUMNS = (("x", "a"), ("x", "b"), ("y", "c"))
REFERENCE = {"a": 0, "b": 1, "c": 2}
K = 5


def abilities_of(rng):
    scores = np.full((10, 3), 0.5, dtype=np.float32)
    abilities = Abilities.initial(COLUMNS, scores, K, rng)
    abilities.vectors[:] *= 2
    abilities.source_effects[:] = [0.4, -0.6]
    return abilities


def outputs_of(rng, n, abilities, *, noise=0.0):
    """Outputs whose demand is the truth plus noise; boosting and kernel repeat the network in their own directions."""
    true = rng.normal(size=(n, K)).astype(np.float32)
    demand = true + rng.normal(0, noise, true.shape).astype(np.float32) if noise else true
    complexity = rng.normal(size=(n, 3)).astype(np.float32)
    blocks = Outputs(
        demand,
        rng.normal(size=(n, 2)).astype(np.float32),
        complexity,
        rng.normal(size=(n, 16)).astype(np.float32),
        demand @ leading_demands(abilities),
        rng.normal(size=(n, 1)).astype(np.float32),
        softmax(complexity, axis=1)[:, [0, 2]],
        demand @ leading_demands(abilities, 8),
        rng.normal(size=(n, 1)).astype(np.float32),
    )
    return true, blocks


def test_with_outputs_free_of_noise_the_stack_leaves_the_network_as_it_is():
    rng = np.random.default_rng(0)
    abilities = abilities_of(rng)
    true, outputs = outputs_of(rng, 8000, abilities)
    exact = abilities.logits(true)
    scores = (rng.random(exact.shape) < expit(exact)).astype(np.float32)
    stack = fit_quality(outputs, scores, abilities, {"a": 0, "b": 1}, "x")
    found = stack.logits(outputs)
    for model in (0, 1):
        slope, offset = np.polyfit(exact[:, model], found[:, model], 1)
        assert (slope, offset) == pytest.approx((1, 0), abs=0.1)


def test_noise_in_the_outputs_flattens_the_slope():
    rng = np.random.default_rng(1)
    abilities = abilities_of(rng)
    true, outputs = outputs_of(rng, 8000, abilities, noise=1.0)
    scores = (rng.random((8000, 3)) < expit(abilities.logits(true))).astype(np.float32)
    stack = fit_quality(outputs, scores, abilities, REFERENCE, "x")
    raw, found = abilities.logits(outputs.demand)[:, 0], stack.logits(outputs)[:, 0]
    assert np.polyfit(raw, found, 1)[0] < 0.6
    assert expit(found).mean() == pytest.approx(scores[:, 0].mean(), abs=0.01)


def test_outputs_far_too_sure_of_themselves_are_flattened_as_well():
    rng = np.random.default_rng(1)
    abilities = abilities_of(rng)
    true, outputs = outputs_of(rng, 8000, abilities, noise=3.0)
    scores = (rng.random((8000, 3)) < expit(abilities.logits(true))).astype(np.float32)
    found = fit_quality(outputs, scores, abilities, REFERENCE, "x").logits(outputs)[:, 0]
    assert 0 < np.polyfit(abilities.logits(outputs.demand)[:, 0], found, 1)[0] < 0.3


def test_with_few_outcomes_the_stack_stays_near_the_prior():
    rng = np.random.default_rng(2)
    abilities = abilities_of(rng)
    true, outputs = outputs_of(rng, 500, abilities)
    scores = np.full((500, 3), np.nan, dtype=np.float32)
    scores[:3, :2] = 1 - np.round(expit(abilities.logits(true)[:3, :2]))
    stack = fit_quality(outputs, scores, abilities, {"a": 0, "b": 1}, "x")
    exact = abilities.logits(true)[:, :2]
    slopes = [np.polyfit(exact[:, model], stack.logits(outputs)[:, model], 1)[0] for model in (0, 1)]
    assert slopes == pytest.approx([1, 1], abs=0.25)
    np.testing.assert_allclose(stack.shares, [[0.5, 0.15, 0.5]] * 2, atol=0.1)


def test_a_model_of_another_source_is_moved_by_the_difference_of_the_sources():
    rng = np.random.default_rng(3)
    abilities = abilities_of(rng)
    _, outputs = outputs_of(rng, 50, abilities)
    scores = np.full((50, 3), np.nan, dtype=np.float32)
    home, away = (fit_quality(outputs, scores, abilities, {"c": 2}, source).biases[0] for source in ("y", "x"))
    assert away - home == pytest.approx(0.4 + 0.6)


def test_rows_that_were_not_held_out_teach_nothing():
    rng = np.random.default_rng(4)
    abilities = abilities_of(rng)
    true, outputs = outputs_of(rng, 300, abilities)
    scores = (rng.random((300, 3)) < expit(abilities.logits(true))).astype(np.float32)
    for block in (outputs.demand, outputs.boosted_demand, outputs.kernel_demand):
        block[100:] = np.nan
    changed = scores.copy()
    changed[100:] = 1 - changed[100:]
    stacks = [fit_quality(outputs, table, abilities, REFERENCE, "x") for table in (scores, changed)]
    np.testing.assert_array_equal(stacks[0].vectors, stacks[1].vectors)
    np.testing.assert_array_equal(stacks[0].biases, stacks[1].biases)


def test_expected_lengths_have_the_right_mean():
    rng = np.random.default_rng(5)
    _, outputs = outputs_of(rng, 3000, abilities_of(rng))
    logs = (5 + outputs.length @ [[0.5, 0.1, 0.3], [0.2, 0.6, 0.1]] + rng.normal(0, 0.8, (3000, 3))).astype(np.float32)
    logs[rng.random(logs.shape) < 0.3] = np.nan
    stack = fit_lengths(outputs, logs, Lengths.initial(logs, 2, rng), REFERENCE)
    tokens = np.where(np.isfinite(logs), stack.tokens(outputs), np.nan)
    np.testing.assert_allclose(np.nanmean(tokens, axis=0), np.nanmean(np.exp(logs), axis=0), rtol=1e-3)
    np.testing.assert_allclose(stack.vectors[:2], [[0.5, 0.1, 0.3], [0.2, 0.6, 0.1]], atol=0.06)


def test_a_model_of_unknown_lengths_gets_the_mean_of_the_others():
    rng = np.random.default_rng(6)
    _, outputs = outputs_of(rng, 200, abilities_of(rng))
    logs = rng.normal(5, 0.5, (200, 3)).astype(np.float32)
    logs[:, 2] = np.nan
    stack = fit_lengths(outputs, logs, Lengths.initial(logs, 2, rng), REFERENCE)
    np.testing.assert_allclose(stack.vectors[:, 2], stack.vectors[:, :2].mean(axis=1), atol=1e-6)
    assert stack.biases[2] == pytest.approx(stack.biases[:2].mean(), abs=1e-5)


def test_overconfident_complexity_is_calibrated():
    rng = np.random.default_rng(7)
    _, outputs = outputs_of(rng, 6000, abilities_of(rng))
    true = softmax(outputs.complexity, axis=1)
    labels = np.array([rng.choice(3, p=p) for p in true])
    outputs.complexity[:] *= 4
    chance = softmax(fit_complexity(outputs, labels).logits(outputs), axis=1)
    loud = softmax(outputs.complexity, axis=1)
    likelihood, before = (np.log(p[np.arange(6000), labels]).mean() for p in (chance, loud))
    assert likelihood > before + 0.3
    sure = chance.max(axis=1)
    for part in np.array_split(np.argsort(sure), 5):
        assert sure[part].mean() == pytest.approx((chance.argmax(axis=1) == labels)[part].mean(), abs=0.06)


def test_a_model_that_did_part_of_the_main_source_is_judged_by_all_its_sources_alike():
    rng = np.random.default_rng(10)
    abilities = Abilities.initial((("x", "a"), ("x", "b"), ("y", "b")), np.full((10, 3), 0.5, np.float32), K, rng)
    _, outputs = outputs_of(rng, 400, abilities)
    scores = (rng.random((400, 3)) < expit(abilities.logits(outputs.demand))).astype(np.float32)
    scores[:200, 2], scores[200:, 1], scores[200:, 0] = np.nan, np.nan, np.nan
    scores[50:200, 1] = np.nan
    both = fit_quality(outputs, scores, abilities, {"a": 0, "b": 1}, "x").vectors[:, 1]
    apart = [_fit_column(outputs, scores[:, column], abilities, column)[0] for column in (1, 2)]
    np.testing.assert_allclose(both, np.mean(apart, axis=0), atol=1e-6)
    scores[:200, 1] = scores[:200, 0]
    covered = fit_quality(outputs, scores, abilities, {"a": 0, "b": 1}, "x").vectors[:, 1]
    np.testing.assert_allclose(covered, _fit_column(outputs, scores[:, 1], abilities, 1)[0], atol=1e-6)
