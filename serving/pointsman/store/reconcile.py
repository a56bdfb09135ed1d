"""Recomputes the counters from the entries, which are right by definition."""

from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Connection, select, text

from pointsman.budget import Mismatch
from pointsman.budget.books import Account, HoldRow
from pointsman.store.reading import stream
from pointsman.store.tables import COUNTERS, ENTRIES, EVENTS, HOLDS

Counts = tuple[int, ...]
_NONE: Final[Counts] = (0, 0, 0, 0, 0, 0)


def mismatches(connection: Connection) -> dict[Account, tuple[Counts, Counts]]:
    """Return the counters that disagree: (as counted, as recomputed), each posted and held by `COUNTED_COLUMNS`.

    The connection's transaction must see one state of the database throughout.
    """
    recomputed = _recompute(connection)
    counted = {Account(*row[:3]): tuple(row[3:]) for row in stream(connection, select(COUNTERS))}
    accounts = sorted(recomputed.keys() | counted.keys())
    pairs = {account: (counted.get(account, _NONE), recomputed.get(account, _NONE)) for account in accounts}
    return {account: pair for account, pair in pairs.items() if pair[0] != pair[1]}


def compared(connection: Connection) -> list[Mismatch]:
    """Return the counters that disagree with the entries."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    return _described(mismatches(connection))


def repaired(connection: Connection, at_us: int) -> list[Mismatch]:
    """Put the counters right that disagree, with an event for each; return what they were."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE holds, counters, ledger_entries IN EXCLUSIVE MODE"))
    found = mismatches(connection)
    _repair(connection, found, at_us)
    return _described(found)


def _described(found: dict[Account, tuple[Counts, Counts]]) -> list[Mismatch]:
    return [Mismatch(*account, _shown(old), _shown(new)) for account, (old, new) in found.items()]


def _recompute(connection: Connection) -> dict[Account, Counts]:
    totals: defaultdict[Account, list[int]] = defaultdict(lambda: list(_NONE))
    entry, hold = ENTRIES.c, HOLDS.c
    query = (
        select(
            *(entry.hold_id, entry.step, entry.nanousd, entry.input_tokens, entry.output_tokens),
            *(hold.tenant, hold.scopes, hold.opened_us),
        )
        .join(HOLDS, hold.hold_id == entry.hold_id)
        .order_by(entry.hold_id, entry.step)
    )
    last: Any = None
    for row in stream(connection, query):
        if last is not None and row.hold_id != last.hold_id:
            _add(totals, last)
        last = row
    if last is not None:
        _add(totals, last)
    return {account: tuple(counts) for account, counts in totals.items()}


def _add(totals: defaultdict[Account, list[int]], last: Any) -> None:
    """Count the last entry of a hold: it is what the hold costs, or holds where nothing followed the opening."""
    side = 3 if last.step == 0 else 0
    row = HoldRow(last.hold_id, last.tenant, "open", (0, 0, 0), None, last.scopes, last.opened_us, 0, "", "")
    for account in row.accounts():
        for place, part in enumerate((last.nanousd, last.input_tokens, last.output_tokens)):
            totals[account][side + place] += part


def _repair(connection: Connection, found: dict[Account, tuple[Counts, Counts]], at_us: int) -> None:
    for account, (old, new) in found.items():
        key = (COUNTERS.c.owner == account.owner, COUNTERS.c.scope == account.scope)
        connection.execute(COUNTERS.delete().where(*key, COUNTERS.c.window_id == account.window_id))
        connection.execute(COUNTERS.insert().values((*account, *new)))
        detail = f"{account.window_id}: {_shown(old)} counted, {_shown(new)} by the entries"
        event = {"kind": "repaired", "owner": account.owner, "scope": account.scope, "at_us": at_us, "detail": detail}
        connection.execute(EVENTS.insert().values(event))


def _shown(counts: Counts) -> str:
    return f"posted {counts[:3]}, held {counts[3:]}"
