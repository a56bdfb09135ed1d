"""The encoder's vectors of texts, for what compares texts: its graph is loaded when the first is asked for."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pointsman.prediction import Bundle
from pointsman.prediction.embedder import Embedder

Floats = npt.NDArray[np.floating[Any]]
Embed = Callable[[Sequence[str]], Floats]
"""Texts to vectors, (n_texts, dimensions)."""


class LazyEmbedder:
    """The deep embeddings of a bundle's encoder; safe to share between threads."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._lock = threading.Lock()
        self._embedder: Embedder | None = None

    def one(self, text: str) -> npt.NDArray[np.float64]:
        """Return the vector of a text."""
        with self._lock:
            if self._embedder is None:
                self._embedder = Embedder(self._bundle)
        return self._embedder(text)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts, (n_texts, dimensions)."""
        return np.stack([self.one(text) for text in texts])
