"""The log of requests, and the marks that say what was done to it."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None

_PERSONAL: Final = ("user", "key", "agent", "tags", "text", "features")
_KEPT: Final = (
    *("number", "tenant", "at_us", "kind", "team", "project", "task_type", "complexity", "model", "requested_model"),
    *("strategy", "escalated_from", "bundle", "status", "error", "cache", "cost_nanousd", "baseline"),
    *("baseline_nanousd", "expected_nanousd", "input_tokens", "output_tokens", "tokens_saved", "latency_ms"),
    *("overhead_ms", "quality", "confidence", "propensity", "is_routed", "is_degraded", "is_stream", "body"),
)
_ERASED: Final = " AND ".join(
    [*(f'NEW."{name}" IS NULL' for name in _PERSONAL), "NEW.decision_id = 'erased:' || OLD.number"]
)
_EXPIRED: Final = (
    "EXISTS (SELECT 1 FROM log_marks AS mark WHERE mark.kind = 'expired' AND mark.tenant IN ('', OLD.tenant) "
    "AND OLD.at_us < mark.before_us)"
)


def upgrade() -> None:
    """Build the tables, and the triggers: a line may lose who it is about, and go once a mark says it expired."""
    _create_tables()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def downgrade() -> None:
    """Refuse: the log isn't thrown away.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("the log of requests is kept")


def _guard_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER log_marks_no_{verb.lower()} BEFORE {verb} ON log_marks "
            "BEGIN SELECT RAISE(ABORT, 'log_marks is append-only'); END"
        )
    same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in _KEPT)
    op.execute(
        f"CREATE TRIGGER events_no_update BEFORE UPDATE ON events WHEN NOT ({_ERASED} AND {same}) "
        "BEGIN SELECT RAISE(ABORT, 'events is append-only'); END"
    )
    op.execute(
        f"CREATE TRIGGER events_no_delete BEFORE DELETE ON events WHEN NOT {_EXPIRED} "
        "BEGIN SELECT RAISE(ABORT, 'events is append-only'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE TRIGGER log_marks_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON log_marks "
        "FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
    )
    op.execute(
        "CREATE TRIGGER events_keep BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION pointsman_keep()"
    )
    same = " AND ".join(f'NEW."{name}" IS NOT DISTINCT FROM OLD."{name}"' for name in _KEPT)
    op.execute(
        "CREATE FUNCTION pointsman_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'DELETE' THEN IF {_EXPIRED} THEN RETURN OLD; END IF; "
        f"ELSIF {_ERASED} AND {same} THEN RETURN NEW; END IF; "
        "RAISE EXCEPTION 'events is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_guard BEFORE UPDATE OR DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION pointsman_keep_event()"
    )


def _create_tables() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "events",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("key", "user", "team", "agent", "project", "task_type", "complexity")),
        *(sa.Column(name, sa.Text) for name in ("model", "requested_model", "strategy", "escalated_from", "bundle")),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("cache", sa.Text, nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("baseline", sa.Text),
        *(sa.Column(name, sa.BigInteger) for name in ("baseline_nanousd", "expected_nanousd")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("input_tokens", "output_tokens", "tokens_saved")),
        *(sa.Column(name, sa.Double) for name in ("latency_ms", "overhead_ms", "quality", "confidence", "propensity")),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("is_routed", "is_degraded", "is_stream")),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("tags", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("features", sa.LargeBinary),
        sa.UniqueConstraint("tenant", "decision_id", "at_us", name="events_once"),
        sa.CheckConstraint("input_tokens >= 0 AND output_tokens >= 0 AND tokens_saved >= 0", name="events_tokens"),
        sa.CheckConstraint(
            "cost_nanousd >= 0 AND baseline_nanousd >= 0 AND expected_nanousd >= 0", name="events_money"
        ),
    )
    op.create_index("events_when", "events", ["tenant", "at_us"])
    op.create_table(
        "log_marks",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("before_us", sa.BigInteger),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('expired', 'erased', 'reset')", name="log_marks_kind"),
    )
    op.create_index("log_marks_place", "log_marks", ["kind", "tenant"])
