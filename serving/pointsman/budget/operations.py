"""What can be done to the ledger: each operation checks, and only then changes the books. Pure."""

from collections.abc import Sequence

from pointsman.budget.books import Account, HoldRow, accounts_of_hold, joined
from pointsman.budget.ending import Correct, Heartbeat, Lapse, Presume, Settle, Void
from pointsman.budget.reserving import Reserve
from pointsman.budget.stopping import Resume, Stop

__all__ = [
    "Correct",
    "Heartbeat",
    "HoldOperation",
    "Lapse",
    "Operation",
    "Presume",
    "Reserve",
    "Resume",
    "Settle",
    "Stop",
    "Void",
    "accounts_of",
]

HoldOperation = Reserve | Settle | Void | Presume | Lapse | Correct | Heartbeat
Operation = HoldOperation | Stop | Resume


def accounts_of(operations: Sequence[Operation], holds: dict[str, HoldRow], now_us: int) -> set[Account]:
    """Return every counter that the operations may read or change, given the holds that exist."""
    accounts: set[Account] = set()
    for operation in operations:
        if isinstance(operation, Reserve):
            if operation.hold_id not in holds:
                asked = operation.request
                accounts.update(accounts_of_hold(asked.tenant, joined(asked.scopes), now_us))
        elif not isinstance(operation, Heartbeat | Stop | Resume) and operation.hold_id in holds:
            accounts.update(holds[operation.hold_id].accounts())
    return accounts
