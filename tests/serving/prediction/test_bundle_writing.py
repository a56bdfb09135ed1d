import hashlib
import json

import msgspec
import pytest

from pointsman.errors import BundleError
from pointsman.prediction import bundle, read_bundle, write_bundle


@pytest.fixture
def contents(real):
    return {"graph.onnx": b"\x3a\x00", "tokenizer.json": b"{}", "card.md": "# Kärtchen\n".encode()}


def snapshot(folder):
    """Every path below a folder with its contents; None for a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_written_bundle_reads_back_with_its_digests_filled_in(real, contents, tmp_path):
    target = tmp_path / "new" / "deep" / "bundle"
    assert write_bundle(target, real.manifest, contents) == target
    read = read_bundle(target)
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()}
    assert msgspec.to_builtins(read.manifest.files) == files
    assert msgspec.structs.replace(read.manifest, files={}) == msgspec.structs.replace(real.manifest, files={})
    assert (read.graph, read.tokenizer_json) == (b"\x3a\x00", "{}")
    assert sorted(snapshot(tmp_path / "new")) == [
        "deep",
        "deep/bundle",
        "deep/bundle/card.md",
        "deep/bundle/graph.onnx",
        "deep/bundle/manifest.json",
        "deep/bundle/tokenizer.json",
    ]


def test_the_same_contents_give_the_same_digest(real, contents, tmp_path):
    one = read_bundle(write_bundle(tmp_path / "one", real.manifest, contents))
    other = read_bundle(write_bundle(tmp_path / "other", real.manifest, dict(reversed(contents.items()))))
    assert one.digest == other.digest


def test_a_bundle_is_replaced_whole(real, contents, tmp_path):
    write_bundle(tmp_path / "bundle", real.manifest, contents)
    write_bundle(tmp_path / "bundle", real.manifest, contents | {"card.md": b"second"})
    assert sorted(snapshot(tmp_path)) == [
        "bundle",
        *(f"bundle/{name}" for name in sorted([*contents, "manifest.json"])),
    ]
    assert (tmp_path / "bundle" / "card.md").read_bytes() == b"second"
    assert read_bundle(tmp_path / "bundle").path == tmp_path / "bundle"


def test_an_empty_folder_is_written_into(real, contents, tmp_path):
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle", real.manifest, contents)
    assert read_bundle(tmp_path / "bundle").graph == b"\x3a\x00"


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "graph.onnx"])
def test_a_foreign_folder_is_refused_and_left_alone(real, contents, tmp_path, name):
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    before = snapshot(tmp_path)
    with pytest.raises(BundleError, match=r"home exists and is no bundle; choose another place, or remove it first\.$"):
        write_bundle(tmp_path / "home", real.manifest, contents)
    assert snapshot(tmp_path) == before


def test_a_foreign_folder_that_has_a_manifest_of_its_own_is_refused_and_left_alone(real, contents, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "manifest.json").write_text(json.dumps({"name": "A web app"}), encoding="utf-8")
    (tmp_path / "web" / "index.html").write_bytes(b"mine")
    before = snapshot(tmp_path)
    with pytest.raises(BundleError, match="web exists and is no bundle"):
        write_bundle(tmp_path / "web", real.manifest, contents)
    assert snapshot(tmp_path) == before


def test_a_file_in_the_way_is_refused_and_left_alone(real, contents, tmp_path):
    (tmp_path / "bundle").write_bytes(b"mine")
    with pytest.raises(BundleError, match="bundle exists and is no bundle"):
        write_bundle(tmp_path / "bundle", real.manifest, contents)
    assert snapshot(tmp_path) == {"bundle": b"mine"}


SPOILT = {
    "a file less": lambda contents: contents.pop("card.md"),
    "a file more": lambda contents: contents.update({"notes.txt": b"x"}),
    "no graph": lambda contents: contents.update({"graph.onnx": b"random"}),
    "a custom operator": lambda contents: contents.update({"graph.onnx": b"\x3a\x08\x0a\x06\x22\x01A\x3a\x01e"}),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("has_former", [False, True])
def test_what_would_not_verify_is_never_written(real, contents, tmp_path, spoil, has_former):
    if has_former:
        write_bundle(tmp_path / "bundle", real.manifest, contents)
    before = snapshot(tmp_path)
    spoil(contents)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "bundle", real.manifest, contents)
    assert snapshot(tmp_path) == before


def test_a_manifest_of_another_format_is_never_written(real, contents, tmp_path):
    with pytest.raises(BundleError, match="has bundle format 2"):
        write_bundle(tmp_path / "bundle", msgspec.structs.replace(real.manifest, format=2), contents)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("has_former", [False, True])
def test_a_disk_that_fails_at_the_last_step_leaves_what_was_there(real, contents, tmp_path, monkeypatch, has_former):
    if has_former:
        write_bundle(tmp_path / "bundle", real.manifest, contents)
    before = snapshot(tmp_path)

    rename = bundle.Path.rename

    def fail(path, target):
        if path.name == "fresh":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(bundle.Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(tmp_path / "bundle", real.manifest, contents | {"card.md": b"second"})
    assert snapshot(tmp_path) == before


def test_a_disk_that_fails_while_writing_leaves_what_was_there(real, contents, tmp_path, monkeypatch):
    write_bundle(tmp_path / "bundle", real.manifest, contents)
    before = snapshot(tmp_path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle.Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(tmp_path / "bundle", real.manifest, contents)
    monkeypatch.undo()
    assert snapshot(tmp_path) == before
