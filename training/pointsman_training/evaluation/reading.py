"""What a bundle says about outcomes: its own graph, fed with texts' features or with feature rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from pointsman.errors import BundleError, InvalidOutcomes
from pointsman.prediction import FEATURE_NAMES, Bundle, Reading
from pointsman.prediction.predictor import Depth, split_rows
from pointsman_training.encode import encoder_of_bundle
from pointsman_training.graph import ENCODER_OUTPUTS
from pointsman_training.outcomes import Outcomes
from pointsman_training.tables import Features

_ROWS_PER_RUN: Final = 512


def features_of(bundle: Bundle, outcomes: Outcomes, cache: Path | None = None) -> Features:
    """Return the features of outcomes through the bundle's encoder; feature rows must have been made with it.

    Embeddings of texts are kept in the directory `cache`.

    Raises:
        InvalidOutcomes: they were made with another.
    """
    encoder = encoder_of_bundle(bundle)
    if outcomes.features is None:
        return encoder.features(outcomes.texts or (), cache=cache)
    if outcomes.encoder != (encoder.spec.model, encoder.spec.layer):
        raise InvalidOutcomes(
            f"The feature rows were made with the encoder {outcomes.encoder}; the bundle has "
            f"{(encoder.spec.model, encoder.spec.layer)}. Evaluate on texts, or make the rows with this bundle."
        )
    return outcomes.features


def read_features(bundle: Bundle, features: Features, depth: Depth) -> Reading:
    """Return what the bundle's graph says about each row of features, as `Predictor.read` does about texts."""
    session = ort.InferenceSession(heads_graph_of(bundle.graph, depth), providers=["CPUExecutionProvider"])
    wanted = {node.name for node in session.get_inputs()}
    feeds: dict[str, npt.NDArray[Any]] = {
        "fast_embedding": features.fast.astype(np.float64),
        "deep_embedding": features.deep.astype(np.float64),
        "counts": features.counts,
    }
    parts = [
        session.run(["rows"], {name: feeds[name][start : start + _ROWS_PER_RUN] for name in wanted})[0]
        for start in range(0, len(features), _ROWS_PER_RUN)
    ]
    demand, length, kind, complexity, distance = split_rows(np.concatenate(parts), bundle.manifest.layout)
    quantiles = np.array(bundle.manifest.novelty_quantiles, dtype=np.float32)
    novelty = np.interp(distance[:, 0], quantiles, np.linspace(0, 1, len(quantiles))).astype(np.float32)
    return Reading(demand, length, kind, complexity, novelty, depth)


def heads_graph_of(graph: bytes, depth: Depth) -> bytes:
    """Return the heads of one depth inside a graph made by `build_graph`: inputs are embeddings and counts.

    Raises:
        BundleError: the graph has no branch for the depth.
    """
    model = onnx.load_from_string(graph)
    choice = next((node for node in model.graph.node if node.op_type == "If"), None)
    if choice is None:
        raise BundleError("The bundle's graph has no branch for its two depths; train it again.")
    name = "then_branch" if depth == "deep" else "else_branch"
    branch: onnx.GraphProto = next(helper.get_attribute_value(a) for a in choice.attribute if a.name == name)
    nodes = _needed([*(node for node in model.graph.node if node is not choice), *branch.node], branch.output[0].name)
    used = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in (*model.graph.initializer, *branch.initializer) if tensor.name in used]
    width = [value for value in model.graph.output if value.name == "rows"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", "d"]) for name in ENCODER_OUTPUTS]
    inputs.append(helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["n", len(FEATURE_NAMES)]))
    nodes.append(helper.make_node("Identity", [branch.output[0].name], ["rows"]))
    heads = helper.make_graph(nodes, "heads", [value for value in inputs if value.name in used], width, weights)
    extracted = helper.make_model(heads, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(extracted.SerializeToString())


def _needed(nodes: Sequence[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Return the nodes that `output` is computed from, in order, back to the embeddings."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if any(name in needed and name not in ENCODER_OUTPUTS for name in node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]
