"""How unlike the training texts a text is: Mahalanobis distance of its fast embedding's leading components."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from pointsman_training.network import Floats

_COMPONENTS: Final = 32


@dataclass(frozen=True)
class Novelty:
    """Components (k, d), mean (d,), deviation (k,); `quantiles` are the training distances at 0, 1, … 100 %."""

    mean: npt.NDArray[np.float64]
    components: npt.NDArray[np.float64]
    deviation: Floats
    quantiles: tuple[float, ...]

    def distance(self, embedding: Floats) -> Floats:
        """Return the distance of each embedding, (n,)."""
        return _distance(embedding, self.mean, self.components, self.deviation)


def fit_novelty(embedding: Floats) -> Novelty:
    """Return the novelty of texts relative to the training embeddings (n, d)."""
    pca = PCA(_COMPONENTS, svd_solver="covariance_eigh").fit(embedding.astype(np.float64))
    deviation = np.sqrt(pca.explained_variance_).astype(np.float32)
    distances = _distance(embedding, pca.mean_, pca.components_, deviation)
    quantiles = np.maximum.accumulate(np.quantile(distances, np.linspace(0, 1, 101)))
    return Novelty(pca.mean_, pca.components_, deviation, tuple(float(value) for value in quantiles))


def _distance(
    embedding: Floats, mean: npt.NDArray[np.float64], components: npt.NDArray[np.float64], deviation: Floats
) -> Floats:
    scaled = ((embedding.astype(np.float64) - mean) @ components.T).astype(np.float32) / deviation
    return np.asarray(np.sqrt((scaled * scaled).mean(axis=1)), dtype=np.float32)
