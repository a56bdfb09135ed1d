from functools import cache

import pytest

from pointsman.prediction import read_bundle
from pointsman.prediction.embedder import Embedder


@pytest.fixture(scope="session")
def embed(bundle_dir):
    """The deep embedding of the bundle that comes along."""
    return cache(Embedder(read_bundle(bundle_dir)))
