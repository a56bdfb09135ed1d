"""Outcomes that callers reported, alerts that were told, and what a hold was opened for."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Add the model and its predicted cost to holds; make the tables of outcomes and alerts."""
    op.add_column("holds", sa.Column("model", sa.Text, nullable=False, server_default=""))
    op.add_column("holds", sa.Column("predicted_nanousd", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("holds_opened", "holds", ["opened_us"])
    op.create_table(
        "outcomes",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "decision_id", "digest"),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Refuse: reported outcomes aren't thrown away.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("outcomes that were reported are kept")
