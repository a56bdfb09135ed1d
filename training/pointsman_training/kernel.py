"""Kernel regression on landmarks: prompts near each other, and guessed to be of one kind, demand alike.

Read twice: the first kernel guesses the kind of a prompt (the main source's task types), the second counts the distance
between guesses beside that between texts. Ridge regression in the space of m landmarks (Nyström) instead of all rows;
training rows see their own leave-one-out guess, never one that knew them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA

from pointsman_training.network import Floats, Integers

Doubles = npt.NDArray[np.float64]
Parts = Sequence[tuple[Integers, float]]

_KIND_RIDGE: Final = 0.3
_RIDGE: Final = 1.0
_KIND_COMPONENTS: Final = 8
_JITTER: Final = 1e-1
_SAMPLE: Final = 800
"""Mean distances are measured from this many rows."""


@dataclass(frozen=True)
class Kernel:
    """Landmarks (m, r) in the space of `projection` (d, r) and `offset` (r,), and what they say.

    Guessed kinds are `kind_weights` (m, t) and `kind_bias` (t,), those of the landmarks themselves `kind_landmarks`
    (m, t); outputs are `weights` (m, p) and `bias` (p,). All distances are scaled to a mean of 1 per part. Sums over
    landmarks have many terms that cancel: they are taken in float64, of numbers that float32 holds.
    """

    projection: Floats
    offset: Floats
    landmarks: Doubles
    kind_weights: Doubles
    kind_bias: Doubles
    kind_landmarks: Doubles
    weights: Doubles
    bias: Doubles

    def __call__(self, inputs: Floats) -> Floats:
        """Return the outputs of standardised inputs (n, d), float32 (n, p)."""
        place = (inputs @ self.projection + self.offset).astype(np.float64)
        likeness = np.exp(-squared_distances(place, self.landmarks))
        kinds = likeness @ self.kind_weights + self.kind_bias
        likeness = likeness * np.exp(-squared_distances(kinds, self.kind_landmarks))
        return np.asarray(likeness @ self.weights + self.bias, dtype=np.float32)


def fit_kernel(
    inputs: Floats, embedding_width: int, kinds: Floats, targets: Floats, parts: Parts, size: tuple[int, int], seed: int
) -> Kernel:
    """Return the kernel from inputs (n, d) to `targets` (n, p); `kinds` (n, t) are indicators, `size` is (m, r).

    `parts` are rows and their share of the m landmarks. Embedding (the first columns of the inputs) and counts have the
    same say in the distance.
    """
    projection, offset = _projection(inputs, embedding_width, size[1], seed)
    points = (inputs @ projection + offset).astype(np.float64)
    centres = np.vstack([_centres(points[part], round(size[0] * share), seed) for part, share in parts])
    near = np.exp(-squared_distances(points, centres))
    among = np.exp(-squared_distances(centres, centres))
    kind_weights, kind_bias, guessed = _regress(near, among, kinds, _KIND_RIDGE)
    turn = np.linalg.svd(guessed - guessed.mean(axis=0), full_matrices=False)[2][:_KIND_COMPONENTS].T
    turn = turn / np.sqrt(max(_mean_distance(guessed @ turn), 1e-9))
    kind_weights, kind_bias, guessed = kind_weights @ turn, kind_bias @ turn, guessed @ turn
    kind_centres = among @ kind_weights + kind_bias
    near = near * np.exp(-squared_distances(guessed, kind_centres))
    among = among * np.exp(-squared_distances(kind_centres, kind_centres))
    weights, bias, _ = _regress(near, among, targets, _RIDGE)
    learned = (centres, kind_weights, kind_bias, kind_centres, weights, bias)
    return Kernel(projection, offset, *(array.astype(np.float32).astype(np.float64) for array in learned))


def _projection(inputs: Floats, embedding_width: int, components: int, seed: int) -> tuple[Floats, Floats]:
    """Return matrix and offset that take inputs to their leading components, a mean squared distance of 2 apart."""
    scale = _balance(inputs, embedding_width)
    pca = PCA(min(components, *inputs.shape), random_state=seed).fit(inputs * scale)
    turned = (inputs * scale) @ pca.components_.T
    unit = np.sqrt(2 / _mean_distance(turned))
    projection = (scale[:, np.newaxis] * pca.components_.T) * unit
    return projection.astype(np.float32), (-(pca.mean_ @ pca.components_.T) * unit).astype(np.float32)


def _centres(points: Doubles, wanted: int, seed: int) -> Doubles:
    count = min(wanted, len(points))
    means = MiniBatchKMeans(count, n_init=1, max_iter=20, batch_size=1024, random_state=seed).fit(points)
    centres: Doubles = means.cluster_centers_.astype(np.float64)
    return centres


def squared_distances(left: Doubles, right: Doubles) -> Doubles:
    """Return squared Euclidean distances (n, m) between rows (n, r) and (m, r); rounding may leave a little below 0."""
    distances: Doubles = (left * left).sum(axis=1)[:, np.newaxis] + (right * right).sum(axis=1) - 2 * left @ right.T
    return distances


def _balance(inputs: Floats, embedding_width: int) -> Floats:
    scale = np.empty(inputs.shape[1], dtype=np.float32)
    for part in (slice(embedding_width), slice(embedding_width, None)):
        scale[part] = 1 / np.sqrt(max(_mean_distance(inputs[:, part]), 1e-9))
    return scale


def _mean_distance(values: npt.NDArray[np.floating]) -> float:
    rows = values.astype(np.float64)
    return float(squared_distances(rows[:: max(1, len(rows) // _SAMPLE)], rows).mean())


def _regress(near: Doubles, among: Doubles, targets: Floats, ridge: float) -> tuple[Doubles, Doubles, Doubles]:
    """Return weights (m, p) on likenesses to landmarks, bias (p,), and leave-one-out predictions (n, p)."""
    root = np.linalg.cholesky(among + _JITTER * np.eye(len(among)))
    features = np.linalg.solve(root, near.T).T
    bias = targets.mean(axis=0, dtype=np.float64)
    inverse = np.linalg.inv(features.T @ features + ridge * np.eye(len(root)))
    solution = inverse @ (features.T @ (targets - bias))
    leverage = np.minimum(np.einsum("ij,ij->i", features @ inverse, features), 1 - 1e-6)[:, np.newaxis]
    held_out = bias + (features @ solution - leverage * (targets - bias)) / (1 - leverage)
    return np.linalg.solve(root.T, solution), bias, held_out
