"""Text → what the task demands, read at one of two depths: an ONNX session for each.

"fast" pools the encoder's token table; "deep" goes on to the encoder's middle layer. A deep text is always run by
itself: its int8 activations are scaled per run, so a neighbour in the same run would change it; measured, batching
gains nothing there. So a batch equals its tasks one by one.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pointsman.errors import BundleError
from pointsman.prediction.bundle import Bundle, Layout
from pointsman.prediction.encoder import Ids, Pooling, TextEncoder, encoder_feeds, pooling_of
from pointsman.prediction.features import text_counts, text_counts_of
from pointsman.prediction.lifting import Branch, lifted, shared_tables
from pointsman.prediction.wording import core_text

Floats = npt.NDArray[np.float32]
Depth = Literal["fast", "deep"]

GRAPH_INPUTS: Final = ("input_ids", "positions", "pooling", "counts")
_BRANCHES: Final[dict[Depth, Branch]] = {"fast": "else_branch", "deep": "then_branch"}
SLOW_FUSIONS: Final = ("SkipLayerNormFusion",)
"""What onnxruntime mustn't fuse: its fused kernel takes 40 us where addition and normalisation take 10."""

_NOTHING: Final[Mapping[str, ort.OrtValue]] = {}
_FAST_ROWS_PER_RUN: Final = 256
_DEEP_WORKERS: Final = 2


class Reading(msgspec.Struct, frozen=True):
    """What the graph says about n tasks.

    `demand` float32 (n, k) and `length` (n, l) are the numbers that abilities multiply; `type` (n, n_types) are scores,
    the greatest of which is the likeliest type; `complexity` (n, 3) are probabilities; `novelty` (n,) in [0, 1].
    """

    demand: Floats
    length: Floats
    type: Floats
    complexity: Floats
    novelty: Floats
    depth: Depth


class Predictor:
    """The graph of one bundle, loaded once; safe to share between threads."""

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self._layout = manifest.layout
        self._encoder = TextEncoder(bundle.tokenizer_json, max_tokens=manifest.encoder.max_tokens)
        self._novelty_quantiles = np.array(manifest.novelty_quantiles, dtype=np.float32)
        self._novelty_levels = np.linspace(0, 1, len(self._novelty_quantiles), dtype=np.float32)
        graph, width = bundle.graph, manifest.layout.width
        self._shared = {name: ort.OrtValue.ortvalue_from_numpy(table) for name, table in shared_tables(graph).items()}
        self._sessions = {depth: _reader(graph, depth, width, self._shared) for depth in _BRANCHES}

    def read(self, texts: Sequence[str], depth: Depth) -> Reading:
        """Return what the graph says about the core of each text, in order; any text is accepted."""
        texts = [core_text(text) for text in texts]
        if not texts:
            rows = np.zeros((0, self._layout.width), dtype=np.float32)
        elif depth == "deep":
            rows = self._deep_rows(texts)
        else:
            starts = range(0, len(texts), _FAST_ROWS_PER_RUN)
            rows = np.concatenate([self._fast_rows(texts[start : start + _FAST_ROWS_PER_RUN]) for start in starts])
        return self._reading(rows, depth)

    def _fast_rows(self, texts: Sequence[str]) -> Floats:
        if len(texts) == 1:
            return self._row(texts[0], "fast")
        ids, pooling = self._encoder.padded(texts)
        return self._run(ids, pooling, text_counts_of(texts), "fast")

    def _deep_rows(self, texts: Sequence[str]) -> Floats:
        if len(texts) == 1:
            return self._row(texts[0], "deep")
        with ThreadPoolExecutor(_DEEP_WORKERS) as pool:
            return np.concatenate(list(pool.map(lambda text: self._row(text, "deep"), texts)))

    def _row(self, text: str, depth: Depth) -> Floats:
        ids = np.array([self._encoder.token_ids(text)], dtype=np.int64)
        return self._run(ids, pooling_of(ids), text_counts(text)[np.newaxis], depth)

    def _run(self, ids: Ids, pooling: Pooling, counts: Floats, depth: Depth) -> Floats:
        feeds = encoder_feeds(ids, pooling)
        feeds["counts"] = counts
        rows: Floats = self._sessions[depth].run(None, feeds)[0]
        return rows

    def _reading(self, rows: Floats, depth: Depth) -> Reading:
        demand, length, kind, complexity, distance = split_rows(rows, self._layout)
        novelty = np.interp(distance[:, 0], self._novelty_quantiles, self._novelty_levels).astype(np.float32)
        return Reading(demand, length, kind, complexity, novelty, depth)


def split_rows(rows: Floats, layout: Layout) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the blocks of output rows: demand, length, type scores, complexity, novelty distance."""
    at_length = layout.demand
    at_type = at_length + layout.length
    at_complexity = at_type + layout.type
    at_novelty = at_complexity + layout.complexity
    return (
        rows[:, :at_length],
        rows[:, at_length:at_type],
        rows[:, at_type:at_complexity],
        rows[:, at_complexity:at_novelty],
        rows[:, at_novelty:],
    )


def opened(graph: bytes, shared: Mapping[str, ort.OrtValue] = _NOTHING) -> ort.InferenceSession:
    """Return a session of one thread on the CPU; weights that are `shared` have to live as long, and aren't copied.

    Raises:
        BundleError: onnxruntime can't load the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for name, value in shared.items():
        options.add_initializer(name, value)
    try:
        session = ort.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
        )
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise BundleError(f"graph.onnx can't be loaded by onnxruntime {ort.__version__}: {error}") from None
    session._model_bytes = None  # kept to build the session again on another provider, and there is none
    return session


def _reader(graph: bytes, depth: Depth, width: int, shared: Mapping[str, ort.OrtValue]) -> ort.InferenceSession:
    """Return the session that reads at one depth."""
    session = opened(lifted(graph, _BRANCHES[depth], GRAPH_INPUTS), shared)
    inputs = tuple(sorted(node.name for node in session.get_inputs()))
    outputs = tuple(node.name for node in session.get_outputs())
    if inputs != tuple(sorted(GRAPH_INPUTS)) or outputs != (f"{depth}/rows",):
        raise BundleError(f"graph.onnx has inputs {inputs} and outputs {outputs}, which aren't a bundle's.")
    columns = session.get_outputs()[0].shape[-1]
    if columns != width:
        raise BundleError(f"graph.onnx gives rows of {columns} columns; the manifest's layout has {width}.")
    return session
