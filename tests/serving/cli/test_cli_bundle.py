import shutil

import pytest

from pointsman.prediction import read_bundle, write_bundle


def test_show_has_the_facts_models_and_metrics(pointsman, bundle_dir):
    code, out, err = pointsman("bundle", "show", bundle_dir)
    assert (code, err) == (0, "")
    bundle = read_bundle(bundle_dir)
    assert bundle.digest in out
    assert bundle.manifest.encoder.model in out
    for name, file in bundle.manifest.files.items():
        assert file.sha256 in out
        assert f"{file.bytes:,}" in out
        assert name in out
    for model, ability in bundle.manifest.abilities.items():
        assert any(model in line and f"{ability.outcomes:,}" in line for line in out.splitlines())
    for heading in ("fast", "deep", "log_loss", "training"):
        assert heading in out


def test_default_is_the_bundle_that_comes_along(pointsman):
    assert read_bundle().digest in pointsman("bundle", "show", "default").out


def test_verify_says_verified(pointsman, bundle_dir):
    digest = read_bundle(bundle_dir).digest
    verified = f"{bundle_dir}: verified (format 1, digest {digest}).\n"
    assert pointsman("bundle", "verify", bundle_dir) == (0, verified, "")


@pytest.fixture
def copy(bundle_dir, tmp_path):
    return shutil.copytree(bundle_dir, tmp_path / "copy")


def test_verify_refuses_an_altered_file(pointsman, copy):
    with (copy / "card.md").open("a") as card:
        card.write("!")
    message = f"error: {copy}/card.md doesn't match its digest in the manifest: it was altered or damaged.\n"
    assert pointsman("bundle", "verify", copy) == (2, "", message)


def test_verify_refuses_an_extra_and_a_missing_file(pointsman, copy):
    (copy / "notes.txt").write_text("x")
    code, _, err = pointsman("bundle", "verify", copy)
    assert (code, err.startswith(f"error: {copy} holds notes.txt, which its manifest doesn't list")) == (2, True)
    (copy / "notes.txt").unlink()
    (copy / "tokenizer.json").unlink()
    code, _, err = pointsman("bundle", "verify", copy)
    assert (code, err.startswith(f"error: {copy} lacks tokenizer.json")) == (2, True)


def test_verify_refuses_another_format(pointsman, copy):
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99', 1))
    code, out, err = pointsman("bundle", "verify", copy)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {copy} has bundle format 99; this release reads format 1.")


def test_verify_refuses_a_graph_that_the_runtime_cannot_use(pointsman, bundle_dir, tmp_path):
    bundle = read_bundle(bundle_dir)
    contents = {name: (bundle_dir / name).read_bytes() for name in bundle.manifest.files}
    contents["graph.onnx"] = contents["graph.onnx"].replace(b"rows", b"rowz")
    path = write_bundle(tmp_path / "renamed", bundle.manifest, contents)
    code, out, err = pointsman("bundle", "verify", path)
    assert (code, out) == (2, "")
    assert "outputs ('fast/rowz',), which aren't a bundle's." in err


def test_no_such_bundle_is_refused(pointsman, tmp_path):
    code, out, err = pointsman("bundle", "verify", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/none/manifest.json is missing")
