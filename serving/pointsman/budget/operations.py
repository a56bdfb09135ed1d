"""What can be done to the ledger: each operation checks, and only then changes the books. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from pointsman.budget.books import (
    Account,
    Books,
    EntryRow,
    EventRow,
    FreezeRow,
    HoldRow,
    Payer,
    Quantities,
    difference,
    hold_id_of,
    in_unit,
    joined,
    microseconds,
    minus,
    moment,
    owner_of,
    quantities,
    scopes_of,
)
from pointsman.budget.ledger import UNBILLED, EntryKind, HoldEnd, HoldRequest, Unbilled, check_attempt, check_key
from pointsman.budget.limits import MAX_COUNT, Amount, Limit, checked_limits, exceeded
from pointsman.budget.scopes import Scope
from pointsman.budget.windows import window_id
from pointsman.errors import BudgetExceeded, FrozenScope, HoldConflict, InvalidBill, InvalidBudget, UnknownHold
from pointsman.money import format_usd

MOST_TIMES_THE_HOLD: Final = 1000
LEAST_BELIEVABLE_NANOUSD: Final = 1_000_000
"""A bill up to a thousand times this ($0.001) is believed even where less was held, as for a free model."""
LONGEST_HOLD: Final = timedelta(days=1)
_NOTHING: Final[Quantities] = (0, 0, 0)


class Reserve(msgspec.Struct, frozen=True):
    """Hold the amount in every scope, or in none."""

    request: HoldRequest
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        """Refuse limits that the request doesn't count for: they would be passed unseen."""
        scopes = self.request.scopes
        for limit in checked_limits(self.limits):
            if limit.scope not in scopes:
                raise InvalidBudget(f"the limit {limit} is of a scope that the request doesn't name; add it to scopes.")

    @property
    def hold_id(self) -> str:
        """The id of the hold, known beforehand."""
        return hold_id_of(self.request.tenant, self.request.idempotency_key, self.request.attempt)

    def opened(self, now_us: int) -> HoldRow:
        """Return the row of the hold that this would open."""
        asked = self.request
        return HoldRow(
            self.hold_id,
            asked.tenant,
            "open",
            quantities(asked.amount),
            None,
            joined(asked.scopes),
            now_us,
            microseconds(asked.expires_at),
            asked.decision_id,
            asked.body_hash,
        )

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """Open the hold, or return the one that the same key opened."""
        row = self.opened(now_us)
        known = books.holds.get(row.hold_id)
        if known is not None:
            if known.body_hash != row.body_hash:
                raise HoldConflict(
                    f"the idempotency key {self.request.idempotency_key!r} was used with another body "
                    f"({known.hold_id}); use a new key for a new request."
                )
            return known
        self._check_freezes(books)
        accounts = row.accounts()
        self._check_limits(books, row)
        for account in accounts:
            _check_room(books, account, row.amount)
        books.move(accounts, _NOTHING, row.amount)
        books.holds[row.hold_id] = row
        books.opened.append(row)
        _write(books, row, "opened", 0, row.amount, now_us)
        return row

    def _check_freezes(self, books: Books) -> None:
        if not books.freezes:
            return
        for scope in self.request.scopes:
            freeze = books.freezes.get(Payer(owner_of(self.request.tenant, scope), str(scope)))
            if freeze is not None:
                raise FrozenScope(
                    f"{scope} is frozen since {moment(freeze.since_us):%Y-%m-%d %H:%M} UTC: {freeze.reason} "
                    "Look into it, then unfreeze the scope.",
                    field=str(scope),
                )

    def _check_limits(self, books: Books, row: HoldRow) -> None:
        """Raise the refusal of the tightest limit that has no room: the one with the least share of what is asked."""
        now = moment(row.opened_us)
        tightest: tuple[float, BudgetExceeded] | None = None
        for limit in self.limits:
            window = window_id(limit.window, now)
            counter = books.counter(Account(owner_of(row.tenant, limit.scope), str(limit.scope), window))
            posted, held = in_unit(counter.posted, limit.unit), in_unit(counter.held, limit.unit)
            asked = in_unit(row.amount, limit.unit)
            if posted + held + asked > limit.amount:
                share = (limit.amount - posted - held) / max(asked, 1)
                if tightest is None or share < tightest[0]:
                    tightest = share, exceeded(limit, posted, held, asked, now)
        if tightest is not None:
            raise tightest[1]


class Settle(msgspec.Struct, frozen=True):
    """Post the bill of a hold; a presumed one is corrected."""

    hold_id: str
    bill: Amount
    key: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse a key that can't be stored."""
        check_key("key", self.key)

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """End the hold with the bill, once."""
        row, bill = _find(books, self.hold_id, self.tenant), quantities(self.bill)
        if row.state in ("settled", "corrected"):
            ended_by = row.close_key if row.state == "settled" else row.correct_key
            if (ended_by, row.bill) == (self.key, bill):
                return row
            raise _ended(row, f"can't be settled at {format_usd(bill[0])} by key {self.key!r}")
        if row.state == "voided":
            raise _ended(row, "can't be settled")
        if bill[0] == 0 < row.amount[0]:
            raise InvalidBill(
                f"{row.hold_id} holds {format_usd(row.amount[0])}, and its bill says that nothing was billed. Report "
                "the tokens or the cost; if it was provably not billed, void the hold and say why."
            )
        _check_bill(row, self.bill)
        _end(books, row, "settled" if row.state == "open" else "corrected", bill, self.key, "", now_us)
        return row


class Void(msgspec.Struct, frozen=True):
    """Release a hold that was provably not billed."""

    hold_id: str
    evidence: Unbilled
    key: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse what proves nothing."""
        check_key("key", self.key)
        if self.evidence not in UNBILLED:
            raise InvalidBill(
                f"evidence is {self.evidence!r:.80}, which doesn't prove that nothing was billed; expected one of "
                f"{', '.join(UNBILLED)}. Leave the hold to expire where the outcome is unknown."
            )

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """End the hold without a bill, once."""
        row = _find(books, self.hold_id, self.tenant)
        if row.state in ("open", "presumed"):
            kind: HoldEnd = "voided" if row.state == "open" else "corrected"
            _end(books, row, kind, _NOTHING, self.key, self.evidence, now_us)
            return row
        ended_by = row.close_key if row.state == "voided" else row.correct_key
        if (ended_by, row.bill, row.evidence) == (self.key, _NOTHING, self.evidence):
            return row
        raise _ended(row, f"can't be voided by key {self.key!r}")


class Presume(msgspec.Struct, frozen=True):
    """Post the whole hold: the outcome is unknown."""

    hold_id: str
    key: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse a key that can't be stored."""
        check_key("key", self.key)

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """End the hold as if all of it was billed; a hold that was presumed before stays as it is."""
        row = _find(books, self.hold_id, self.tenant)
        if row.state == "open":
            _end(books, row, "presumed", row.amount, self.key, "", now_us)
        elif row.state != "presumed":
            raise _ended(row, "can't be presumed")
        return row


class Lapse(msgspec.Struct, frozen=True):
    """Presume a hold that is past its expiry; whoever's it is."""

    hold_id: str

    def apply(self, books: Books, now_us: int) -> bool:
        """End the hold as if all of it was billed; return whether it was still open and overdue."""
        row = books.holds.get(self.hold_id)
        if row is None or row.state != "open" or row.expires_us > now_us:
            return False
        _end(books, row, "presumed", row.amount, "expiry", "", now_us)
        return True


class Correct(msgspec.Struct, frozen=True):
    """Replace what was presumed by what late evidence shows."""

    hold_id: str
    bill: Amount
    evidence: str
    key: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse a correction without evidence."""
        check_key("key", self.key)
        if not isinstance(self.evidence, str) or not self.evidence.strip() or len(self.evidence) > 1000:
            raise InvalidBill(f"evidence is {self.evidence!r:.80}; expected 1 to 1,000 characters that say what it is.")

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """Correct the hold, once."""
        row, bill = _find(books, self.hold_id, self.tenant), quantities(self.bill)
        if row.state == "corrected" and (row.correct_key, row.bill, row.evidence) == (self.key, bill, self.evidence):
            return row
        if row.state != "presumed":
            raise _ended(row, f"can't be corrected to {format_usd(bill[0])} by key {self.key!r}")
        _check_bill(row, self.bill)
        _end(books, row, "corrected", bill, self.key, self.evidence, now_us)
        return row


class Heartbeat(msgspec.Struct, frozen=True):
    """Keep the hold of a live stream open; `until_us` never shortens it."""

    hold_id: str
    until_us: int
    tenant: str = "default"

    def apply(self, books: Books, now_us: int) -> HoldRow:
        """Move the expiry of an open hold."""
        row = _find(books, self.hold_id, self.tenant)
        if row.state != "open":
            raise _ended(row, "can't be kept open")
        latest = moment(row.opened_us) + LONGEST_HOLD
        if self.until_us > microseconds(latest):
            raise InvalidBudget(
                f"{row.hold_id} can't be held until {moment(self.until_us):%Y-%m-%d %H:%M} UTC; "
                f"expected at most a day after it was opened, {latest:%Y-%m-%d %H:%M} UTC."
            )
        if self.until_us > row.expires_us:
            row.expires_us = self.until_us
            books.changed[row.hold_id] = row
        return row


class Stop(msgspec.Struct, frozen=True):
    """Freeze a scope."""

    scope: Scope
    reason: str
    tenant: str = "default"

    def apply(self, books: Books, now_us: int) -> bool:
        """Stop the scope; return whether it was going."""
        return _freeze(books, Payer(owner_of(self.tenant, self.scope), str(self.scope)), self.reason, now_us)


class Resume(msgspec.Struct, frozen=True):
    """Unfreeze a scope."""

    scope: Scope
    reason: str
    tenant: str = "default"

    def apply(self, books: Books, now_us: int) -> bool:
        """Let the scope go on; return whether it was stopped."""
        payer = Payer(owner_of(self.tenant, self.scope), str(self.scope))
        if books.freezes.pop(payer, None) is None:
            return False
        books.frozen.pop(payer, None)
        books.thawed.add(payer)
        books.events.append(EventRow("unfrozen", payer.owner, payer.scope, now_us, self.reason))
        return True


HoldOperation = Reserve | Settle | Void | Presume | Lapse | Correct | Heartbeat
Operation = HoldOperation | Stop | Resume


def accounts_of(operations: Sequence[Operation], holds: dict[str, HoldRow], now_us: int) -> set[Account]:
    """Return every counter that the operations may read or change, given the holds that exist."""
    accounts: set[Account] = set()
    for operation in operations:
        if isinstance(operation, Reserve):
            if operation.hold_id not in holds:
                accounts.update(operation.opened(now_us).accounts())
        elif not isinstance(operation, Heartbeat | Stop | Resume) and operation.hold_id in holds:
            accounts.update(holds[operation.hold_id].accounts())
    return accounts


def _find(books: Books, hold_id: str, tenant: str) -> HoldRow:
    row = books.holds.get(hold_id)
    if row is None or row.tenant != tenant:
        raise UnknownHold(f"no hold has the id {hold_id!r:.80}; take it from the decision that reserved it.")
    return row


def _ended(row: HoldRow, what: str) -> HoldConflict:
    bill = "" if row.bill is None else f" at {format_usd(row.bill[0])}"
    key = row.correct_key if row.state == "corrected" else row.close_key
    return HoldConflict(f"{row.hold_id} {what}: it is {row.state}{bill}" + (f" by key {key!r}." if key else "."))


def _check_bill(row: HoldRow, bill: Amount) -> None:
    check_attempt(bill)
    most = MOST_TIMES_THE_HOLD * max(row.amount[0], LEAST_BELIEVABLE_NANOUSD)
    if bill.nanousd > most:
        raise InvalidBill(
            f"the bill of {row.hold_id} is {format_usd(bill.nanousd)}, more than {MOST_TIMES_THE_HOLD} times what was "
            f"held ({format_usd(row.amount[0])}); is the price per token given as per million tokens?"
        )


def _check_room(books: Books, account: Account, amount: Quantities) -> None:
    counter = books.counter(account)
    for posted, held, asked in zip(counter.posted, counter.held, amount, strict=True):
        if posted + held + asked > MAX_COUNT:
            raise InvalidBudget(
                f"{account.scope} has used {posted + held:,}; {asked:,} more is past what can be counted."
            )


def _end(books: Books, row: HoldRow, kind: HoldEnd, bill: Quantities, key: str, evidence: str, now_us: int) -> None:
    """Take the hold off the held side, post the bill in full, and stop the payer where it is above the hold."""
    if kind == "corrected":
        books.move(row.accounts(), difference(bill, row.amount), _NOTHING)
        row.correct_key = key
    else:
        books.move(row.accounts(), bill, minus(row.amount))
        row.close_key = key
    row.state, row.bill, row.evidence = kind, bill, evidence
    books.changed[row.hold_id] = row
    _write(books, row, kind, 2 if kind == "corrected" else 1, bill, now_us)
    if bill[0] > row.amount[0]:
        _freeze_payer(books, row, bill, now_us)


def _freeze_payer(books: Books, row: HoldRow, bill: Quantities, now_us: int) -> None:
    """Stop the narrowest scope that outlives the request: the hold was to be the most that the attempt can cost."""
    lasting = [scope for scope in scopes_of(row.scopes) if scope.kind != "request"]
    reason = (
        f"{row.hold_id} was billed {format_usd(bill[0])} above a hold of {format_usd(row.amount[0])}: "
        "a price or a token count is wrong."
    )
    if lasting:
        narrowest = max(lasting, key=lambda scope: scope.narrowness)
        _freeze(books, Payer(owner_of(row.tenant, narrowest), str(narrowest)), reason, now_us)
    else:
        books.events.append(EventRow("overbilled", row.tenant, row.scopes, now_us, reason))


def _freeze(books: Books, payer: Payer, reason: str, now_us: int) -> bool:
    if payer in books.freezes:
        return False
    books.freezes[payer] = books.frozen[payer] = FreezeRow(now_us, reason)
    books.events.append(EventRow("frozen", payer.owner, payer.scope, now_us, reason))
    return True


def _write(books: Books, row: HoldRow, kind: EntryKind, step: int, amount: Quantities, now_us: int) -> None:
    key = row.correct_key if step == 2 else row.close_key
    books.entries.append(EntryRow(row.hold_id, step, kind, row.tenant, *amount, now_us, key, row.evidence))
