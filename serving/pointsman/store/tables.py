"""The tables. The entries are the truth; holds are their present state, counters a cache that `reconcile` recomputes.

Moments are microseconds since 1970 (UTC), money is nano-USD. `migrations/` builds the same tables, with the triggers
that keep the entries append-only.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA: Final = MetaData()
_SERIAL: Final = BigInteger().with_variant(Integer, "sqlite")

HOLDS: Final = Table(
    "holds",
    METADATA,
    Column("hold_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("nanousd", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("bill_nanousd", BigInteger),
    Column("bill_input_tokens", BigInteger),
    Column("bill_output_tokens", BigInteger),
    Column("scopes", Text, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("close_key", Text, nullable=False),
    Column("correct_key", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("model", Text, nullable=False, server_default=""),
    Column("predicted_nanousd", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("state IN ('open', 'settled', 'voided', 'presumed', 'corrected')", name="holds_state"),
    CheckConstraint("nanousd >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="holds_amount"),
    CheckConstraint("(state = 'open') = (bill_nanousd IS NULL)", name="holds_bill"),
    CheckConstraint("bill_nanousd >= 0 AND bill_input_tokens >= 0 AND bill_output_tokens >= 0", name="holds_bill_sign"),
)
Index("holds_due", HOLDS.c.expires_us, sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"))
Index("holds_opened", HOLDS.c.opened_us)

ENTRIES: Final = Table(
    "ledger_entries",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("hold_id", Text, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("nanousd", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("entry_key", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    UniqueConstraint("hold_id", "step", name="ledger_entries_once"),
    CheckConstraint(
        "(step = 0 AND kind = 'opened') OR (step = 1 AND kind IN ('settled', 'voided', 'presumed'))"
        " OR (step = 2 AND kind = 'corrected')",
        name="ledger_entries_kind",
    ),
    CheckConstraint("nanousd >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="ledger_entries_amount"),
)

COUNTERS: Final = Table(
    "counters",
    METADATA,
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("window_id", Text, nullable=False),
    Column("posted_nanousd", BigInteger, nullable=False),
    Column("posted_input_tokens", BigInteger, nullable=False),
    Column("posted_output_tokens", BigInteger, nullable=False),
    Column("held_nanousd", BigInteger, nullable=False),
    Column("held_input_tokens", BigInteger, nullable=False),
    Column("held_output_tokens", BigInteger, nullable=False),
    PrimaryKeyConstraint("owner", "scope", "window_id"),
    CheckConstraint(
        "posted_nanousd >= 0 AND posted_input_tokens >= 0 AND posted_output_tokens >= 0", name="counters_posted"
    ),
    CheckConstraint("held_nanousd >= 0 AND held_input_tokens >= 0 AND held_output_tokens >= 0", name="counters_held"),
    sqlite_with_rowid=False,
)

FREEZES: Final = Table(
    "freezes",
    METADATA,
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("owner", "scope"),
)

EVENTS: Final = Table(
    "ledger_events",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

LIMIT_CHANGES: Final = Table(
    "limit_changes",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("window", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger),
    Column("at_us", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("amount >= 0", name="limit_changes_amount"),
)
Index(
    "limit_changes_place", LIMIT_CHANGES.c.tenant, LIMIT_CHANGES.c.scope, LIMIT_CHANGES.c.window, LIMIT_CHANGES.c.unit
)

OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "decision_id", "digest"),
)

ALERTS: Final = Table(
    "alerts",
    METADATA,
    Column("alert_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

LOG: Final = Table(
    "events",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    *(Column(name, Text) for name in ("key", "user", "team", "agent", "project", "task_type", "complexity")),
    *(Column(name, Text) for name in ("model", "requested_model", "strategy", "escalated_from", "bundle")),
    Column("status", Integer, nullable=False),
    Column("error", Text),
    Column("cache", Text, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("baseline", Text),
    *(Column(name, BigInteger) for name in ("baseline_nanousd", "expected_nanousd")),
    *(Column(name, BigInteger, nullable=False) for name in ("input_tokens", "output_tokens", "tokens_saved")),
    *(Column(name, Double) for name in ("latency_ms", "overhead_ms", "quality", "confidence", "propensity")),
    *(Column(name, Boolean, nullable=False) for name in ("is_routed", "is_degraded", "is_stream")),
    Column("body", Text, nullable=False),
    Column("tags", Text),
    Column("text", Text),
    Column("features", LargeBinary),
    UniqueConstraint("tenant", "decision_id", "at_us", name="events_once"),
    CheckConstraint("input_tokens >= 0 AND output_tokens >= 0 AND tokens_saved >= 0", name="events_tokens"),
    CheckConstraint("cost_nanousd >= 0 AND baseline_nanousd >= 0 AND expected_nanousd >= 0", name="events_money"),
)
Index("events_when", LOG.c.tenant, LOG.c.at_us)

LOG_MARKS: Final = Table(
    "log_marks",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("before_us", BigInteger),
    Column("made_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("kind IN ('expired', 'erased', 'reset')", name="log_marks_kind"),
)
Index("log_marks_place", LOG_MARKS.c.kind, LOG_MARKS.c.tenant)
CACHED_ANSWERS: Final = Table(
    "cached_answers",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("place", LargeBinary),
    Column("question", Text),
    Column("embedding", LargeBinary),
    Column("encoder", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("usage", Text),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    UniqueConstraint("tenant", "digest", name="cached_answers_once"),
    CheckConstraint("cost_nanousd >= 0", name="cached_answers_cost"),
    sqlite_autoincrement=True,
)
Index("cached_answers_used", CACHED_ANSWERS.c.used_us)

CACHE_CLEARS: Final = Table(
    "cache_clears",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("clears", BigInteger, nullable=False),
)

CACHE_COUNTS: Final = Table(
    "cache_counts",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lookups", BigInteger, nullable=False),
    Column("tokens_saved", BigInteger, nullable=False),
    Column("saved_nanousd", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "kind"),
    CheckConstraint("lookups >= 0 AND tokens_saved >= 0 AND saved_nanousd >= 0", name="cache_counts_amount"),
)

KEYS: Final = Table(
    "keys",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("owner", Text),
    Column("team", Text),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary),
    Column("previous_until_us", BigInteger),
    Column("fingerprint", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Column("last_used", Text),
    CheckConstraint("role IN ('admin', 'member', 'read-only')", name="keys_role"),
)
Index("keys_tenant", KEYS.c.tenant)

USERS: Final = Table(
    "users",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("team", Text),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
    CheckConstraint("role IN ('admin', 'member', 'read-only')", name="users_role"),
)

ACCESS_CHANGES: Final = Table(
    "access_changes",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

APPEND_ONLY: Final = ("ledger_entries", "ledger_events", "limit_changes", "access_changes")
