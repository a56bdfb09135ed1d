"""A trained router on disk: graph.onnx, tokenizer.json, card.md, and manifest.json with the digest of each.

Nothing of a bundle is used before all of it is verified, and nothing in it can run code: weights are ONNX with standard
operators only, everything else is JSON and text.
"""

import hashlib
import itertools
import math
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from pointsman.errors import BundleError
from pointsman.prediction.audit import audit_graph
from pointsman.prediction.features import FEATURE_VERSION
from pointsman.promises import Promises
from pointsman.types import COMPLEXITIES, TASK_TYPES

BUNDLE_FORMAT: Final = 1
"""Raised when an older reader could misread a bundle; the reader of the former format and its test are then kept."""

MANIFEST: Final = "manifest.json"
GRAPH: Final = "graph.onnx"
TOKENIZER: Final = "tokenizer.json"
CARD: Final = "card.md"
_LEAST_TOKENS, _MOST_TOKENS = 4, 4096
_MAX_BYTES: Final = {GRAPH: 1 << 30, TOKENIZER: 64 << 20, CARD: 1 << 20, MANIFEST: 32 << 20}


class FileDigest(msgspec.Struct, frozen=True):
    """Size and SHA-256 of one file of a bundle."""

    sha256: str
    bytes: int


class EncoderSpec(msgspec.Struct, frozen=True):
    """Where the embedding comes from: the sentence-transformers model, the layer that "deep" reads, the window."""

    model: str
    layer: int
    dimensions: int
    max_tokens: int


class Ability(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model as learned: logit P(quality) = bias + demand · vector, calibrated, for each profile.

    `length_bias` and `length_vector` give the natural log of the expected output tokens from the length numbers of the
    graph. `outcomes` is how many outcomes the ability rests on. `deviation` is that of the deep logit on typical tasks
    where the model joined a trained bundle; None where it was trained with the others.
    """

    fast_bias: float
    fast_vector: tuple[float, ...]
    deep_bias: float
    deep_vector: tuple[float, ...]
    length_bias: float
    length_vector: tuple[float, ...]
    outcomes: int
    sources: tuple[str, ...]
    deviation: float | None = None


class PricePrior(msgspec.Struct, frozen=True):
    """Ability expected of a model known by its price only: mean logit = intercept + slope · ln(USD per Mtok)."""

    intercept: float
    slope: float
    residual: float


class BenchmarkPrior(msgspec.Struct, frozen=True):
    """Ability expected of a model by its mean score: mean logit = intercept + slope · logit(score), over `models`."""

    intercept: float
    slope: float
    residual: float
    models: int


class TypicalDemand(msgspec.Struct, frozen=True):
    """Mean demand (k,) of the main source's prompts at each depth: where a mean logit is an ability's logit."""

    fast: tuple[float, ...]
    deep: tuple[float, ...]


class Layout(msgspec.Struct, frozen=True):
    """Widths of the blocks in an output row of the graph, in this order."""

    demand: int
    length: int
    type: int
    complexity: int
    novelty: int = 1

    @property
    def width(self) -> int:
        """Columns of an output row."""
        return self.demand + self.length + self.complexity + self.type + self.novelty


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything about a bundle that isn't a weight of the graph.

    `novelty_quantiles` are the distances at 0, 1, … 100 % of the training texts. `trade_usd` is how much quality 1.0 is
    worth in dollars per task by default (1 / λ). `deep_margin` is the utility gap below which the deep reading could
    change the choice. `constant` names the model that serves every task at the default dial, where held-out outcomes
    don't show that routing is worth more. `promise` is what targets are solved on, None where nothing was calibrated.
    `training` and `metrics` are for readers; no code depends on them.
    """

    format: int
    feature_version: int
    encoder: EncoderSpec
    layout: Layout
    complexities: tuple[str, ...]
    types: tuple[str, ...]
    abilities: dict[str, Ability]
    price_prior: PricePrior
    novelty_quantiles: tuple[float, ...]
    trade_usd: float
    deep_margin: float
    files: dict[str, FileDigest]
    training: dict[str, Any]
    metrics: dict[str, Any]
    typical_demand: TypicalDemand | None = None
    benchmark_priors: dict[str, BenchmarkPrior] = {}
    constant: str | None = None
    promise: Promises | None = None


class Bundle(msgspec.Struct, frozen=True):
    """A verified bundle; `digest` identifies it (SHA-256 of its manifest, first 16 hex digits).

    The graph stays on the disk: a session has all of it in memory once it is built, and nobody else needs it.
    """

    path: Path
    manifest: Manifest
    tokenizer_json: str
    digest: str

    @property
    def graph(self) -> bytes:
        """The bytes of graph.onnx, read and verified each time.

        Raises:
            BundleError: the file is gone, or isn't the one that was verified when the bundle was read.
        """
        return _read_verified(self.path, GRAPH, self.manifest.files[GRAPH])


def default_bundle_path() -> Path:
    """Return where the bundle that comes with Pointsman lies: in the wheel, or in `models/default` of a checkout.

    Raises:
        BundleError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for path in (package / "bundled", package.parents[1] / "models" / "default"):
        if (path / MANIFEST).is_file():
            return path
    raise BundleError("No bundle comes with this installation; name one (--bundle DIR) or train one (pointsman train).")


def read_bundle(path: str | os.PathLike[str] | None = None) -> Bundle:
    """Verify a bundle and return it; None reads the one that comes with Pointsman.

    Raises:
        BundleError: a file is missing, extra, oversize, linked or altered; the format or feature version is another;
            the graph holds external data, custom operators or control flow. The message says which.
    """
    root = default_bundle_path() if path is None else Path(path)
    manifest_bytes = _read_file(root, MANIFEST)
    manifest = _parse_manifest(manifest_bytes, root)
    _check_file_set(root, manifest)
    contents = {name: _read_verified(root, name, digest) for name, digest in manifest.files.items()}
    audit_graph(contents[GRAPH])
    return Bundle(
        path=root,
        manifest=manifest,
        tokenizer_json=_text(contents[TOKENIZER], root / TOKENIZER),
        digest=hashlib.sha256(manifest_bytes).hexdigest()[:16],
    )


def write_bundle(path: str | os.PathLike[str], manifest: Manifest, contents: dict[str, bytes]) -> Path:
    """Write a bundle that appears whole or not at all; an existing bundle there is replaced.

    `contents` maps graph.onnx, tokenizer.json and card.md to their bytes; digests in `manifest.files` are filled in.

    Raises:
        BundleError: something that isn't a bundle already lies at `path`.
    """
    target = Path(path)
    check_target(target)
    files = {name: FileDigest(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(contents.items())}
    manifest = msgspec.structs.replace(manifest, files=files)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        fresh, former = Path(scratch) / "fresh", Path(scratch) / "former"
        fresh.mkdir()
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        encoded = msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)
        (fresh / MANIFEST).write_bytes(encoded + b"\n")
        read_bundle(fresh)
        if target.exists():
            target.rename(former)
        try:
            fresh.rename(target)
        except OSError:
            if former.exists():
                former.rename(target)
            raise
    return target


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a place where `write_bundle` would refuse to write.

    Raises:
        BundleError: something that isn't a bundle already lies there.
    """
    target = Path(path)
    if target.exists() and not _may_replace(target):
        raise BundleError(f"{target} exists and is no bundle; choose another place, or remove it first.")


def _may_replace(target: Path) -> bool:
    if not target.is_dir():
        return False
    names = {entry.name for entry in target.iterdir()}
    return not names or (MANIFEST in names and names <= {MANIFEST, GRAPH, TOKENIZER, CARD})


def _parse_manifest(data: bytes, root: Path) -> Manifest:
    try:
        header = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{root / MANIFEST} isn't JSON: {error}.") from None
    if header.get("format") != BUNDLE_FORMAT:
        raise BundleError(
            f"{root} has bundle format {header.get('format')!r}; this release reads format {BUNDLE_FORMAT}. "
            "Train it again, or install the release that wrote it."
        )
    if header.get("feature_version") != FEATURE_VERSION:
        raise BundleError(
            f"{root} was trained on feature version {header.get('feature_version')!r}; this release computes version "
            f"{FEATURE_VERSION}. Train it again, or install the release that wrote it."
        )
    try:
        manifest = msgspec.convert(header, Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{root / MANIFEST} is not a manifest of format {BUNDLE_FORMAT}: {error}.") from None
    _check_numbers(manifest, root)
    _check_abilities(manifest, root)
    return manifest


def _check_abilities(manifest: Manifest, root: Path) -> None:
    layout = manifest.layout
    if manifest.complexities != COMPLEXITIES or manifest.types != TASK_TYPES:
        raise BundleError(f"{root / MANIFEST} has other complexities or task types than this release; train it again.")
    if len(manifest.complexities) != layout.complexity or len(manifest.types) != layout.type:
        raise BundleError(f"{root / MANIFEST}: the layout disagrees with the number of complexities or types.")
    for model, ability in manifest.abilities.items():
        numbers = (ability.fast_bias, ability.deep_bias, ability.length_bias)
        vectors = (ability.fast_vector, ability.deep_vector, ability.length_vector)
        if tuple(map(len, vectors)) != (layout.demand, layout.demand, layout.length):
            raise BundleError(f"{root / MANIFEST}: the ability of {model!r} has the wrong number of dimensions.")
        if not all(map(math.isfinite, (*numbers, *sum(vectors, ())))):
            raise BundleError(f"{root / MANIFEST}: the ability of {model!r} has a number that isn't finite.")
        if ability.deviation is not None and not 0 <= ability.deviation < math.inf:
            raise BundleError(f"{root / MANIFEST}: the deviation of {model!r} must be 0 or more, and finite.")


def _check_numbers(manifest: Manifest, root: Path) -> None:
    place = root / MANIFEST
    quantiles = manifest.novelty_quantiles
    if len(quantiles) != 101 or not all(low <= high for low, high in itertools.pairwise(quantiles)):
        raise BundleError(f"{place}: novelty_quantiles must be 101 numbers that ascend.")
    if not (0 < manifest.trade_usd < math.inf and 0 <= manifest.deep_margin < math.inf):
        raise BundleError(f"{place}: trade_usd must be above 0, deep_margin not below, and both finite.")
    if not _LEAST_TOKENS <= manifest.encoder.max_tokens <= _MOST_TOKENS:
        raise BundleError(f"{place}: encoder.max_tokens must be {_LEAST_TOKENS} to {_MOST_TOKENS}.")
    typical = manifest.typical_demand
    if typical and {len(typical.fast), len(typical.deep)} != {manifest.layout.demand}:
        raise BundleError(f"{place}: typical_demand must have as many numbers as the layout has demands.")
    if not all(0 < prior.residual < math.inf for prior in manifest.benchmark_priors.values()):
        raise BundleError(f"{place}: the residual of every benchmark prior must be above 0, and finite.")
    if not manifest.abilities:
        raise BundleError(f"{place} knows no model; train it again.")
    if manifest.constant is not None and manifest.constant not in manifest.abilities:
        raise BundleError(f"{place}: constant is {manifest.constant!r}, a model it has no ability of; train it again.")


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} isn't UTF-8: {error.reason} at byte {error.start}.") from None


def _check_file_set(root: Path, manifest: Manifest) -> None:
    expected = {GRAPH, TOKENIZER, CARD}
    if set(manifest.files) != expected:
        raise BundleError(f"{root / MANIFEST} lists {sorted(manifest.files)}; a bundle has {sorted(expected)}.")
    present = {entry.name for entry in root.iterdir()} - {MANIFEST}
    if extra := sorted(present - expected):
        raise BundleError(f"{root} holds {', '.join(extra)}, which its manifest doesn't list; remove it.")
    if missing := sorted(expected - present):
        raise BundleError(f"{root} lacks {', '.join(missing)}; the bundle is incomplete. Train or copy it again.")


def _read_verified(root: Path, name: str, expected: FileDigest) -> bytes:
    data = _read_file(root, name)
    if len(data) != expected.bytes or hashlib.sha256(data).hexdigest() != expected.sha256:
        raise BundleError(f"{root / name} doesn't match its digest in the manifest: it was altered or damaged.")
    return data


def _read_file(root: Path, name: str) -> bytes:
    path = root / name
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path} is missing or isn't a plain file; {root} is not a complete bundle.")
    size = path.stat().st_size
    if size > _MAX_BYTES[name]:
        raise BundleError(f"{path} has {size:,} bytes; at most {_MAX_BYTES[name]:,} are read.")
    return path.read_bytes()
