from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from pointsman.errors import ParityError
from pointsman.prediction import core_text, read_bundle
from pointsman.prediction.audit import audit_graph
from pointsman.prediction.embedder import Embedder
from pointsman.prediction.encoder import TextEncoder, encoder_feeds, pooling_of
from pointsman_training.encode import Encoder
from pointsman_training.graph import build_graph, encoder_graph_of
from pointsman_training.heads import boost
from pointsman_training.novelty import fit_novelty
from pointsman_training.parity import TOLERANCE, prove_parity

TEXTS = (
    "Sort a list",
    "Prove that the sum of two odd numbers is even, and say where the proof uses induction.",
    "",
    "Übersetze: »Guten Morgen« — 早上好 🌅",
    "word " * 400,
    "SELECT month, SUM(total) FROM sales GROUP BY month;\n" * 3,
)


@pytest.fixture(scope="module")
def novelty(dataset):
    return fit_novelty(dataset.features.fast)


@pytest.fixture(scope="module")
def graphs(learned, encoder, novelty):
    """The graph that serves, and the one that also shows the embedding its heads read."""
    return [
        build_graph(encoder.graph, learned.heads, learned.complexity, novelty, shows_embedding=shows)
        for shows in (False, True)
    ]


@pytest.fixture(scope="module")
def features(encoder):
    return encoder.features(TEXTS)


def prove(graphs, encoder, features, learned, novelty, heads=None):
    return prove_parity(
        graphs[1], graphs[0], encoder, TEXTS, features, heads or learned.heads, learned.complexity, novelty
    )


def test_parity_is_proved_on_the_trained_world(graphs, encoder, features, learned, novelty):
    assert 0 < prove(graphs, encoder, features, learned, novelty) <= TOLERANCE


@pytest.mark.parametrize("depth", ["fast", "deep"])
def test_a_weight_changed_after_the_export_is_found_at_its_depth(graphs, encoder, features, learned, novelty, depth):
    network = learned.heads[depth].network
    bias = network.output_bias.copy()
    bias[0] += 1e-3
    other = replace(learned.heads[depth], network=replace(network, output_bias=bias))
    with pytest.raises(ParityError, match=f"differ by .* at depth {depth} on '"):
        prove(graphs, encoder, features, learned, novelty, learned.heads | {depth: other})


def test_boosting_changed_after_the_export_is_found(graphs, encoder, features, learned, novelty):
    heads = learned.heads["deep"]
    turned = replace(heads, boosted=heads.boosted[::-1])
    with pytest.raises(ParityError, match="at depth deep"):
        prove(graphs, encoder, features, learned, novelty, learned.heads | {"deep": turned})


def test_another_novelty_is_found(graphs, encoder, features, learned, novelty):
    with pytest.raises(ParityError, match="at depth fast"):
        prove(graphs, encoder, features, learned, replace(novelty, mean=novelty.mean + 0.01))


def test_the_encoder_taken_out_of_a_graph_gives_the_same_embeddings(graphs, encoder, features):
    taken = Encoder(encoder_graph_of(graphs[0]), encoder.tokenizer_json, encoder.spec).features(TEXTS)
    np.testing.assert_array_equal(taken.fast, features.fast)
    np.testing.assert_array_equal(taken.deep, features.deep)


def test_taking_the_encoder_out_of_a_graph_made_from_it_changes_nothing(graphs, encoder):
    assert encoder_graph_of(graphs[0]) == encoder_graph_of(graphs[1]) == encoder.graph


@pytest.mark.parametrize("depth", ["fast", "deep"])
def test_the_merged_trees_equal_the_models_they_came_from(graphs, encoder, features, learned, depth):
    session = ort.InferenceSession(graphs[1], providers=["CPUExecutionProvider"])
    tokens = TextEncoder(encoder.tokenizer_json, max_tokens=encoder.spec.max_tokens)
    heads = learned.heads[depth]
    demands, factors = heads.widths[:2]
    length_at = demands + 4 + heads.kernel.weights.shape[1] - 1 + factors
    for index, text in enumerate(TEXTS):
        ids, counts = np.array([tokens.token_ids(text)]), features.counts[index : index + 1]
        feeds = encoder_feeds(ids, pooling_of(ids)) | {"counts": counts, "is_deep": np.array(depth == "deep")}
        row, embedding = session.run(["rows", "embedding"], feeds)
        boosted = boost(heads.boosted, heads.scaling.tree_inputs(embedding, counts))
        np.testing.assert_allclose(row[:, demands : demands + 4], boosted[:, :4], atol=1e-5)
        np.testing.assert_allclose(row[:, length_at], boosted[:, 4], atol=1e-5)


def test_the_graph_passes_the_audit_of_serving(graphs):
    for graph in graphs:
        audit_graph(graph)


def test_the_same_heads_give_the_same_bytes(graphs, learned, encoder, novelty):
    assert build_graph(encoder.graph, learned.heads, learned.complexity, novelty) == graphs[0]


def test_the_embedding_read_alone_is_that_of_the_whole_encoder(bundle_dir):
    bundle = read_bundle(bundle_dir)
    encoder = TextEncoder(bundle.tokenizer_json, max_tokens=bundle.manifest.encoder.max_tokens)
    session = ort.InferenceSession(encoder_graph_of(bundle.graph))
    embed = Embedder(bundle)
    for text in ("How do I reset it?", "x", "", "long words " * 200):
        ids = np.array([encoder.token_ids(core_text(text))])
        (expected,) = session.run(["deep_embedding"], encoder_feeds(ids, pooling_of(ids)))
        np.testing.assert_array_equal(embed(text), expected[0])
