"""A one-hidden-layer network trained by Adam: small enough for numpy, and exactly what the ONNX graph computes.

Its losses may have parameters of their own (abilities); they are trained along, or kept fixed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import erf

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_INVERSE_SQRT_2: Final = np.float32(1 / math.sqrt(2))
_INVERSE_SQRT_2_PI: Final = np.float32(1 / math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Training:
    """How a network is trained; the defaults did well in cross-validation, and few others were tried."""

    hidden: int = 256
    input_dropout: float = 0.25
    hidden_dropout: float = 0.5
    weight_decay: float = 0.1
    learning_rate: float = 2e-3
    epochs: int = 10
    batch: int = 128


class Loss(Protocol):
    """A part of the loss: reads outputs of the network, returns their gradient, and has parameters of its own."""

    @property
    def parameters(self) -> list[Floats]:
        """Arrays trained along with the network, updated in place."""

    def gradients(self, outputs: Floats, rows: Integers) -> tuple[Floats, list[Floats]]:
        """Return the gradient to `outputs` (n, width) summed over these training rows, and those to `parameters`."""


@dataclass(frozen=True)
class Network:
    """Weights (inputs, hidden) and (hidden, outputs) with biases; calling it maps (n, inputs) to (n, outputs)."""

    input_weights: Floats
    input_bias: Floats
    output_weights: Floats
    output_bias: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """Return the outputs, float32 (n, outputs)."""
        hidden = inputs @ self.input_weights + self.input_bias
        return _gelu(hidden)[0] @ self.output_weights + self.output_bias

    @property
    def weights(self) -> list[Floats]:
        """All weights, in a fixed order."""
        return [self.input_weights, self.input_bias, self.output_weights, self.output_bias]

    @staticmethod
    def mean(networks: "Sequence[Network]") -> "Network":
        """Return one network whose outputs are the means of those of all."""
        share = np.float32(1 / len(networks))
        return Network(
            np.hstack([network.input_weights for network in networks]),
            np.hstack([network.input_bias for network in networks]),
            np.vstack([network.output_weights for network in networks]) * share,
            np.sum([network.output_bias for network in networks], axis=0) * share,
        )

    @staticmethod
    def beside(left: "Network", right: "Network") -> "Network":
        """Return one network whose outputs are those of both, side by side."""
        hidden_left, outputs_left = left.output_weights.shape
        hidden_right, outputs_right = right.output_weights.shape
        output_weights = np.zeros((hidden_left + hidden_right, outputs_left + outputs_right), dtype=np.float32)
        output_weights[:hidden_left, :outputs_left] = left.output_weights
        output_weights[hidden_left:, outputs_left:] = right.output_weights
        return Network(
            np.hstack([left.input_weights, right.input_weights]),
            np.hstack([left.input_bias, right.input_bias]),
            output_weights,
            np.hstack([left.output_bias, right.output_bias]),
        )


def fit_network(inputs: Floats, outputs: int, loss: Loss, training: Training, rng: np.random.Generator) -> Network:
    """Return a network of `outputs` numbers that minimises `loss` over the rows of `inputs` (n, d)."""
    width = inputs.shape[1]
    network = Network(
        _uniform(rng, width, training.hidden),
        np.zeros(training.hidden, dtype=np.float32),
        _uniform(rng, training.hidden, outputs),
        np.zeros(outputs, dtype=np.float32),
    )
    adam = _Adam([*network.weights, *loss.parameters], training.weight_decay)
    batches = list(_batches(len(inputs), training, rng))
    for step, rows in enumerate(batches):
        gradients = _gradients(network, inputs[rows], rows, loss, training, rng)
        adam.step(gradients, _one_cycle(step / len(batches)) * training.learning_rate)
    return network


def _gradients(
    network: Network, inputs: Floats, rows: Integers, loss: Loss, training: Training, rng: np.random.Generator
) -> list[Floats]:
    inputs = inputs * _dropout(rng, inputs.shape, training.input_dropout)
    activation, slope = _gelu(inputs @ network.input_weights + network.input_bias)
    kept = _dropout(rng, activation.shape, training.hidden_dropout)
    activation = activation * kept
    to_outputs, own = loss.gradients(activation @ network.output_weights + network.output_bias, rows)
    to_outputs = to_outputs / np.float32(len(rows))
    to_hidden = (to_outputs @ network.output_weights.T) * kept * slope
    return [
        inputs.T @ to_hidden,
        to_hidden.sum(axis=0),
        activation.T @ to_outputs,
        to_outputs.sum(axis=0),
        *(gradient / np.float32(len(rows)) for gradient in own),
    ]


def _batches(n: int, training: Training, rng: np.random.Generator) -> Iterator[Integers]:
    for _ in range(training.epochs):
        yield from np.array_split(rng.permutation(n), math.ceil(n / training.batch))


def _uniform(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    return (rng.uniform(-1, 1, (rows, columns)) / math.sqrt(rows)).astype(np.float32)


def _dropout(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> Floats:
    return (rng.random(shape, dtype=np.float32) >= share) * np.float32(1 / (1 - share))


def _gelu(x: Floats) -> tuple[Floats, Floats]:
    """Return GELU and its derivative."""
    below = np.float32(0.5) * (1 + erf(x * _INVERSE_SQRT_2))
    return x * below, below + x * np.exp(np.float32(-0.5) * x * x) * _INVERSE_SQRT_2_PI


def _one_cycle(progress: float, *, rise: float = 0.15) -> float:
    """Return the factor on the learning rate: up by a cosine, then down to zero (Smith, arXiv 1708.07120)."""
    if progress < rise:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / rise)) / 2
    return (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2


class _Adam:
    """Adam with decoupled weight decay on matrices (Loshchilov and Hutter, arXiv 1711.05101)."""

    def __init__(self, parameters: Sequence[Floats], weight_decay: float) -> None:
        self._parameters = parameters
        self._mean = [np.zeros_like(parameter) for parameter in parameters]
        self._square = [np.zeros_like(parameter) for parameter in parameters]
        self._weight_decay = np.float32(weight_decay)
        self._steps = 0

    def step(self, gradients: Sequence[Floats], rate: float) -> None:
        self._steps += 1
        corrected = np.float32(rate * math.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps))
        for parameter, gradient, mean, square in zip(
            self._parameters, gradients, self._mean, self._square, strict=True
        ):
            mean *= np.float32(0.9)
            mean += np.float32(0.1) * gradient
            square *= np.float32(0.999)
            square += np.float32(0.001) * gradient * gradient
            if parameter.ndim > 1:
                parameter *= 1 - np.float32(rate) * self._weight_decay
            parameter -= corrected * mean / (np.sqrt(square) + np.float32(1e-8))
