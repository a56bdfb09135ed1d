"""The open pages of the ledger: the rows that a group of operations touches, and what they change.

Pure: a store loads the rows, the operations of `operations` change them in order, and the store writes what changed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from pointsman.budget.ledger import EntryKind, Hold, HoldState
from pointsman.budget.limits import Amount, Unit
from pointsman.budget.scopes import Scope, parse_scope
from pointsman.budget.windows import window_id

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Quantities = tuple[int, int, int]
"""Nano-USD, input tokens, output tokens."""
_DAY_US: Final = 86_400_000_000
_MANY_PAYERS: Final = 16_384
NOTHING: Final[Quantities] = (0, 0, 0)


_STEPS: Final[dict[EntryKind, int]] = {"opened": 0, "settled": 1, "voided": 1, "presumed": 1, "corrected": 2}


class Account(NamedTuple):
    """The key of a counter. The owner is a tenant; that of the scope "global" is ""."""

    owner: str
    scope: str
    window_id: str


class Payer(NamedTuple):
    """The key of a freeze: a scope of an owner, whatever the window."""

    owner: str
    scope: str


@dataclass(slots=True)
class Counter:
    """What one account has posted and holds."""

    posted: Quantities = (0, 0, 0)
    held: Quantities = (0, 0, 0)


@dataclass(slots=True)
class HoldRow:
    """A hold as it is stored; moments are microseconds since 1970 (UTC), scopes one per line."""

    hold_id: str
    tenant: str
    state: HoldState
    amount: Quantities
    bill: Quantities | None
    scopes: str
    opened_us: int
    expires_us: int
    decision_id: str
    body_hash: str
    close_key: str = ""
    correct_key: str = ""
    evidence: str = ""
    model: str = ""
    predicted_nanousd: int = 0

    def to_hold(self) -> Hold:
        """Return the hold that callers see."""
        return Hold(
            self.hold_id,
            self.tenant,
            self.state,
            Amount(*self.amount),
            None if self.bill is None else Amount(*self.bill),
            scopes_of(self.scopes),
            moment(self.opened_us),
            moment(self.expires_us),
            self.decision_id,
            self.model,
            self.predicted_nanousd,
        )

    def accounts(self) -> tuple[Account, ...]:
        """Return the counters of the hold: those of the windows in which it was opened, whenever it ends."""
        return accounts_of_hold(self.tenant, self.scopes, self.opened_us)


class EntryRow(NamedTuple):
    """A line of the book, to be added. `step` is 0 for the opening, 1 for the end, 2 for the correction."""

    hold_id: str
    step: int
    kind: EntryKind
    tenant: str
    nanousd: int
    input_tokens: int
    output_tokens: int
    at_us: int
    entry_key: str
    evidence: str


class EventRow(NamedTuple):
    """An event, to be added."""

    kind: str
    owner: str
    scope: str
    at_us: int
    detail: str


class FreezeRow(NamedTuple):
    """Since when a payer is stopped, and why."""

    since_us: int
    reason: str


@dataclass(slots=True)
class Books:
    """The rows that were loaded, and the changes to write. An account without a counter has used nothing."""

    holds: dict[str, HoldRow]
    counters: dict[Account, Counter]
    freezes: dict[Payer, FreezeRow]
    opened: list[HoldRow] = field(default_factory=list)
    changed: dict[str, HoldRow] = field(default_factory=dict)
    touched: set[Account] = field(default_factory=set)
    entries: list[EntryRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    frozen: dict[Payer, FreezeRow] = field(default_factory=dict)
    thawed: set[Payer] = field(default_factory=set)

    def counter(self, account: Account) -> Counter:
        """Return the counter of the account; a missing one is added, empty."""
        counter = self.counters.get(account)
        if counter is None:
            counter = self.counters[account] = Counter()
        return counter

    def move(self, accounts: Iterable[Account], posted: Quantities, held: Quantities) -> None:
        """Add to what the accounts have posted and hold; the parts may be negative."""
        for account in accounts:
            counter = self.counter(account)
            counter.posted = _plus(counter.posted, posted)
            counter.held = _plus(counter.held, held)
            self.touched.add(account)

    def add_entry(self, row: HoldRow, kind: EntryKind, amount: Quantities, now_us: int) -> None:
        """Add a line about the hold."""
        step = _STEPS[kind]
        key = row.correct_key if kind == "corrected" else row.close_key
        self.entries.append(EntryRow(row.hold_id, step, kind, row.tenant, *amount, now_us, key, row.evidence))

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.opened or self.changed or self.entries or self.events or self.frozen or self.thawed)


def _plus(one: Quantities, other: Quantities) -> Quantities:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def minus(quantities: Quantities) -> Quantities:
    """Return the quantities with their signs turned."""
    return -quantities[0], -quantities[1], -quantities[2]


def difference(one: Quantities, other: Quantities) -> Quantities:
    """Return one less the other."""
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def quantities(amount: Amount) -> Quantities:
    """Return the parts of the amount."""
    return amount.nanousd, amount.input_tokens, amount.output_tokens


def in_unit(parts: Quantities, unit: Unit) -> int:
    """Return the part that the unit counts."""
    if unit == "nanousd":
        return parts[0]
    if unit == "tokens":
        return parts[1] + parts[2]
    return parts[1] if unit == "input_tokens" else parts[2]


def microseconds(when: datetime) -> int:
    """Return the moment as microseconds since 1970 (UTC)."""
    return (when - EPOCH) // timedelta(microseconds=1)


def moment(at_us: int) -> datetime:
    """Return microseconds since 1970 as a moment in UTC."""
    return EPOCH + timedelta(microseconds=at_us)


@lru_cache(maxsize=4096)
def hold_id_of(tenant: str, idempotency_key: str, attempt: int) -> str:
    """Return the id of the one hold of this key: a digest, so that the table's primary key is what makes it one."""
    name = f"{tenant}\0{idempotency_key}\0{attempt}".encode()
    return "hold_" + hashlib.blake2b(name, digest_size=16).hexdigest()


def owner_of(tenant: str, scope: Scope) -> str:
    """Return whose counter it is: the tenant's, or nobody's for `global`, which all tenants share."""
    return "" if scope.kind == "global" else tenant


def joined(scopes: Sequence[Scope]) -> str:
    """Return the scopes as one text; names are printable, so that a line break can't be part of one."""
    return "\n".join(map(str, scopes))


def scopes_of(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a text made by `joined`."""
    return tuple([parse_scope(line) if _is_request(line) else _payer(line) for line in text.split("\n")])


def accounts_of_hold(tenant: str, scopes: str, opened_us: int) -> tuple[Account, ...]:
    """Return the counters of a hold that was opened then, for scopes of a text made by `joined`."""
    accounts: list[Account] = []
    for line in scopes.split("\n"):
        if _is_request(line):
            accounts.append(Account(tenant, line, "request"))
        else:
            accounts += _accounts(tenant, line, opened_us // _DAY_US)
    return tuple(accounts)


def _is_request(line: str) -> bool:
    """Return whether a scope is of one request: those aren't cached, since none comes again."""
    return line.startswith("request:")


@lru_cache(maxsize=_MANY_PAYERS)
def _payer(line: str) -> Scope:
    return parse_scope(line)


@lru_cache(maxsize=_MANY_PAYERS)
def _accounts(tenant: str, line: str, day_number: int) -> tuple[Account, ...]:
    owner = owner_of(tenant, _payer(line))
    return tuple([Account(owner, line, window) for window in _windows(day_number)])


@lru_cache(maxsize=64)
def _windows(day_number: int) -> tuple[str, str, str]:
    day = EPOCH + timedelta(days=day_number)
    return window_id("day", day), window_id("month", day), "total"
