"""Encoder and heads → one ONNX graph: inputs input_ids, positions, pooling, counts, is_deep; output rows.

The token table, the fast embedding and the novelty are computed always; an `If` then computes either the fast heads, or
the remaining layers of the encoder and the deep heads. `split_rows` of pointsman names the columns of a row.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingRegressor

from pointsman.prediction.features import FEATURE_NAMES
from pointsman.prediction.predictor import Depth
from pointsman_training.heads import CLIP, Heads
from pointsman_training.kernel import Doubles, Kernel
from pointsman_training.network import Floats
from pointsman_training.novelty import Novelty
from pointsman_training.stack import ComplexityStack, linear_rows

ENCODER_INPUTS: Final = ("input_ids", "positions", "pooling")
ENCODER_OUTPUTS: Final = ("fast_embedding", "deep_embedding")
OPSET: Final = 20
_ML_OPSET: Final = 3


def build_graph(
    encoder_graph: bytes,
    heads: Mapping[Depth, Heads],
    complexity: Mapping[Depth, ComplexityStack],
    novelty: Novelty,
    *,
    shows_embedding: bool = False,
) -> bytes:
    """Return the bytes of the whole graph, checked by onnx.

    With `shows_embedding` the graph has a second output, the embedding that its heads read: the parity proof needs it.
    """
    encoder = onnx.load_from_string(encoder_graph)
    needed = _needed_for(encoder.graph.node, ["fast_embedding"])
    shared = [node for node in encoder.graph.node if node.output[0] in needed]
    layers = [node for node in encoder.graph.node if node.output[0] not in needed]
    shared_inputs = {name for node in shared for name in node.input}
    weights = {initializer.name: initializer for initializer in encoder.graph.initializer}
    deep, fast = (_HeadNodes(depth, heads[depth], complexity[depth]) for depth in ("deep", "fast"))
    distance = _NoveltyNodes(novelty)
    outputs = ["rows", "embedding"] if shows_embedding else ["rows"]
    if shows_embedding:
        for depth, part in (("deep", deep), ("fast", fast)):
            part.add("Identity", [f"{depth}_embedding"], "embedding")
    branch = helper.make_node(
        "If",
        ["is_deep"],
        outputs,
        then_branch=helper.make_graph(
            layers + deep.nodes, "deep", [], [_matrix(f"deep/{name}") for name in outputs],
            [tensor for name, tensor in weights.items() if name not in shared_inputs] + deep.weights,
        ),
        else_branch=helper.make_graph(
            fast.nodes, "fast", [], [_matrix(f"fast/{name}") for name in outputs], fast.weights
        ),
    )  # fmt: skip
    graph = helper.make_graph(
        [*shared, *distance.nodes, branch],
        "pointsman",
        [
            *encoder.graph.input,
            helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["n", len(FEATURE_NAMES)]),
            helper.make_tensor_value_info("is_deep", TensorProto.BOOL, []),
        ],
        [_matrix(name) for name in outputs],
        [tensor for name, tensor in weights.items() if name in shared_inputs] + distance.weights,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=min(encoder.ir_version, 10), producer_name="pointsman"
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def encoder_graph_of(graph: bytes) -> bytes:
    """Return the encoder inside a graph made by `build_graph`: outputs fast_embedding and deep_embedding."""
    model = onnx.load_from_string(graph)
    branch = next(node for node in model.graph.node if node.op_type == "If")
    deep = next(helper.get_attribute_value(a) for a in branch.attribute if a.name == "then_branch")
    nodes = [*(node for node in model.graph.node if node is not branch), *deep.node]
    needed = _needed_for(nodes, ENCODER_OUTPUTS)
    kept = [node for node in nodes if node.output[0] in needed]
    used = {name for node in kept for name in node.input}
    encoder = helper.make_graph(
        kept,
        "encoder",
        [value for value in model.graph.input if value.name in ENCODER_INPUTS],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", "d"]) for name in ENCODER_OUTPUTS],
        [tensor for tensor in (*model.graph.initializer, *deep.initializer) if tensor.name in used],
    )
    extracted = helper.make_model(encoder, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=model.ir_version)
    return bytes(extracted.SerializeToString())


class _Nodes:
    """Nodes and weights of a part of the graph, all names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._prefix = prefix

    def weight(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        full = f"{self._prefix}/{name}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=dtype), full))
        return full

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        full = f"{self._prefix}/{output}"
        self.nodes.append(helper.make_node(operator, list(inputs), [full], **attributes))
        return full

    def components(self, embedding: str, mean: npt.ArrayLike, components: npt.ArrayLike) -> str:
        """Add principal components, in float64 so that a batch can't move a value across a tree's threshold."""
        turned = np.transpose(np.asarray(components, dtype=np.float64))
        weights = [
            self.weight("components", turned, np.float64),
            self.weight("offset", -np.asarray(mean) @ turned, np.float64),
        ]
        return self.add(
            "Cast", [self.add("Gemm", [embedding, *weights], "components_double")], "pca", to=TensorProto.FLOAT
        )


class _HeadNodes(_Nodes):
    """The heads of one depth, from its embedding and the counts to rows.

    Reordering the outputs of network and trees and stacking complexity are linear, so they are folded into the weights.
    """

    def __init__(self, depth: str, heads: Heads, complexity: ComplexityStack) -> None:
        super().__init__(depth)
        fold_network, fold_others, bias = folded(heads, complexity)
        inputs = self._inputs(f"{depth}_embedding", heads)
        network = heads.network
        weights = [self.weight("input_weights", network.input_weights), self.weight("input_bias", network.input_bias)]
        hidden = self.add("Gelu", [self.add("Gemm", [inputs, *weights], "hidden")], "activation")
        output_weights = self.weight("output_weights", network.output_weights @ fold_network)
        output_bias = self.weight("output_bias", network.output_bias @ fold_network + bias)
        from_network = self.add("Gemm", [hidden, output_weights, output_bias], "from_network")
        others = [self._boosted(f"{depth}_embedding", heads), self._kernel(inputs, heads.kernel)]
        outputs = [
            self.add("Concat", others, "others", axis=1),
            self.weight("other_weights", fold_others),
            from_network,
        ]
        blocks = [f"{depth}/head", f"{depth}/complexity_logits"]
        levels = complexity.weights.shape[1]
        widths = self.weight("widths", [fold_network.shape[1] - levels, levels], np.int64)
        self.nodes.append(helper.make_node("Split", [self.add("Gemm", outputs, "outputs"), widths], blocks, axis=1))
        chances = self.add("Softmax", blocks[1:], "complexity", axis=1)
        self.add("Concat", [blocks[0], chances, "novelty/distance"], "rows", axis=1)

    def _inputs(self, embedding: str, heads: Heads) -> str:
        scaling = heads.scaling
        narrow = self.add("Cast", [embedding], "embedding_float", to=TensorProto.FLOAT)
        inputs = self.add("Concat", [narrow, "counts"], "inputs", axis=1)
        centred = self.add("Sub", [inputs, self.weight("mean", scaling.mean)], "inputs_centred")
        scaled = self.add("Div", [centred, self.weight("deviation", scaling.deviation)], "inputs_scaled")
        bounds = [self.weight("low", -CLIP), self.weight("high", CLIP)]
        return self.add("Clip", [scaled, *bounds], "inputs_clipped")

    def _kernel(self, inputs: str, kernel: Kernel) -> str:
        """Add the kernel, in float64 from the projected place on: its sums have many terms that cancel.

        exp(−|x − y|²) is exp(2xy − |x|²) times a constant of the landmark y, which is folded into what multiplies it.
        """
        turning = [self.weight("projection", kernel.projection), self.weight("projected_offset", kernel.offset)]
        place = self.add("Cast", [self.add("Gemm", [inputs, *turning], "place")], "place_double", to=TensorProto.DOUBLE)
        norm, kind_norm = (
            np.exp(-(points**2).sum(axis=1))[:, np.newaxis] for points in (kernel.landmarks, kernel.kind_landmarks)
        )
        likeness = self._likeness(place, kernel.landmarks, "likeness")
        kinds = self._double_gemm(likeness, norm * kernel.kind_weights, kernel.kind_bias, "kinds")
        both = self.add("Mul", [likeness, self._likeness(kinds, kernel.kind_landmarks, "alike")], "both_alike")
        outputs = self._double_gemm(both, norm * kind_norm * kernel.weights, kernel.bias, "kernel_double")
        return self.add("Cast", [outputs], "kernel", to=TensorProto.FLOAT)

    def _likeness(self, rows: str, landmarks: Doubles, name: str) -> str:
        square = self.add("ReduceSumSquare", [rows, self.weight(f"{name}_axis", [1], np.int64)], f"{name}_square")
        inner = self.add(
            "Gemm", [rows, self._widened(2 * landmarks.T, f"{name}_points"), square], f"{name}_inner", beta=-1.0
        )
        return self.add("Exp", [inner], name)

    def _double_gemm(self, rows: str, weights: Doubles, bias: Doubles, name: str) -> str:
        return self.add(
            "Gemm", [rows, self._widened(weights, f"{name}_weights"), self._widened(bias, f"{name}_bias")], name
        )

    def _widened(self, values: Doubles, name: str) -> str:
        """Add weights that are float64 but stored in float32; onnxruntime widens them once, at loading."""
        return self.add("Cast", [self.weight(name, values)], f"{name}_double", to=TensorProto.DOUBLE)

    def _boosted(self, embedding: str, heads: Heads) -> str:
        components = self.components(embedding, heads.scaling.component_mean, heads.scaling.components)
        inputs = self.add("Concat", [components, "counts"], "tree_inputs", axis=1)
        return self.add(
            "TreeEnsembleRegressor", [inputs], "boosted", domain="ai.onnx.ml", **_merged_trees(heads.boosted)
        )


class _NoveltyNodes(_Nodes):
    """The distance of a text's fast embedding from the training texts."""

    def __init__(self, novelty: Novelty) -> None:
        super().__init__("novelty")
        components = self.components("fast_embedding", novelty.mean, novelty.components)
        axis = self.weight("axis", [1], np.int64)
        self.add("ReduceL2", [components, axis], "distance")


def folded(heads: Heads, complexity: ComplexityStack) -> tuple[Floats, Floats, Floats]:
    """Return the matrices that turn the network's outputs, and those of boosting and kernel, into rows, and a bias."""
    identity = np.eye(heads.width, dtype=np.float32)
    rows = linear_rows(heads.split(np.vstack([np.zeros_like(identity[:1]), identity])), complexity)
    bias, matrix = rows[0], rows[1:] - rows[0]
    return matrix[: sum(heads.widths)], matrix[sum(heads.widths) :], bias


def _merged_trees(models: Sequence[HistGradientBoostingRegressor]) -> dict[str, Any]:
    """Return the attributes of one tree ensemble with a target for each model; skl2onnx converts them one by one."""
    merged: dict[str, Any] = {"n_targets": len(models), "base_values": [], "post_transform": "NONE"}
    next_tree = 0
    for target, model in enumerate(models):
        converted = to_onnx(
            model, initial_types=[("X", FloatTensorType([None, model.n_features_in_]))], target_opset=OPSET
        )
        node = next(node for node in converted.graph.node if node.op_type == "TreeEnsembleRegressor")
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        merged["base_values"] += [float(value) for value in attributes.get("base_values", [0.0])]
        for name, values in attributes.items():
            if name.startswith(("nodes_", "target_")):
                column = list(values)
                if name in ("nodes_treeids", "target_treeids"):
                    column = [tree + next_tree for tree in column]
                elif name == "target_ids":
                    column = [target] * len(column)
                merged.setdefault(name, []).extend(column)
        next_tree = max(merged["nodes_treeids"]) + 1
    return merged


def _needed_for(nodes: Iterable[onnx.NodeProto], outputs: Sequence[str]) -> set[str]:
    """Return the names of all outputs of the nodes that these outputs are computed from."""
    producer = {output: node for node in nodes for output in node.output}
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        node = producer.get(waiting.pop())
        if node is not None and node.output[0] not in needed:
            needed.update(node.output)
            waiting.extend(node.input)
    return needed


def _matrix(name: str) -> onnx.ValueInfoProto:
    kind = TensorProto.DOUBLE if name.endswith("embedding") else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, ["n", None])
