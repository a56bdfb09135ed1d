"""A log on each database, with a tenant of its own for every example."""

import itertools

import pytest
from clusters import Missing, new_cluster
from ledgers import Clock

from pointsman.store import open_log, upgrade


@pytest.fixture(scope="session")
def postgresql():
    """Return the URL of a PostgreSQL that has the tables."""
    try:
        with new_cluster() as made:
            url = made.database()
            upgrade(url)
            yield url
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def log(request, tmp_path_factory):
    """Return a log that all tests of a database share: each takes a tenant of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('insight')}/log.db"
    else:
        url = request.getfixturevalue("postgresql")
    with open_log(url, clock=Clock(), flush_s=0.001) as opened:
        yield opened


@pytest.fixture(scope="session")
def tenants():
    """Return tenants that nobody used before."""
    return (f"tenant-{number}" for number in itertools.count())
