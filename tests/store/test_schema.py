"""How a database comes to its schema, and what the schema refuses by itself."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledgers import Clock, asking
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pointsman.budget import Amount
from pointsman.errors import InvalidInput, LedgerUnavailable
from pointsman.store import open_ledger, upgrade
from pointsman.store.database import database
from pointsman.store.tables import METADATA


def test_the_migrations_build_the_tables_that_the_code_reads(url):
    open_ledger(url).close()
    found = database(url)
    assert found.read(lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA)) == []
    found.dispose()


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(url):
    with open_ledger(url, clock=Clock()) as ledger:
        ledger.reserve(asking())
        upgrade(url)
        upgrade(url)
        assert len(ledger.entries()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET nanousd = 0",
        "DELETE FROM ledger_entries",
        "DELETE FROM holds",
        "UPDATE holds SET nanousd = 0",
        "UPDATE holds SET scopes = 'user:bob'",
        "UPDATE ledger_events SET detail = ''",
        "DELETE FROM ledger_events",
        "UPDATE counters SET held_nanousd = -1",
        "UPDATE counters SET posted_nanousd = -1",
        "UPDATE holds SET state = 'settled'",
        "UPDATE holds SET state = 'lost'",
        "INSERT INTO ledger_entries (hold_id, step, kind, tenant, nanousd, input_tokens, output_tokens, at_us, "
        "entry_key, evidence) SELECT hold_id, step, kind, tenant, 0, 0, 0, 0, '', '' FROM ledger_entries",
    ],
)
def test_the_database_itself_keeps_what_was_written(url, statement):
    with open_ledger(url, clock=Clock()) as ledger:
        hold = ledger.reserve(asking(amount=100))
        ledger.settle(hold.hold_id, Amount(200), key="s")
        ledger.reserve(asking("k2", scopes=asking().scopes[:1]))
        found = database(url)
        with pytest.raises(DBAPIError), found.administering.begin() as connection:
            connection.execute(text(statement))
        found.dispose()
        assert ledger.reconcile() == []


def test_a_postgresql_without_the_tables_is_not_changed_unasked(cluster):
    url = cluster.database()
    with pytest.raises(LedgerUnavailable, match=r"has no tables of Pointsman; expected revision 0003. Run: pointsman"):
        open_ledger(url)
    upgrade(url)
    open_ledger(url).close()


def test_a_database_of_a_newer_version_is_left_alone(url):
    open_ledger(url).close()
    found = database(url)
    found.administer(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(LedgerUnavailable, match=r"at revision 9999; this version of Pointsman knows revisions up to"):
        open_ledger(url)
    found.administer(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0003'")))
    found.dispose()


@pytest.mark.parametrize("url", ["", "ledger.db", "sqlite:///:memory:", "mysql://root@host/db", "nonsense:"])
def test_another_url_is_refused_with_those_that_work(url):
    with pytest.raises(InvalidInput, match=r"expected sqlite:///pointsman.db or postgresql://user@host/database"):
        open_ledger(url)


def test_a_password_is_never_shown():
    with pytest.raises(LedgerUnavailable) as refusal:
        open_ledger("postgresql://pointsman:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(InvalidInput) as unknown:
        open_ledger("mysql://root:hunter2@host/db")
    assert "hunter2" not in str(unknown.value)


def test_a_missing_folder_and_a_file_that_is_no_database_are_named(tmp_path):
    with pytest.raises(LedgerUnavailable, match="there is no folder"):
        open_ledger(f"sqlite:///{tmp_path}/missing/ledger.db")
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as the head of one\n" * 100)
    with pytest.raises(LedgerUnavailable, match="file is not a database"):
        open_ledger(f"sqlite:///{tmp_path}/notes.txt")


def test_every_connection_that_writes_to_sqlite_is_durable(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=Clock()) as ledger:
        ledger.reserve(asking())
        (worker,) = ledger._writer._workers
        connection = worker._backend._connection
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert found == ["wal", 2, 1]


def test_the_store_names_the_extra_that_it_needs():
    script = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import pointsman.errors\n"
        "try:\n    import pointsman.store\n"
        "except pointsman.errors.MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == 'The ledger needs the extra "serve". Install it with: pip install "pointsman[serve]"\n'
