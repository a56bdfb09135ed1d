"""How unlike the training texts a text is: Mahalanobis distance of its fast embedding's leading components."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from pointsman_training.network import Floats

_COMPONENTS: Final = 32
_LEAST_VARIANCE: Final = 1e-9


@dataclass(frozen=True)
class Novelty:
    """Whitening components (k, d), mean (d,); `quantiles` are the training distances at 0, 1, … 100 %."""

    mean: npt.NDArray[np.float64]
    components: npt.NDArray[np.float64]
    quantiles: tuple[float, ...]

    def distance(self, embedding: npt.NDArray[Any]) -> Floats:
        """Return the distance of each embedding, (n,)."""
        return _distance(embedding, self.mean, self.components)


def fit_novelty(embedding: Floats) -> Novelty:
    """Return the novelty of texts relative to the training embeddings (n, d)."""
    pca = PCA(min(_COMPONENTS, *embedding.shape), svd_solver="covariance_eigh").fit(embedding.astype(np.float64))
    whitening = (
        pca.components_
        / np.sqrt(np.maximum(pca.explained_variance_, _LEAST_VARIANCE) * pca.n_components_)[:, np.newaxis]
    )
    distances = _distance(embedding, pca.mean_, whitening)
    quantiles = np.maximum.accumulate(np.quantile(distances, np.linspace(0, 1, 101)))
    return Novelty(pca.mean_, whitening, tuple(float(value) for value in quantiles))


def _distance(
    embedding: npt.NDArray[Any], mean: npt.NDArray[np.float64], components: npt.NDArray[np.float64]
) -> Floats:
    whitened = (embedding.astype(np.float64) - mean) @ components.T
    return np.asarray(np.sqrt((whitened * whitened).sum(axis=1)), dtype=np.float32)
