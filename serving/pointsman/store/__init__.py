"""The database: the ledger on SQLite or PostgreSQL. Needs the extra `serve`; PostgreSQL also `postgres`."""

import importlib.util

from pointsman.errors import MissingExtra

if importlib.util.find_spec("sqlalchemy") is None or importlib.util.find_spec("alembic") is None:
    raise MissingExtra("The ledger", "serve")

from pointsman.store.answers import StoredAnswers
from pointsman.store.events import EventLog, open_log
from pointsman.store.keys import AccessChange, StoredKeys
from pointsman.store.ledger import StoreLedger
from pointsman.store.limits import LimitChange, StoredLimits
from pointsman.store.opening import open_answers, open_keys, open_ledger, upgrade
from pointsman.store.outcomes import StoredAlerts, StoredOutcomes
from pointsman.store.writer import Writing

__all__ = [
    "AccessChange",
    "EventLog",
    "LimitChange",
    "StoreLedger",
    "StoredAlerts",
    "StoredAnswers",
    "StoredKeys",
    "StoredLimits",
    "StoredOutcomes",
    "Writing",
    "open_answers",
    "open_keys",
    "open_ledger",
    "open_log",
    "upgrade",
]
