"""Text → the encoder's deep embedding: the layers of a bundle's graph without its heads.

A bundle's graph gives rows only; its deep embedding lies inside the branch that `If` runs. So the branch is lifted out,
on the wire format, into a graph of its own. Field numbers are those of onnx.proto3.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pointsman.errors import BundleError
from pointsman.prediction.audit import wire_fields
from pointsman.prediction.bundle import GRAPH, Bundle
from pointsman.prediction.encoder import TextEncoder, encoder_feeds, pooling_of
from pointsman.prediction.predictor import SLOW_FUSIONS, forget_bytes
from pointsman.prediction.wording import core_text

OUTPUT: Final = "deep_embedding"
_INPUTS: Final = (b"input_ids", b"positions", b"pooling")
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER = 7, 1, 2, 5
_GRAPH_INPUT, _GRAPH_OUTPUT, _VALUE_NAME = 11, 12, 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_TENSOR_NAME, _ATTRIBUTE_NAME, _ATTRIBUTE_GRAPH = 8, 1, 6
_DOUBLE_TENSOR: Final = bytes([0x12, 0x04, 0x0A, 0x02, 0x08, 0x0B])
"""A value's type: a tensor of float64, whose shape isn't said."""


class Embedder:
    """The encoder of one bundle, loaded once beside its predictor; safe to share between threads."""

    def __init__(self, bundle: Bundle) -> None:
        encoder = bundle.manifest.encoder
        self.dimensions = encoder.dimensions
        self._encoder = TextEncoder(bundle.tokenizer_json, max_tokens=encoder.max_tokens)
        self._session = _opened(deep_graph(bundle.graph))

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
    model = list(wire_fields(memoryview(graph), GRAPH))
    main = _messages(next(value for number, value in model if number == _MODEL_GRAPH and not isinstance(value, int)))
    nodes = [one for number, one in main if number == _GRAPH_NODE]
    branch = next((one for one in nodes if _first(one, _NODE_OPERATOR) == b"If"), None)
    inner = [] if branch is None else _messages(_then_branch(branch))
    kept = _needed(
        [one for one in nodes if one is not branch] + [one for number, one in inner if number == _GRAPH_NODE]
    )
    used = {name for node in kept for name in _all(node, _NODE_INPUT)}
    parts = [(_GRAPH_NODE, node) for node in kept]
    parts.append((_GRAPH_NAME, memoryview(b"encoder")))
    for number, one in (*main, *inner):
        is_weight = number == _GRAPH_INITIALIZER and _first(one, _TENSOR_NAME) in used
        if is_weight or (number == _GRAPH_INPUT and _first(one, _VALUE_NAME) in _INPUTS):
            parts.append((number, one))
    parts.append((_GRAPH_OUTPUT, memoryview(_field(_VALUE_NAME, OUTPUT.encode()) + _DOUBLE_TENSOR)))
    encoded = b"".join(_field(number, one) for number, one in parts)
    rest = [(number, value) for number, value in model if number != _MODEL_GRAPH]
    return b"".join(_field(number, value) for number, value in rest) + _field(_MODEL_GRAPH, encoded)


def _needed(nodes: list[memoryview]) -> list[memoryview]:
    """Return the nodes that the embedding needs, in their order."""
    wanted, kept = {OUTPUT.encode()}, []
    for node in reversed(nodes):
        if wanted & set(_all(node, _NODE_OUTPUT)):
            kept.append(node)
            wanted |= set(_all(node, _NODE_INPUT))
    if not kept:
        raise BundleError(f"{GRAPH} has no {OUTPUT}; semantic answers need a bundle with a deep encoder.")
    return kept[::-1]


def _then_branch(node: memoryview) -> memoryview:
    for number, attribute in _messages(node):
        if number == _NODE_ATTRIBUTE and _first(attribute, _ATTRIBUTE_NAME) == b"then_branch":
            return next(one for number, one in _messages(attribute) if number == _ATTRIBUTE_GRAPH)
    raise BundleError(f"{GRAPH} has an If without a then_branch.")


def _messages(message: memoryview) -> list[tuple[int, memoryview]]:
    return [(number, value) for number, value in wire_fields(message, GRAPH) if not isinstance(value, int)]


def _all(message: memoryview, wanted: int) -> list[bytes]:
    return [bytes(value) for number, value in _messages(message) if number == wanted]


def _first(message: memoryview, wanted: int) -> bytes:
    return next((bytes(value) for number, value in _messages(message) if number == wanted), b"")


def _field(number: int, value: int | bytes | memoryview) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return b"".join([_varint(number << 3 | 2), _varint(len(value)), value])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _opened(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS)
    forget_bytes(session)
    return session
