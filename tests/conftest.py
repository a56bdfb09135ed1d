"""Fixtures that several rooms share: the bundle that comes along, and a router on it."""

from pathlib import Path

import pytest
from hypothesis import settings

from pointsman import Router
from pointsman.prediction import default_bundle_path

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def bundle_dir() -> Path:
    return default_bundle_path()


@pytest.fixture(scope="session")
def router(bundle_dir: Path) -> Router:
    return Router.load(bundle=bundle_dir)
