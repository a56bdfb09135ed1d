"""A real SQLite file and a real PostgreSQL, made for the tests."""

import pytest
from clusters import Missing, new_cluster
from ledgers import Clock

from pointsman.store import open_ledger, upgrade


@pytest.fixture(scope="session")
def cluster():
    """Return the cluster that tests share; its database "empty" holds an empty ledger, to be copied."""
    try:
        with new_cluster() as made:
            made.run("CREATE DATABASE empty")
            upgrade(made.url("empty"))
            made.run("CREATE DATABASE shared TEMPLATE empty")
            yield made
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Return the URL of an empty ledger, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("cluster").emptied("shared")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(url, clock):
    with open_ledger(url, clock=clock, timeout_s=30) as opened:
        yield opened
