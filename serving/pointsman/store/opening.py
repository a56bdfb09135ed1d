"""Opens the ledger, and the keys, of a database URL."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pointsman.access.tokens import RandomBytes
from pointsman.budget.books import microseconds
from pointsman.budget.windows import utc
from pointsman.errors import LedgerUnavailable
from pointsman.store import schema
from pointsman.store.answers import StoredAnswers
from pointsman.store.database import Database, database
from pointsman.store.keys import StoredKeys
from pointsman.store.ledger import Clock, StoreLedger
from pointsman.store.secrets import key_secret
from pointsman.store.writer import BY_DEFAULT, Writer, Writing

TIMEOUT_S: Final = 5.0


def utc_now() -> datetime:
    """Return the moment of the machine's clock, in UTC."""
    return datetime.now(UTC)


def open_ledger(
    url: str, *, clock: Clock = utc_now, writing: Writing = BY_DEFAULT, timeout_s: float = TIMEOUT_S
) -> StoreLedger:
    """Return the ledger at the URL: "sqlite:///pointsman.db" or "postgresql://user@host/database".

    A SQLite file is made, and brought to the present schema, as needed; a PostgreSQL database isn't: replicas of two
    versions may share it, so that someone decides when (`upgrade`). No call waits longer than `timeout_s`.

    Raises:
        InvalidInput: another URL.
        LedgerUnavailable: the database can't be reached, or has another schema.
        MissingExtra: a PostgreSQL URL without psycopg.
    """
    found = open_database(url)
    if writing.connections is None or found.is_embedded:
        writing = replace(writing, connections=found.connections)
    writer = Writer(found.connect, lambda: microseconds(utc(clock())), writing)
    return StoreLedger(found, writer, clock, timeout_s)


def open_answers(url: str, *, encoder: str = "") -> StoredAnswers:
    """Return the cache in the database at the URL; `encoder` names what makes embeddings: a bundle's digest.

    Raises:
        InvalidInput, LedgerUnavailable, MissingExtra: as `open_ledger`.
    """
    return StoredAnswers(open_database(url), encoder)


def open_keys(
    url: str,
    secret: str | None = None,
    *,
    clock: Clock = utc_now,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> StoredKeys:
    """Return the keys and users in the database at the URL; `secret` is the setting, None where there is none.

    Raises:
        InvalidInput, LedgerUnavailable, MissingExtra: as `open_ledger`.
        InvalidConfig: as `key_secret`.
    """
    found = open_database(url)
    try:
        return StoredKeys(found, key_secret(found, secret), clock=clock, random_bytes=random_bytes)
    except BaseException:
        found.dispose()
        raise


def open_database(url: str) -> Database:
    """Return the database at the URL with the present schema; a SQLite file is made and upgraded as needed.

    Raises:
        InvalidInput, LedgerUnavailable, MissingExtra: as `open_ledger`.
    """
    found = database(url)
    if found.is_embedded and not Path(found.name).parent.is_dir():
        raise LedgerUnavailable(f"there is no folder {Path(found.name).parent} for {found.name}; make it first.")
    try:
        if found.is_embedded:
            found.administer(schema.upgrade)
        found.read(schema.check)
    except BaseException:
        found.dispose()
        raise
    return found


def upgrade(url: str) -> None:
    """Bring the database at the URL to the present schema; the tables are made where there are none.

    Raises:
        InvalidInput, LedgerUnavailable, MissingExtra: as `open_ledger`.
    """
    found = database(url)
    try:
        found.administer(schema.upgrade)
    finally:
        found.dispose()
