from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from pointsman_training.ability import Abilities, Lengths, OutcomeLoss
from pointsman_training.heads import Examples, TaskLoss
from pointsman_training.network import Network, Training, _gelu, _gradients, fit_network

COLUMNS = (("x", "a"), ("x", "b"), ("y", "a"), ("y", "c"))
N, INPUTS, DEMANDS, FACTORS = 12, 5, 3, 2
STILL = Training(hidden=6, input_dropout=0.0, hidden_dropout=0.0)


def network_of(rng, inputs, hidden, outputs):
    shapes = ((inputs, hidden), (hidden,), (hidden, outputs), (outputs,))
    return Network(*(rng.normal(0, 0.5, shape).astype(np.float64) for shape in shapes))


def double(record):
    """Return a frozen dataclass with all float arrays in float64, so that finite differences are exact enough."""
    fields = {
        name: value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value
        for name, value in vars(record).items()
    }
    return type(record)(**fields)


@pytest.fixture
def outcome_parts():
    rng = np.random.default_rng(1)
    scores = (rng.random((N, 4)) < 0.5).astype(np.float32)
    logs = rng.normal(5, 1, (N, 4)).astype(np.float32)
    scores[rng.random((N, 4)) < 0.3] = np.nan
    logs[rng.random((N, 4)) < 0.4] = np.nan
    scores[0] = logs[1] = np.nan
    abilities = double(Abilities.initial(COLUMNS, scores, DEMANDS, rng))
    lengths = double(Lengths.initial(logs, FACTORS, rng))
    for array in (abilities.vector_deviations, abilities.source_effects):
        array += rng.normal(0, 0.3, array.shape)
    return scores, logs, rng.random(N).astype(np.float32) + 0.5, abilities, lengths


def outcome_value(outputs, parts, *, penalised):
    """The loss by its definition: per prompt the weighted mean over what was observed."""
    scores, logs, weights, abilities, lengths = parts
    total = 0.0
    for i in range(N):
        logits = outputs[i, :DEMANDS] @ abilities.column_vectors + abilities.column_biases
        chance = np.clip(expit(logits), 1e-12, 1 - 1e-12)
        seen, timed = np.isfinite(scores[i]), np.isfinite(logs[i])
        if seen.any():
            s, p = scores[i, seen], chance[seen]
            total -= weights[i] * (s * np.log(p) + (1 - s) * np.log(1 - p)).mean()
        if timed.any():
            error = outputs[i, DEMANDS:] @ lengths.vectors[:, timed] + lengths.biases[timed] - logs[i, timed]
            total += weights[i] * 0.1 * (error**2).mean() / 2
    if penalised:
        deviations = (abilities.vector_deviations**2).sum() + (abilities.bias_deviations**2).sum()
        total += N * 1e-3 / 2 * deviations
    return total / N


def assert_gradients_match(parameters, gradients, value):
    """Compare each gradient with central differences of `value()`."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        numeric = np.zeros_like(parameter)
        for place in np.ndindex(parameter.shape):
            kept = parameter[place]
            sides = []
            for shift in (1e-5, -1e-5):
                parameter[place] = kept + shift
                sides.append(value())
            parameter[place] = kept
            numeric[place] = (sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("is_fixed", [False, True])
def test_gradients_of_outcomes_equal_finite_differences(outcome_parts, is_fixed):
    scores, logs, weights, abilities, lengths = outcome_parts
    rng = np.random.default_rng(2)
    inputs, network = rng.normal(size=(N, INPUTS)), network_of(rng, INPUTS, 6, DEMANDS + FACTORS)
    loss = OutcomeLoss(scores, logs, weights, abilities, lengths, is_fixed=is_fixed)
    assert len(loss.parameters) == (0 if is_fixed else 7)
    gradients = _gradients(network, inputs, np.arange(N), loss, STILL, rng)
    assert_gradients_match(
        [*network.weights, *loss.parameters],
        gradients,
        lambda: outcome_value(network(inputs), outcome_parts, penalised=not is_fixed),
    )


def test_gradients_of_labels_equal_finite_differences():
    rng = np.random.default_rng(3)
    empty = np.zeros((N, 0), dtype=np.float32)
    levels, kinds = rng.dirichlet(np.ones(3), N), rng.dirichlet(np.ones(4), N)
    ones, no_kind = np.ones(N), np.full(N, -1)
    examples = Examples(empty, empty, empty, ones, ones.astype(bool), no_kind, levels, kinds, ones)
    inputs, network = rng.normal(size=(N, INPUTS)), network_of(rng, INPUTS, 6, 7)

    def value():
        outputs = network(inputs)
        by_level = (levels * log_softmax(outputs[:, :3], axis=1)).sum()
        return -(by_level + (kinds * log_softmax(outputs[:, 3:], axis=1)).sum()) / N

    gradients = _gradients(network, inputs, np.arange(N), TaskLoss(examples), STILL, rng)
    assert_gradients_match(network.weights, gradients, value)


def test_a_network_is_two_matrices_with_gelu_between():
    rng = np.random.default_rng(4)
    network, inputs = network_of(rng, 3, 5, 2), rng.normal(size=(7, 3))
    hidden = _gelu(inputs @ network.input_weights + network.input_bias)[0]
    np.testing.assert_allclose(network(inputs), hidden @ network.output_weights + network.output_bias)
    np.testing.assert_allclose(_gelu(np.array([-10.0, 0.0, 1.0, 10.0]))[0], [0, 0, 0.8413447, 10], atol=1e-6)


def test_the_mean_of_networks_gives_the_mean_of_their_outputs():
    rng = np.random.default_rng(5)
    networks, inputs = [network_of(rng, 3, hidden, 2) for hidden in (4, 4, 6)], rng.normal(size=(9, 3))
    expected = np.mean([network(inputs) for network in networks], axis=0)
    np.testing.assert_allclose(Network.mean(networks)(inputs), expected, atol=1e-6)


def test_networks_beside_each_other_give_both_outputs():
    rng = np.random.default_rng(6)
    left, right, inputs = network_of(rng, 3, 4, 2), network_of(rng, 3, 6, 3), rng.normal(size=(9, 3))
    both = Network.beside(left, right)(inputs)
    np.testing.assert_allclose(both, np.hstack([left(inputs), right(inputs)]), atol=1e-6)


class _Squares:
    """Squared error to given targets."""

    parameters = ()

    def __init__(self, targets):
        self._targets = targets

    def gradients(self, outputs, rows):
        return outputs - self._targets[rows], []


def fitted(seed):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1500, 4)).astype(np.float32)
    targets = np.stack([inputs[:, 0] * inputs[:, 1], np.sin(inputs[:, 2])], axis=1)
    training = replace(STILL, hidden=64, weight_decay=0.0, learning_rate=3e-2, epochs=60)
    return fit_network(inputs, 2, _Squares(targets), training, np.random.default_rng(seed)), inputs, targets


def test_a_known_function_is_learned():
    network, inputs, targets = fitted(seed=1)
    assert ((network(inputs) - targets) ** 2).mean(axis=0).max() < 0.05 * targets.var(axis=0).min()
    assert all(weights.dtype == np.float32 for weights in network.weights)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (fitted(seed)[0].weights for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
