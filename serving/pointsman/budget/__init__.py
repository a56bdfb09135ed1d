"""What may be spent, by whom and over which time: pure rules, and the contract of the ledger."""

from pointsman.budget.ledger import Entry, Event, Freeze, Hold, HoldRequest, Ledger, Mismatch, Unbilled, Usage
from pointsman.budget.limits import Amount, Limit, Unit, checked_limits, format_quantity, limit_in_usd
from pointsman.budget.scopes import GLOBAL, SCOPE_KINDS, TENANT, Scope, ScopeKind, parse_scope
from pointsman.budget.windows import WINDOWS, Window, parse_window, window_end, window_id, window_start

__all__ = [
    "GLOBAL",
    "SCOPE_KINDS",
    "TENANT",
    "WINDOWS",
    "Amount",
    "Entry",
    "Event",
    "Freeze",
    "Hold",
    "HoldRequest",
    "Ledger",
    "Limit",
    "Mismatch",
    "Scope",
    "ScopeKind",
    "Unbilled",
    "Unit",
    "Usage",
    "Window",
    "checked_limits",
    "format_quantity",
    "limit_in_usd",
    "parse_scope",
    "parse_window",
    "window_end",
    "window_id",
    "window_start",
]
