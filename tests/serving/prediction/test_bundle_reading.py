import hashlib
import json
import os
import re
import shutil

import msgspec
import pytest

from pointsman.errors import BundleError
from pointsman.prediction import Predictor, bundle, default_bundle_path, read_bundle
from pointsman.prediction.features import FEATURE_VERSION
from pointsman.promises import Promises

FILES = ("card.md", "graph.onnx", "manifest.json", "tokenizer.json")


def refusal_of(path):
    with pytest.raises(BundleError) as refusal:
        read_bundle(path)
    assert str(path) in refusal.value.message
    return refusal.value.message.replace(str(path), "DIR")


def test_a_whole_bundle_is_read_as_it_lies_there(whole_copy, bundle_dir):
    read = read_bundle(whole_copy)
    assert (read.path, read.graph) == (whole_copy, (bundle_dir / "graph.onnx").read_bytes())
    assert read.tokenizer_json == (bundle_dir / "tokenizer.json").read_text(encoding="utf-8")
    assert read.digest == hashlib.sha256((bundle_dir / "manifest.json").read_bytes()).hexdigest()[:16]
    assert read.manifest.files["card.md"].bytes == (bundle_dir / "card.md").stat().st_size


def test_a_path_may_be_a_text_and_none_is_the_bundle_that_comes_along(bundle_dir, real):
    assert read_bundle(str(bundle_dir)).digest == read_bundle().digest == real.digest


def test_the_bundle_that_comes_along_is_under_25_megabytes(bundle_dir):
    assert sum(path.stat().st_size for path in bundle_dir.iterdir()) < 25_000_000


def test_an_installation_without_a_bundle_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "__file__", str(tmp_path / "serving" / "pointsman" / "prediction" / "bundle.py"))
    with pytest.raises(
        BundleError, match=r"^No bundle comes with this installation; name one \(--bundle DIR\) or train"
    ):
        default_bundle_path()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    expected = (
        "DIR/manifest.json is missing or isn't a plain file; DIR is not a complete bundle."
        if name == "manifest.json"
        else f"DIR lacks {name}; the bundle is incomplete. Train or copy it again."
    )
    assert refusal_of(copied) == expected


@pytest.mark.parametrize("name", [".hidden", "graph.onnx.data", "weights.pkl", "folder/"])
def test_an_extra_file_is_named(copied, name):
    (copied / name).mkdir() if name.endswith("/") else (copied / name).write_bytes(b"x")
    assert refusal_of(copied) == f"DIR holds {name.rstrip('/')}, which its manifest doesn't list; remove it."


@pytest.mark.parametrize("name", ["card.md", "graph.onnx", "tokenizer.json"])
@pytest.mark.parametrize("change", [b"", b"x"], ids=["one-bit", "one-byte-more"])
def test_an_altered_file_is_named(copied, name, change):
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 0 if change else 1
    (copied / name).write_bytes(bytes(data) + change)
    assert refusal_of(copied) == (f"DIR/{name} doesn't match its digest in the manifest: it was altered or damaged.")


@pytest.mark.parametrize("name", FILES)
def test_a_linked_file_is_refused_though_its_contents_are_right(copied, tmp_path, name):
    (copied / name).rename(tmp_path / "elsewhere")
    (copied / name).symlink_to(tmp_path / "elsewhere")
    assert refusal_of(copied) == f"DIR/{name} is missing or isn't a plain file; DIR is not a complete bundle."


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_plain_file_is_refused(copied, name, make):
    (copied / name).unlink()
    make(copied / name)
    assert refusal_of(copied) == f"DIR/{name} is missing or isn't a plain file; DIR is not a complete bundle."


@pytest.mark.parametrize("name", FILES)
def test_an_oversize_file_is_refused_unread(copied, monkeypatch, name):
    size = (copied / name).stat().st_size
    monkeypatch.setitem(bundle._MAX_BYTES, name, size - 1)
    assert refusal_of(copied) == f"DIR/{name} has {size:,} bytes; at most {size - 1:,} are read."
    monkeypatch.setitem(bundle._MAX_BYTES, name, size)
    assert read_bundle(copied).path == copied


@pytest.mark.parametrize("place", ["nowhere", "file", "empty"])
def test_a_place_without_a_bundle_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    assert "manifest.json is missing or isn't a plain file" in refusal_of(tmp_path / place)


@pytest.mark.parametrize("other", [0, 2, -1, "1", None, [1], 1.5])
def test_another_format_is_named_beside_the_readable_one(copied, edit_manifest, other):
    edit_manifest(copied, lambda manifest: manifest.update(format=other))
    assert refusal_of(copied) == (
        f"DIR has bundle format {other!r}; this release reads format 1. "
        "Train it again, or install the release that wrote it."
    )


@pytest.mark.parametrize("other", [FEATURE_VERSION + 1, FEATURE_VERSION - 1, "1", None])
def test_another_feature_version_is_named_beside_the_computed_one(copied, edit_manifest, other):
    edit_manifest(copied, lambda manifest: manifest.update(feature_version=other))
    assert refusal_of(copied) == (
        f"DIR was trained on feature version {other!r}; this release computes version {FEATURE_VERSION}. "
        "Train it again, or install the release that wrote it."
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"not json", b"\xff\xfe{}", b"[]", b"null", b"{} {}", b'{"format": NaN}', b'{"a": "\xff"}'],
    ids=["empty", "cut", "text", "utf-16", "list", "null", "two", "nan", "bad-utf-8"],
)
def test_a_manifest_that_is_no_json_object_is_refused(copied, data):
    (copied / "manifest.json").write_bytes(data)
    assert refusal_of(copied).startswith("DIR/manifest.json isn't JSON: ")


def test_a_manifest_nested_without_end_is_refused(copied):
    (copied / "manifest.json").write_bytes(b'{"format": ' + b"[" * 1_000_000)
    assert refusal_of(copied).startswith("DIR/manifest.json isn't JSON: ")


def first_ability(manifest):
    return next(iter(manifest["abilities"].values()))


SCHEMA_CHANGES = {
    "a field is missing": lambda manifest: manifest.pop("layout"),
    "a field is unknown": lambda manifest: manifest.update(notes="x"),
    "a number is a text": lambda manifest: manifest.update(trade_usd="0.03"),
    "a number is null": lambda manifest: first_ability(manifest)["fast_vector"].__setitem__(0, None),
    "the format is a truth": lambda manifest: manifest.update(format=True),
    "files are a list": lambda manifest: manifest.update(files=[]),
}


@pytest.mark.parametrize("change", SCHEMA_CHANGES.values(), ids=SCHEMA_CHANGES)
def test_a_manifest_of_another_shape_is_refused(copied, edit_manifest, change):
    edit_manifest(copied, change)
    assert re.match(r"DIR/manifest\.json is not a manifest of format 1: ", refusal_of(copied))


MANIFEST_CHANGES = {
    "a file less": (lambda m: m["files"].pop("card.md"), "lists ['graph.onnx', 'tokenizer.json']; a bundle has"),
    "a file more": (lambda m: m["files"].update({"../x": m["files"]["card.md"]}), "lists ['../x', 'card.md'"),
    "other types": (lambda m: m["types"].reverse(), "has other complexities or task types"),
    "other complexities": (lambda m: m["complexities"].append("absurd"), "has other complexities or task types"),
    "a type's width": (lambda m: m["layout"].update(type=15), "the layout disagrees with the number"),
    "a complexity's width": (lambda m: m["layout"].update(complexity=4), "the layout disagrees with the number"),
    "quantiles": (lambda m: m["novelty_quantiles"].pop(), "novelty_quantiles must be 101 numbers that ascend"),
    "a wide fast vector": (lambda m: first_ability(m)["fast_vector"].append(0.0), "wrong number of dimensions"),
    "a narrow deep vector": (lambda m: first_ability(m)["deep_vector"].pop(), "wrong number of dimensions"),
    "an empty length vector": (lambda m: first_ability(m)["length_vector"].clear(), "wrong number of dimensions"),
    "a narrow layout": (lambda m: m["layout"].update(demand=19), "as many numbers as the layout has demands"),
}


@pytest.mark.parametrize(("change", "words"), MANIFEST_CHANGES.values(), ids=MANIFEST_CHANGES)
def test_a_manifest_that_contradicts_itself_or_this_release_is_refused(copied, edit_manifest, change, words):
    edit_manifest(copied, change)
    assert words in refusal_of(copied)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
@pytest.mark.parametrize("field", ["fast_bias", "length_vector"])
def test_an_ability_that_is_no_finite_number_is_refused(copied, number, field):
    manifest = json.loads((copied / "manifest.json").read_bytes())
    ability = first_ability(manifest)
    ability[field] = ["PLACE", *ability[field][1:]] if isinstance(ability[field], list) else "PLACE"
    (copied / "manifest.json").write_bytes(json.dumps(manifest).encode().replace(b'"PLACE"', number))
    assert "manifest.json" in refusal_of(copied)


DEGENERATE_NUMBERS = {
    "trade of nothing": lambda m: m.update(trade_usd=0.0),
    "trade below nothing": lambda m: m.update(trade_usd=-0.03),
    "margin below nothing": lambda m: m.update(deep_margin=-1.0),
    "quantiles out of order": lambda m: m["novelty_quantiles"].reverse(),
    "no abilities": lambda m: m.update(abilities={}),
    "no window": lambda m: m["encoder"].update(max_tokens=0),
    "a window without end": lambda m: m["encoder"].update(max_tokens=10**9),
}


@pytest.mark.parametrize("change", DEGENERATE_NUMBERS.values(), ids=DEGENERATE_NUMBERS)
def test_a_manifest_with_numbers_that_route_nothing_is_refused(copied, edit_manifest, change):
    edit_manifest(copied, change)
    assert "manifest.json" in refusal_of(copied)


PROMISE = {
    "confidence": 0.95,
    "fleet": {"small": [1, 2]},
    "curves": {"fast": [{"trade_usd": 0.1, "quality": 0.8, "cost_nanousd": 5, "quality_floor": 0.7}]},
    "source": "school",
    "evidence": "cross-fitted",
    "prompts": 500,
    "groups": 400,
    "novelty_ceiling": 0.98,
    "novelty_quantiles": [place / 100 for place in range(101)],
}


def test_a_manifest_may_carry_a_promise_but_not_one_that_nothing_can_be_solved_on(copied, edit_manifest):
    edit_manifest(copied, lambda manifest: manifest.pop("promise"))
    assert read_bundle(copied).manifest.promise is None
    edit_manifest(copied, lambda manifest: manifest.update(promise=PROMISE))
    assert msgspec.to_builtins(read_bundle(copied).manifest.promise) == msgspec.to_builtins(
        msgspec.convert(PROMISE, Promises)
    )
    edit_manifest(copied, lambda manifest: manifest["promise"].update(novelty_quantiles=[0, 1]))
    assert "novelty_quantiles must be 101 numbers that ascend" in refusal_of(copied)


def test_a_layout_that_is_not_the_graphs_is_refused(whole_copy, edit_manifest):
    def widen(manifest):
        manifest["layout"]["length"] += 1
        for ability in manifest["abilities"].values():
            ability["length_vector"].append(0.0)

    edit_manifest(whole_copy, widen)
    with pytest.raises(BundleError, match=r"graph\.onnx"):
        Predictor(read_bundle(whole_copy))


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"version": "1.0"}'], ids=["empty", "{}", "bytes", "bare"])
def test_a_tokenizer_that_is_none_is_refused(copied, resign, data):
    resign(copied, "tokenizer.json", data)
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        Predictor(read_bundle(copied))


def test_a_graph_without_branches_is_refused(copied, resign):
    resign(copied, "graph.onnx", b"\x3a\x00")
    with pytest.raises(BundleError) as refusal:
        Predictor(read_bundle(copied))
    assert refusal.value.message == "graph.onnx has no If, which every bundle's graph has; train the bundle again."


@pytest.mark.parametrize("branch", ["then_branch", "else_branch"])
def test_a_graph_that_the_runtime_cannot_load_is_refused(whole_copy, resign, branch):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(whole_copy / "graph.onnx")
    choice = next(node for node in model.graph.node if node.op_type == "If")
    next(one.g for one in choice.attribute if one.name == branch).node[-1].op_type = "Nonsense"
    resign(whole_copy, "graph.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=r"^graph\.onnx can't be loaded by onnxruntime .*Nonsense"):
        Predictor(read_bundle(whole_copy))


def test_a_graph_with_other_inputs_is_refused(copied, resign):
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    rows = helper.make_tensor_value_info("y", kinds.FLOAT, ["n", 5])
    branch = helper.make_graph([helper.make_node("Identity", ["counts"], ["y"])], "b", [], [rows])
    node = helper.make_node("If", ["is_deep"], ["rows"], then_branch=branch, else_branch=branch)
    inputs = [helper.make_tensor_value_info("counts", kinds.FLOAT, ["n", 5])]
    inputs.append(helper.make_tensor_value_info("is_deep", kinds.BOOL, []))
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("rows", kinds.FLOAT, ["n", 5])])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    resign(copied, "graph.onnx", model.SerializeToString())
    with pytest.raises(BundleError) as refusal:
        Predictor(read_bundle(copied))
    assert refusal.value.message == ("graph.onnx has inputs ('counts',) and outputs ('y',), which aren't a bundle's.")


def test_a_hostile_graph_with_a_right_digest_is_refused(copied, resign):
    resign(copied, "graph.onnx", b"\x3a\x07\x0a\x05\x22\x01A\x3a\x00"[:9])
    assert read_bundle(copied).path == copied
    resign(copied, "graph.onnx", b"\x3a\x08\x0a\x06\x22\x01A\x3a\x01e")
    with pytest.raises(BundleError, match=r"^graph\.onnx uses the custom operator e\.A;"):
        read_bundle(copied)


def test_a_folder_that_is_itself_linked_may_hold_a_bundle(copied, tmp_path):
    (tmp_path / "current").symlink_to(copied, target_is_directory=True)
    assert read_bundle(tmp_path / "current").digest == read_bundle(copied).digest


def test_a_copy_of_a_copy_is_the_same_bundle(copied, tmp_path):
    again = shutil.copytree(copied, tmp_path / "again")
    assert read_bundle(again).digest == read_bundle(copied).digest
