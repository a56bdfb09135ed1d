"""How rows of the books become parameters, and rows of the tables become books."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pointsman.budget.books import Account, Books, Counter, HoldRow

HOLD_COLUMNS: Final = (
    *("hold_id", "tenant", "state", "nanousd", "input_tokens", "output_tokens"),
    *("bill_nanousd", "bill_input_tokens", "bill_output_tokens", "scopes", "opened_us", "expires_us"),
    *("decision_id", "body_hash", "close_key", "correct_key", "evidence"),
    *("model", "predicted_nanousd"),
)
CHANGING_COLUMNS: Final = (
    *("state", "bill_nanousd", "bill_input_tokens", "bill_output_tokens", "expires_us"),
    *("close_key", "correct_key", "evidence"),
)
ENTRY_COLUMNS: Final = (
    *("hold_id", "step", "kind", "tenant", "nanousd", "input_tokens", "output_tokens"),
    *("at_us", "entry_key", "evidence"),
)
COUNTED_COLUMNS: Final = (
    *("posted_nanousd", "posted_input_tokens", "posted_output_tokens"),
    *("held_nanousd", "held_input_tokens", "held_output_tokens"),
)
_NO_BILL: Final = (None, None, None)


def hold_of(row: Any) -> HoldRow:
    """Return the hold of a row of `HOLD_COLUMNS`."""
    bill = None if row[6] is None else (row[6], row[7], row[8])
    return HoldRow(row[0], row[1], row[2], (row[3], row[4], row[5]), bill, *row[9:])


def values_of(row: HoldRow) -> tuple[Any, ...]:
    """Return the values of `HOLD_COLUMNS`."""
    opened = (row.scopes, row.opened_us, row.expires_us, row.decision_id, row.body_hash)
    ended = (row.close_key, row.correct_key, row.evidence, row.model, row.predicted_nanousd)
    return (row.hold_id, row.tenant, row.state, *row.amount, *(row.bill or _NO_BILL), *opened, *ended)


def changes_of(books: Books) -> Iterator[tuple[Any, ...]]:
    """Yield the values of `CHANGING_COLUMNS` and the id of each hold that was there before, in the order of ids."""
    opened = {row.hold_id for row in books.opened}
    for hold_id in sorted(books.changed.keys() - opened):
        row = books.changed[hold_id]
        bill = row.bill or _NO_BILL
        yield (row.state, *bill, row.expires_us, row.close_key, row.correct_key, row.evidence, hold_id)


def counted(books: Books) -> Iterator[tuple[int | str, ...]]:
    """Yield the values of `COUNTED_COLUMNS` and the key of each counter that moved, in the order of keys."""
    for account in sorted(books.touched):
        counter = books.counters[account]
        yield (*counter.posted, *counter.held, *account)


def counters_of(rows: Iterable[Any]) -> dict[Account, Counter]:
    """Return the counters of rows of key and `COUNTED_COLUMNS`."""
    return {Account(*row[:3]): Counter(tuple(row[3:6]), tuple(row[6:9])) for row in rows}
