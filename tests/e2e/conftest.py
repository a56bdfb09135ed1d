"""A PostgreSQL of the tests' own; skipped where none is installed."""

import pytest
from clusters import Missing, new_cluster

from pointsman.store import upgrade


@pytest.fixture(scope="session")
def cluster():
    try:
        with new_cluster() as made:
            yield made
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Return the URL of an empty ledger, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/pointsman.db"
    url = request.getfixturevalue("cluster").database()
    upgrade(url)
    return url
