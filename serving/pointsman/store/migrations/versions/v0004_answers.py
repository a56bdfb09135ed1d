"""Cached answers, when they were cleared, and what they saved."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the tables of the cache."""
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "cached_answers",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("place", sa.LargeBinary),
        sa.Column("question", sa.Text),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("usage", sa.Text),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant", "digest", name="cached_answers_once"),
        sa.CheckConstraint("cost_nanousd >= 0", name="cached_answers_cost"),
        sqlite_autoincrement=True,
    )
    op.create_index("cached_answers_used", "cached_answers", ["used_us"])
    op.create_table(
        "cache_clears",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("clears", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cache_counts",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("lookups", sa.BigInteger, nullable=False),
        sa.Column("tokens_saved", sa.BigInteger, nullable=False),
        sa.Column("saved_nanousd", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind"),
        sa.CheckConstraint("lookups >= 0 AND tokens_saved >= 0 AND saved_nanousd >= 0", name="cache_counts_amount"),
    )


def downgrade() -> None:
    """Drop the tables: a cache can be bought again."""
    for table in ("cache_counts", "cache_clears", "cached_answers"):
        op.drop_table(table)
