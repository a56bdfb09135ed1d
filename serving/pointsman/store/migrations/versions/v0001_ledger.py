"""The ledger: holds, entries, counters, freezes, events and the history of limits."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

_APPEND_ONLY: Final = ("ledger_entries", "ledger_events", "limit_changes")
_FIXED: Final = (
    *("hold_id", "tenant", "nanousd", "input_tokens", "output_tokens", "scopes", "opened_us", "decision_id"),
    "body_hash",
)


def upgrade() -> None:
    """Build the tables, and the triggers that refuse to rewrite what was written."""
    _create_tables()
    open_holds = sa.text("state = 'open'")
    op.create_index("holds_due", "holds", ["expires_us"], sqlite_where=open_holds, postgresql_where=open_holds)
    op.create_index("limit_changes_place", "limit_changes", ["tenant", "scope", "window", "unit"])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def downgrade() -> None:
    """Refuse: the entries can't be kept without their table.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("the first revision of the ledger has nothing to go back to")


def _guard_sqlite() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute("CREATE TRIGGER holds_no_delete BEFORE DELETE ON holds BEGIN SELECT RAISE(ABORT, 'holds are kept'); END")
    op.execute(
        f"CREATE TRIGGER holds_fixed BEFORE UPDATE OF {', '.join(_FIXED)} ON holds "
        "BEGIN SELECT RAISE(ABORT, 'what a hold was opened with is kept'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION pointsman_keep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
        )
    op.execute(
        "CREATE TRIGGER holds_keep BEFORE DELETE OR TRUNCATE ON holds "
        "FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
    )
    op.execute(
        f"CREATE TRIGGER holds_fixed BEFORE UPDATE OF {', '.join(_FIXED)} ON holds "
        "FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
    )


def _create_tables() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("nanousd", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("bill_nanousd", sa.BigInteger),
        sa.Column("bill_input_tokens", sa.BigInteger),
        sa.Column("bill_output_tokens", sa.BigInteger),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("close_key", sa.Text, nullable=False),
        sa.Column("correct_key", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('open', 'settled', 'voided', 'presumed', 'corrected')", name="holds_state"),
        sa.CheckConstraint("nanousd >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="holds_amount"),
        sa.CheckConstraint("(state = 'open') = (bill_nanousd IS NULL)", name="holds_bill"),
        sa.CheckConstraint(
            "bill_nanousd >= 0 AND bill_input_tokens >= 0 AND bill_output_tokens >= 0", name="holds_bill_sign"
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("hold_id", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("nanousd", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("entry_key", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.UniqueConstraint("hold_id", "step", name="ledger_entries_once"),
        sa.CheckConstraint(
            "(step = 0 AND kind = 'opened') OR (step = 1 AND kind IN ('settled', 'voided', 'presumed'))"
            " OR (step = 2 AND kind = 'corrected')",
            name="ledger_entries_kind",
        ),
        sa.CheckConstraint("nanousd >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="ledger_entries_amount"),
    )
    op.create_table(
        "counters",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("window_id", sa.Text, nullable=False),
        sa.Column("posted_nanousd", sa.BigInteger, nullable=False),
        sa.Column("posted_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("posted_output_tokens", sa.BigInteger, nullable=False),
        sa.Column("held_nanousd", sa.BigInteger, nullable=False),
        sa.Column("held_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("held_output_tokens", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("owner", "scope", "window_id"),
        sa.CheckConstraint(
            "posted_nanousd >= 0 AND posted_input_tokens >= 0 AND posted_output_tokens >= 0", name="counters_posted"
        ),
        sa.CheckConstraint(
            "held_nanousd >= 0 AND held_input_tokens >= 0 AND held_output_tokens >= 0", name="counters_held"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "freezes",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "scope"),
    )
    op.create_table(
        "ledger_events",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "limit_changes",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("window", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint("amount >= 0", name="limit_changes_amount"),
    )
