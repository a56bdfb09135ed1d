"""Keys, users, and the history of who changed them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels: Final = None
depends_on: Final = None

_ROLES: Final = "role IN ('admin', 'member', 'read-only')"


def upgrade() -> None:
    """Make the tables, and the triggers that refuse to rewrite the history."""
    _create_keys()
    op.create_table(
        "users",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("team", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
        sa.CheckConstraint(_ROLES, name="users_role"),
    )
    op.create_table(
        "access_changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER access_changes_no_{verb.lower()} BEFORE {verb} ON access_changes "
                "BEGIN SELECT RAISE(ABORT, 'access_changes is append-only'); END"
            )
    else:
        op.execute(
            "CREATE TRIGGER access_changes_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON access_changes "
            "FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
        )


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary),
        sa.Column("previous_until_us", sa.BigInteger),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sa.Column("last_used", sa.Text),
        sa.CheckConstraint(_ROLES, name="keys_role"),
    )
    op.create_index("keys_tenant", "keys", ["tenant"])


def downgrade() -> None:
    """Refuse: keys in use aren't thrown away.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("keys that are in use are kept")
