"""A real SQLite file and a real PostgreSQL, made for the tests."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from ledgers import Clock

from pointsman.store import open_ledger, upgrade

PEOPLE = ("postgres", "nobody")


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of its own, on a free port."""

    port: int
    control: tuple[str, ...]
    log: str
    numbers: itertools.count

    def url(self, name):
        return f"postgresql://pointsman@127.0.0.1:{self.port}/{name}"

    def run(self, statement):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def database(self, template="template0"):
        name = f"ledger{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def stop(self, *, how="fast"):
        subprocess.run([*self.control, "-m", how, "stop"], check=True, capture_output=True, cwd="/tmp")

    def start(self):
        subprocess.run(
            [*self.control, "-w", "-l", self.log, "start"], check=True, cwd="/tmp", stdout=subprocess.DEVNULL
        )


def as_someone():
    """Return what to put before a command so that it doesn't run as root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return (), None
    for person in PEOPLE:
        if shutil.which("runuser") and subprocess.run(["id", person], capture_output=True, check=False).returncode == 0:
            return ("runuser", "-u", person, "--"), person
    return None, None


def programs():
    """Return where PostgreSQL's programs are, or None."""
    if shutil.which("pg_config"):
        found = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        if Path(found, "initdb").exists():
            return Path(found)
    return None


@pytest.fixture(scope="session")
def new_cluster():
    """Return a function that makes a cluster; all are stopped and deleted at the end."""
    made = []

    def new():
        bindir, (prefix, person) = programs(), as_someone()
        if bindir is None:
            pytest.skip("PostgreSQL isn't installed: pg_config names no folder with initdb")
        if prefix is None:
            pytest.skip("PostgreSQL doesn't run as root, and there is no other user to run it as")
        home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        if person is not None:
            shutil.chown(home, person)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        initdb = [*prefix, bindir / "initdb", "-D", home / "data", "-A", "trust", "-U", "pointsman"]
        subprocess.run([*initdb, "-E", "UTF8", "--locale=C", "-N"], check=True, capture_output=True, cwd=home)
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = (*prefix, str(bindir / "pg_ctl"), "-D", str(home / "data"), "-o", options)
        cluster = Cluster(port, control, str(home / "log"), itertools.count())
        made.append((cluster, home))
        cluster.start()
        return cluster

    yield new
    for cluster, home in made:
        subprocess.run([*cluster.control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/tmp")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(new_cluster):
    """Return the cluster that tests share, with an empty ledger as the database "empty"."""
    cluster = new_cluster()
    cluster.run("CREATE DATABASE empty")
    upgrade(cluster.url("empty"))
    return cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Return the URL of an empty ledger, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("cluster").database("empty")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(url, clock):
    with open_ledger(url, clock=clock, timeout_s=30) as opened:
        yield opened
