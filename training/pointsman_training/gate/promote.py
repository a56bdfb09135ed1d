"""Put a bundle where serving reads it: the very bundle that passed, whole or not at all."""

import os
from pathlib import Path

from pointsman.errors import BundleError
from pointsman.prediction import read_bundle, write_bundle


def promote(candidate: str | os.PathLike[str], target: str | os.PathLike[str], digest: str) -> Path:
    """Copy the candidate to `target`; a bundle there is replaced.

    Raises:
        BundleError: the candidate isn't the bundle of this digest any more, or something else lies at `target`.
    """
    bundle = read_bundle(candidate)
    contents = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    if bundle.digest != digest:
        raise BundleError(
            f"{bundle.path} has changed since it passed the gate: its digest was {digest}, it is {bundle.digest}. "
            "Nothing was promoted; run the gate again."
        )
    return write_bundle(target, bundle.manifest, contents)
