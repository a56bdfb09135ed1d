"""Bundles to be spoilt: copies of the real one, and a way to sign a change so that only the change itself is wrong."""

import hashlib
import json
import shutil

import pytest

from pointsman.prediction import read_bundle, write_bundle


@pytest.fixture(scope="session")
def real(bundle_dir):
    """The real bundle, read."""
    return read_bundle(bundle_dir)


@pytest.fixture(scope="session")
def light_dir(real, tmp_path_factory):
    """The real bundle with the smallest graph in place of its 24 MB, for what needs no session."""
    contents = {
        "graph.onnx": b"\x3a\x0c\x0a\x0a\x22\x08Identity",
        "tokenizer.json": real.tokenizer_json.encode(),
        "card.md": (real.path / "card.md").read_bytes(),
    }
    return write_bundle(tmp_path_factory.mktemp("light") / "bundle", real.manifest, contents)


@pytest.fixture
def copied(light_dir, tmp_path):
    """A copy of the light bundle, free to be spoilt."""
    return shutil.copytree(light_dir, tmp_path / "bundle")


@pytest.fixture
def whole_copy(bundle_dir, tmp_path):
    """A copy of the real bundle, free to be spoilt."""
    return shutil.copytree(bundle_dir, tmp_path / "whole")


@pytest.fixture
def edit_manifest():
    """Change a bundle's manifest: edit_manifest(bundle, lambda manifest: ...) gets the plain data to alter in place."""

    def edit(bundle, change):
        path = bundle / "manifest.json"
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return edit


@pytest.fixture
def resign(edit_manifest):
    """Replace a file of a bundle together with its digest, as somebody would who means harm."""

    def replace(bundle, name, data):
        (bundle / name).write_bytes(data)
        digest = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        edit_manifest(bundle, lambda manifest: manifest["files"].update({name: digest}))

    return replace
