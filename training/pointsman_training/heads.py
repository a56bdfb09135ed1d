"""Heads of one depth: embedding ⊕ text counts → demand, length, complexity, type, by boosting, kernel and network.

Gradient boosting, the kernel and the network learn the same targets; how much each counts is learned on held-out folds
(`stack`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor

from pointsman.errors import InvalidOutcomes
from pointsman.prediction.predictor import Depth
from pointsman_training.ability import Abilities, Lengths, OutcomeLoss, posterior_demand
from pointsman_training.kernel import Kernel, fit_kernel
from pointsman_training.network import Floats, Integers, Network, Training, fit_network

CLIP: Final = 4.0
BOOSTED_DEMANDS: Final = 4
KERNEL_DEMANDS: Final = 8
TASK_LANDMARKS: Final = 0.35
"""The share of the kernel's landmarks that are among labelled tasks.

With tasks in the kernel, log-loss at home was .0012 worse fast and .0003 deep, but difficulty of prompts from a source
left out (llmrouter_ulab) was ranked better: Spearman .19 to .23 fast, .16 to .20 deep.
"""
BOOSTED_COMPLEXITIES: Final = (0, 2)
"""Boosting predicts P(simple) and P(complex); P(medium) is what is left."""


@dataclass(frozen=True)
class Recipe:
    """The dials of training; the defaults are those of the shipped bundle. Kernels have (landmarks, components)."""

    demands: int = 16
    length_factors: int = 3
    fast_networks: int = 1
    deep_networks: int = 1
    network: Training = Training()
    task_network: Training = Training(hidden=128, epochs=20)
    tree_components: int = 32
    trees: int = 30
    tree_leaves: int = 15
    tree_rate: float = 0.16
    fast_kernel: tuple[int, int] = (768, 32)
    deep_kernel: tuple[int, int] = (1536, 96)


@dataclass(frozen=True)
class Examples:
    """n rows to learn from: outcomes, labelled tasks, or both.

    `scores` and `log_tokens` (n, c) hold NaN where nothing was observed; `complexity` (n, 3) and `type` (n, 16) are
    distributions; `label_weights` (n,) in [0, 1] are the chances that a row teaches these two; `boosts` (n,) says from
    which rows boosting learns demand; `kind` (n,) numbers the kinds of prompt that the kernel learns from, -1 is none.
    """

    counts: Floats
    scores: Floats
    log_tokens: Floats
    outcome_weights: Floats
    boosts: npt.NDArray[np.bool_]
    kind: Integers
    complexity: Floats
    type: Floats
    label_weights: Floats

    @property
    def is_task(self) -> npt.NDArray[np.bool_]:
        """Which rows are labelled tasks: their labels are certain."""
        certain: npt.NDArray[np.bool_] = self.label_weights >= 1
        return certain

    def take(self, rows: Integers) -> "Examples":
        """Return the examples of these rows."""
        return Examples(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Scaling:
    """From embedding and counts to what network and trees read."""

    mean: Floats
    deviation: Floats
    component_mean: Floats
    components: Floats

    @staticmethod
    def fit(embedding: Floats, counts: Floats, components: int) -> "Scaling":
        """Return the scaling that gives every input mean 0 and deviation 1, and the leading components for trees."""
        inputs = np.hstack([embedding, counts])
        pca = PCA(min(components, *embedding.shape), svd_solver="covariance_eigh").fit(embedding.astype(np.float64))
        return Scaling(inputs.mean(axis=0), inputs.std(axis=0) + np.float32(1e-6), pca.mean_, pca.components_)

    def network_inputs(self, embedding: Floats, counts: Floats) -> Floats:
        """Return standardised inputs, clipped to ±`CLIP`."""
        scaled = (np.hstack([embedding.astype(np.float32), counts]) - self.mean) / self.deviation
        return np.asarray(np.clip(scaled, -CLIP, CLIP), dtype=np.float32)

    def tree_inputs(self, embedding: Floats, counts: Floats) -> Floats:
        """Return principal components (computed in float64, as the graph does) beside the counts."""
        components = (embedding.astype(np.float64) - self.component_mean) @ self.components.T
        return np.hstack([components.astype(np.float32), counts])


@dataclass(frozen=True)
class Outputs:
    """What the learners say before stacking: the network, then boosting, then the kernel."""

    demand: Floats
    length: Floats
    complexity: Floats
    type: Floats
    boosted_demand: Floats
    boosted_length: Floats
    boosted_complexity: Floats
    kernel_demand: Floats
    kernel_length: Floats

    @staticmethod
    def empty(n: int, recipe: Recipe, types: int) -> "Outputs":
        """Return room for n rows, filled with NaN."""
        boosted = (BOOSTED_DEMANDS, 1, len(BOOSTED_COMPLEXITIES))
        widths = (recipe.demands, recipe.length_factors, 3, types, *boosted, kernel_demands(recipe), 1)
        return Outputs(*(np.full((n, width), np.nan, dtype=np.float32) for width in widths))

    def fill(self, rows: Integers, other: "Outputs") -> None:
        """Write the outputs of these rows."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(other, name)

    def take(self, rows: Integers) -> "Outputs":
        """Return the outputs of these rows."""
        return Outputs(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Heads:
    """Everything learned at one depth: a network for all targets, boosted models and a kernel for leading ones."""

    scaling: Scaling
    network: Network
    boosted: list[HistGradientBoostingRegressor]
    kernel: Kernel
    widths: tuple[int, ...]
    boosted_widths: tuple[int, ...] = (BOOSTED_DEMANDS, 1, len(BOOSTED_COMPLEXITIES))

    @property
    def width(self) -> int:
        """How many numbers the learners say in all."""
        return sum(self.widths) + sum(self.boosted_widths) + int(self.kernel.weights.shape[1])

    def __call__(self, embedding: Floats, counts: Floats) -> Outputs:
        """Return the outputs of every learner."""
        inputs = self.scaling.network_inputs(embedding, counts)
        boosted = boost(self.boosted, self.scaling.tree_inputs(embedding, counts))
        return self.split(np.hstack([self.network(inputs), boosted, self.kernel(inputs)]))

    def split(self, outputs: Floats) -> Outputs:
        """Return the outputs of network, boosting and kernel, side by side (n, width), by name."""
        widths = (*self.widths, *self.boosted_widths, self.kernel.weights.shape[1] - 1, 1)
        return Outputs(*np.split(outputs, np.cumsum(widths)[:-1], axis=1))


class TaskLoss:
    """Cross-entropy of complexity and type against distributions."""

    parameters: Final[list[Floats]] = []

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def gradients(self, outputs: Floats, rows: Integers) -> tuple[Floats, list[Floats]]:
        """Return the gradient to the logits of complexity, then type."""
        examples, levels = self._examples, self._examples.complexity.shape[1]
        to_complexity = softmax(outputs[:, :levels], axis=1) - examples.complexity[rows]
        to_type = softmax(outputs[:, levels:], axis=1) - examples.type[rows]
        return np.hstack([to_complexity, to_type]).astype(np.float32), []


def fit_abilities(
    embedding: Floats,
    examples: Examples,
    columns: tuple[tuple[str, str], ...],
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[Abilities, Lengths]:
    """Return abilities and lengths learned together with a network from text to demand."""
    abilities = Abilities.initial(columns, examples.scores, recipe.demands, rng)
    lengths = Lengths.initial(examples.log_tokens, recipe.length_factors, rng)
    loss = OutcomeLoss(
        examples.scores, examples.log_tokens, examples.outcome_weights, abilities, lengths, is_fixed=False
    )
    inputs = Scaling.fit(embedding, examples.counts, recipe.tree_components).network_inputs(embedding, examples.counts)
    fit_network(inputs, recipe.demands + recipe.length_factors, loss, recipe.network, rng)
    return abilities, lengths


def fit_heads(
    embedding: Floats,
    examples: Examples,
    abilities: Abilities,
    lengths: Lengths,
    recipe: Recipe,
    depth: Depth,
    rng: np.random.Generator,
) -> Heads:
    """Return heads for given abilities, trained on all examples."""
    networks = recipe.fast_networks if depth == "fast" else recipe.deep_networks
    scaling = Scaling.fit(embedding, examples.counts, recipe.tree_components)
    inputs = scaling.network_inputs(embedding, examples.counts)
    has_outcomes = np.flatnonzero(examples.outcome_weights > 0)
    seen = examples.take(has_outcomes)
    loss = OutcomeLoss(seen.scores, seen.log_tokens, seen.outcome_weights, abilities, lengths, is_fixed=True)
    demand_network = Network.mean(
        [
            fit_network(inputs[has_outcomes], recipe.demands + recipe.length_factors, loss, recipe.network, rng)
            for _ in range(networks)
        ]
    )
    labelled = np.flatnonzero(
        rng.random(len(inputs)) < examples.label_weights / max(examples.label_weights.max(), 1e-6)
    )
    levels, types = examples.complexity.shape[1], examples.type.shape[1]
    task_network = Network.mean(
        [
            fit_network(inputs[labelled], levels + types, TaskLoss(examples.take(labelled)), recipe.task_network, rng)
            for _ in range(networks)
        ]
    )
    guess = demand_network(inputs)
    boosted = _fit_boosted(
        scaling.tree_inputs(embedding, examples.counts),
        _boosted_targets(examples, guess, abilities, lengths, labelled),
        recipe,
        rng,
    )
    size = recipe.fast_kernel if depth == "fast" else recipe.deep_kernel
    kernel = _fit_kernel(inputs, embedding.shape[1], examples, abilities, lengths, size, int(rng.integers(2**31)))
    return Heads(
        scaling,
        Network.beside(demand_network, task_network),
        boosted,
        kernel,
        (recipe.demands, recipe.length_factors, levels, types),
    )


def leading_demands(abilities: Abilities, count: int = BOOSTED_DEMANDS) -> Floats:
    """Return the `count` orthonormal directions (k, count) of demand space in which abilities differ most."""
    directions, _, _ = np.linalg.svd(abilities.column_vectors)
    return directions[:, :count].astype(np.float32)


def kernel_demands(recipe: Recipe) -> int:
    """Return how many of the leading demands the kernel learns."""
    return min(KERNEL_DEMANDS, recipe.demands)


def boost(models: Sequence[HistGradientBoostingRegressor], inputs: Floats) -> Floats:
    """Return the predictions of all boosted models, float32 (n, models)."""
    return np.stack([model.predict(inputs) for model in models], axis=1).astype(np.float32)


def complexity_scores(outputs: Outputs) -> Floats:
    """Return what the complexity stack reads: the network's logits, boosted P(simple) and P(complex)."""
    return np.hstack([outputs.complexity, outputs.boosted_complexity])


def _boosted_targets(
    examples: Examples, outputs: Floats, abilities: Abilities, lengths: Lengths, labelled: Integers
) -> list[tuple[Integers, Floats]]:
    """Return rows and targets of every boosted model; rows instead of weights, which make boosting 3.6x slower."""
    judged = np.flatnonzero(examples.boosts)
    demand = posterior_demand(examples.scores[judged], abilities, outputs[judged, : len(abilities.vectors)])
    length, is_known = _mean_residuals(examples, lengths)
    measured = np.flatnonzero(is_known) if is_known.any() else judged
    return [
        *((judged, leading) for leading in (demand @ leading_demands(abilities)).T),
        (measured, length[measured]),
        *((labelled, examples.complexity[labelled, level]) for level in BOOSTED_COMPLEXITIES),
    ]


def _mean_residuals(examples: Examples, lengths: Lengths) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return by how much a prompt's log tokens exceed their models' usual ones, 0 where unknown, and where known."""
    residual = examples.log_tokens - lengths.biases
    known = np.isfinite(residual)
    return np.where(known, residual, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), known.any(axis=1)


def _fit_kernel(
    inputs: Floats,
    embedding_width: int,
    examples: Examples,
    abilities: Abilities,
    lengths: Lengths,
    size: tuple[int, int],
    seed: int,
) -> Kernel:
    """Return the kernel learned from the main source and the labelled tasks.

    Its targets are posterior demands around one prior for all prompts: around the network's guesses it would learn
    these again (and, cross-fitted, see through them what it mustn't).
    """
    home = np.flatnonzero(examples.kind >= 0)
    if not len(home):
        raise InvalidOutcomes(
            "With one fold held out, no prompt of the main source is left to learn from: its prompts are of too few "
            "groups. Use more prompts, or fewer folds."
        )
    prior = np.zeros((len(home), len(abilities.vectors)), dtype=np.float32)
    demand = posterior_demand(examples.scores[home], abilities, prior)
    demand = posterior_demand(examples.scores[home], abilities, prior + demand.mean(axis=0))
    length, _ = _mean_residuals(examples, lengths)
    leading = leading_demands(abilities, KERNEL_DEMANDS)
    targets = np.hstack([demand @ leading, length[home, np.newaxis]])
    kinds = np.eye(examples.kind.max() + 1, dtype=np.float32)[examples.kind[home]]
    is_task = examples.is_task[home]
    parts = [(np.flatnonzero(~is_task), 1 - TASK_LANDMARKS), (np.flatnonzero(is_task), TASK_LANDMARKS)]
    parts = parts if 0 < is_task.sum() < len(home) else [(np.arange(len(home)), 1.0)]
    return fit_kernel(inputs[home], embedding_width, kinds, targets, parts, size, seed)


def _fit_boosted(
    inputs: Floats, targets: list[tuple[Integers, Floats]], recipe: Recipe, rng: np.random.Generator
) -> list[HistGradientBoostingRegressor]:
    return [
        HistGradientBoostingRegressor(
            max_iter=recipe.trees,
            learning_rate=recipe.tree_rate,
            max_leaf_nodes=recipe.tree_leaves,
            min_samples_leaf=20,
            l2_regularization=5.0,
            max_features=0.3,
            early_stopping=False,
            random_state=int(rng.integers(2**31)),
        ).fit(inputs[rows], target)
        for rows, target in targets
    ]
