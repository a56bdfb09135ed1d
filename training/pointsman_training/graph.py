"""Encoder and heads → one ONNX graph: inputs input_ids, attention_mask, counts, is_deep; output rows.

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
from pointsman_training.crossfit import Depth
from pointsman_training.heads import CLIP, Heads
from pointsman_training.novelty import Novelty
from pointsman_training.stack import ComplexityStack

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
    outputs = ["fast_embedding", "deep_embedding"]
    needed = _needed_for(nodes, outputs)
    kept = [node for node in nodes if node.output[0] in needed]
    used = {name for node in kept for name in node.input}
    encoder = helper.make_graph(
        kept,
        "encoder",
        [value for value in model.graph.input if value.name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "d"]) for name in outputs],
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
        exact = self.add("Cast", [embedding], "embedding_double", to=TensorProto.DOUBLE)
        centred = self.add("Sub", [exact, self.weight("component_mean", mean, np.float64)], "centred")
        turned = self.weight("components", np.transpose(components), np.float64)
        return self.add(
            "Cast", [self.add("MatMul", [centred, turned], "components_double")], "pca", to=TensorProto.FLOAT
        )


class _HeadNodes(_Nodes):
    """The heads of one depth, from its embedding and the counts to rows."""

    def __init__(self, depth: str, heads: Heads, complexity: ComplexityStack) -> None:
        super().__init__(depth)
        network = self._network(f"{depth}_embedding", heads)
        boosted = self._boosted(f"{depth}_embedding", heads)
        demand, length, levels, kinds = self._split(network, "network", heads.widths)
        boosted_demand, boosted_length, boosted_levels = self._split(boosted, "boosted", heads.boosted_widths)
        log_chances = self.add("LogSoftmax", [levels], "log_complexity", axis=1)
        scores = self.add("Concat", [log_chances, boosted_levels], "complexity_scores", axis=1)
        stack = [scores, self.weight("stack", complexity.weights), self.weight("stack_bias", complexity.biases)]
        chances = self.add("Softmax", [self.add("Gemm", stack, "complexity_logits")], "complexity", axis=1)
        types = self.add("Softmax", [kinds], "types", axis=1)
        blocks = [demand, boosted_demand, length, boosted_length, chances, types, "novelty/distance"]
        self.add("Concat", blocks, "rows", axis=1)

    def _network(self, embedding: str, heads: Heads) -> str:
        scaling, network = heads.scaling, heads.network
        inputs = self.add("Concat", [embedding, "counts"], "inputs", axis=1)
        centred = self.add("Sub", [inputs, self.weight("mean", scaling.mean)], "inputs_centred")
        scaled = self.add("Div", [centred, self.weight("deviation", scaling.deviation)], "inputs_scaled")
        bounds = [self.weight("low", -CLIP), self.weight("high", CLIP)]
        clipped = self.add("Clip", [scaled, *bounds], "inputs_clipped")
        first = [
            clipped,
            self.weight("input_weights", network.input_weights),
            self.weight("input_bias", network.input_bias),
        ]
        hidden = self.add("Gelu", [self.add("Gemm", first, "hidden")], "activation")
        second = [
            hidden,
            self.weight("output_weights", network.output_weights),
            self.weight("output_bias", network.output_bias),
        ]
        return self.add("Gemm", second, "network")

    def _boosted(self, embedding: str, heads: Heads) -> str:
        scaling = heads.scaling
        components = self.components(embedding, scaling.component_mean, scaling.components)
        inputs = self.add("Concat", [components, "counts"], "tree_inputs", axis=1)
        return self.add(
            "TreeEnsembleRegressor", [inputs], "boosted", domain="ai.onnx.ml", **_merged_trees(heads.boosted)
        )

    def _split(self, block: str, name: str, widths: Sequence[int]) -> list[str]:
        outputs = [f"{self._prefix}/{name}_{index}" for index in range(len(widths))]
        self.nodes.append(
            helper.make_node("Split", [block, self.weight(f"{name}_widths", widths, np.int64)], outputs, axis=1)
        )
        return outputs


class _NoveltyNodes(_Nodes):
    """The distance of a text's fast embedding from the training texts."""

    def __init__(self, novelty: Novelty) -> None:
        super().__init__("novelty")
        components = self.components("fast_embedding", novelty.mean, novelty.components)
        scaled = self.add("Div", [components, self.weight("deviation", novelty.deviation)], "scaled")
        squares = self.add("Mul", [scaled, scaled], "squares")
        axis = self.weight("axis", [1], np.int64)
        self.add("Sqrt", [self.add("ReduceMean", [squares, axis], "mean_square")], "distance")


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
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None])
