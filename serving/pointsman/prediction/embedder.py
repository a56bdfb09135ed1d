"""Text → the encoder's deep embedding: the layers of a bundle's graph without its heads.

A bundle's graph gives rows only; its deep embedding lies inside the branch that `If` runs, and is lifted out of it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from pointsman.prediction.bundle import Bundle
from pointsman.prediction.encoder import TextEncoder, encoder_feeds, pooling_of
from pointsman.prediction.lifting import lifted, value_info
from pointsman.prediction.predictor import opened
from pointsman.prediction.wording import core_text

OUTPUT: Final = "deep_embedding"
_INPUTS: Final = ("input_ids", "positions", "pooling")
_DOUBLES: Final = bytes([0x0A, 0x02, 0x08, 0x0B])
"""A value's type: a tensor of float64, whose shape isn't said."""


class Embedder:
    """The encoder of one bundle, loaded once beside its predictor; safe to share between threads."""

    def __init__(self, bundle: Bundle) -> None:
        encoder = bundle.manifest.encoder
        self.dimensions = encoder.dimensions
        self._encoder = TextEncoder(bundle.tokenizer_json, max_tokens=encoder.max_tokens)
        self._session = opened(deep_graph(bundle.graph))

    def __call__(self, text: str) -> npt.NDArray[np.float64]:
        """Return the deep embedding of the core of a text: float64 (dimensions,), not scaled to length 1."""
        ids = np.array([self._encoder.token_ids(core_text(text))], dtype=np.int64)
        feeds = encoder_feeds(ids, pooling_of(ids))
        found: npt.NDArray[np.float64] = self._session.run([OUTPUT], feeds)[0][0]
        return found


def deep_graph(graph: bytes) -> bytes:
    """Return the model with the deep embedding as its only output, out of a bundle's graph.

    Raises:
        BundleError: the graph has no branch that makes one.
    """
    return lifted(graph, "then_branch", _INPUTS, value_info(OUTPUT, _DOUBLES))
