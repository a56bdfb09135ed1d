"""Proof that the exported graph computes what was trained: every number of a row, text by text, against Python."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnxruntime as ort
from scipy.special import softmax

from pointsman.errors import ParityError
from pointsman.prediction.encoder import TextEncoder, encoder_feeds, pooling_of
from pointsman.prediction.predictor import SLOW_FUSIONS, Depth
from pointsman_training.crossfit import DEPTHS
from pointsman_training.encode import Encoder
from pointsman_training.heads import Heads, Outputs
from pointsman_training.network import Floats
from pointsman_training.novelty import Novelty
from pointsman_training.stack import ComplexityStack, linear_rows
from pointsman_training.tables import Features

TOLERANCE: Final = 1e-5


def rows_in_python(outputs: Outputs, complexity: ComplexityStack, distance: Floats) -> Floats:
    """Return the output rows as training computes them, float32 (n, width)."""
    rows = linear_rows(outputs, complexity)
    levels = complexity.weights.shape[1]
    return np.hstack([rows[:, :-levels], softmax(rows[:, -levels:], axis=1), distance[:, np.newaxis]])


def prove_parity(
    showing_graph: bytes,
    graph: bytes,
    encoder: Encoder,
    texts: Sequence[str],
    features: Features,
    heads: Mapping[Depth, Heads],
    complexity: Mapping[Depth, ComplexityStack],
    novelty: Novelty,
) -> float:
    """Return the largest difference between graph and Python over all texts, depths and numbers.

    `showing_graph` is `graph` with the embedding as a second output, so that both sides read the same embedding;
    numbers are compared relative to their size where that exceeds 1.

    Raises:
        ParityError: the difference exceeds `TOLERANCE`, or the two graphs disagree; the text and depth are named.
    """
    largest = 0.0
    for depth in DEPTHS:
        rows, embeddings, fast = _run(showing_graph, encoder, texts, features, depth)
        outputs = heads[depth](embeddings, features.counts)
        expected = rows_in_python(outputs, complexity[depth], novelty.distance(fast))
        for actual in (rows, _run(graph, encoder, texts, features, depth)[0]):
            gaps = (np.abs(actual - expected) / np.maximum(np.abs(expected), 1)).max(axis=1, initial=0)
            worst = int(gaps.argmax()) if len(gaps) else 0
            if not (gaps <= TOLERANCE).all():
                raise ParityError(
                    f"Graph and Python differ by {gaps[worst]:.2g} at depth {depth} on {texts[worst][:60]!r}; at most "
                    f"{TOLERANCE:g} is allowed."
                )
            largest = max(largest, float(gaps[worst])) if len(gaps) else largest
    return largest


def _run(
    graph: bytes, encoder: Encoder, texts: Sequence[str], features: Features, depth: Depth
) -> tuple[Floats, Floats, Floats]:
    """Return rows and, where the graph shows them, the embeddings read and the fast ones, text by text."""
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS)
    tokens = TextEncoder(encoder.tokenizer_json, max_tokens=encoder.spec.max_tokens)
    results = []
    for index, text in enumerate(texts):
        ids = np.array([tokens.token_ids(text)], dtype=np.int64)
        feeds = encoder_feeds(ids, pooling_of(ids)) | {"counts": features.counts[index : index + 1]}
        output = session.run(None, feeds | {"is_deep": np.array(depth == "deep")})
        if len(output) > 1 and depth == "deep":
            output.append(session.run(None, feeds | {"is_deep": np.array(False)})[1])
        results.append([output[0], output[min(1, len(output) - 1)], output[-1]])
    rows, embeddings, fast = (np.concatenate(column) for column in zip(*results, strict=True))
    return rows, embeddings, fast
