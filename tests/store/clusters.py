"""Starts a PostgreSQL of its own in a folder of its own on a free port, as somebody who isn't root."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

PEOPLE = ("postgres", "nobody")
ANYWHERE = "/tmp"


class Missing(Exception):
    """Why there can't be a cluster here."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL that is running; its user is "pointsman"."""

    port: int
    log: str
    control: tuple[str, ...]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name):
        return f"postgresql://pointsman@127.0.0.1:{self.port}/{name}"

    def run(self, statement):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def database(self, template="template0"):
        """Return the URL of a new database."""
        name = f"ledger{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def emptied(self, name):
        """Return the URL of the database after its ledger was emptied, past the triggers that forbid it."""
        tables = "holds, ledger_entries, counters, freezes, ledger_events, limit_changes, outcomes, alerts, "
        tables += "events, log_marks, cached_answers, cache_clears, cache_counts, keys, users, access_changes"
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
        return self.url(name)

    def start(self):
        command = [*self.control, "-w", "-l", self.log, "start"]
        subprocess.run(command, check=True, cwd=ANYWHERE, stdout=subprocess.DEVNULL)

    def stop(self, *, how="fast"):
        subprocess.run([*self.control, "-m", how, "stop"], check=True, cwd=ANYWHERE, capture_output=True)


@contextmanager
def new_cluster(*, is_durable=False):
    """Yield a running cluster, and delete it afterwards; one that isn't durable skips the flushes, for speed.

    Raises:
        Missing: PostgreSQL isn't installed, or there is nobody to run it as.
    """
    bindir, (prefix, person) = _programs(), _somebody()
    home = Path(tempfile.mkdtemp(prefix="pg", dir=ANYWHERE))
    if person is not None:
        shutil.chown(home, person)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    initdb = [*prefix, bindir / "initdb", "-D", home / "data", "-A", "trust", "-U", "pointsman", "-E", "UTF8"]
    subprocess.run([*initdb, "--locale=C", "-N"], check=True, capture_output=True, cwd=home)
    flushes = "on" if is_durable else "off"
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync={flushes} -c max_connections=200"
    cluster = Cluster(
        port, str(home / "log"), (*prefix, str(bindir / "pg_ctl"), "-D", str(home / "data"), "-o", options)
    )
    try:
        cluster.start()
        yield cluster
    finally:
        subprocess.run([*cluster.control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd=ANYWHERE)
        shutil.rmtree(home, ignore_errors=True)


def _programs():
    if shutil.which("pg_config"):
        found = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        if Path(found, "initdb").exists():
            return Path(found)
    raise Missing("PostgreSQL isn't installed: pg_config names no folder with initdb")


def _somebody():
    """Return (what to put before a command, who that is): PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return (), None
    for person in PEOPLE if shutil.which("runuser") else ():
        if subprocess.run(["id", person], capture_output=True, check=False).returncode == 0:
            return ("runuser", "-u", person, "--"), person
    raise Missing("PostgreSQL doesn't run as root, and there is no other user to run it as")
