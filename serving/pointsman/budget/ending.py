"""How a hold ends: settled, voided or presumed, and then perhaps corrected; each once. Pure."""

from datetime import timedelta
from typing import Final

import msgspec

from pointsman.budget.books import (
    NOTHING,
    Books,
    HoldRow,
    Quantities,
    difference,
    microseconds,
    minus,
    moment,
    quantities,
)
from pointsman.budget.ledger import UNBILLED, HoldEnd, Unbilled, check_attempt, check_key, check_words
from pointsman.budget.limits import Amount
from pointsman.budget.stopping import freeze_payer
from pointsman.errors import HoldConflict, InvalidBill, InvalidBudget, UnknownHold
from pointsman.money import format_usd

MOST_TIMES_THE_HOLD: Final = 1000
LEAST_BELIEVABLE_NANOUSD: Final = 1_000_000
"""A bill up to a thousand times this ($0.001) is believed even where less was held, as for a free model."""
LONGEST_HOLD: Final = timedelta(days=1)


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
            _end(books, row, kind, NOTHING, self.key, self.evidence, now_us)
            return row
        ended_by = row.close_key if row.state == "voided" else row.correct_key
        if (ended_by, row.bill, row.evidence) == (self.key, NOTHING, self.evidence):
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
        check_words("evidence", self.evidence)

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


def _find(books: Books, hold_id: str, tenant: str) -> HoldRow:
    row = books.holds.get(hold_id)
    if row is None or row.tenant != tenant:
        raise UnknownHold(f"no hold has the id {hold_id!r:.80}; take it from the decision that reserved it.")
    return row


def _ended(row: HoldRow, what: str) -> HoldConflict:
    bill = "" if row.bill is None else f" at {format_usd(row.bill[0])}"
    key = row.correct_key if row.state == "corrected" else row.close_key
    return HoldConflict(f"{row.hold_id} {what}: it is {row.state}{bill}" + (f" by key {key!r}." if key else "."))


def most_believable_nanousd(held_nanousd: int) -> int:
    """Return the highest bill that is posted where so much was held."""
    return MOST_TIMES_THE_HOLD * max(held_nanousd, LEAST_BELIEVABLE_NANOUSD)


def _check_bill(row: HoldRow, bill: Amount) -> None:
    check_attempt(bill)
    if bill.nanousd > most_believable_nanousd(row.amount[0]):
        raise InvalidBill(
            f"the bill of {row.hold_id} is {format_usd(bill.nanousd)}, more than {MOST_TIMES_THE_HOLD} times what was "
            f"held ({format_usd(row.amount[0])}); is the price per token given as per million tokens?"
        )


def _end(books: Books, row: HoldRow, kind: HoldEnd, bill: Quantities, key: str, evidence: str, now_us: int) -> None:
    """Take the hold off the held side, post the bill in full, and stop the payer where it is above the hold."""
    if kind == "corrected":
        books.move(row.accounts(), difference(bill, row.amount), NOTHING)
        row.correct_key = key
    else:
        books.move(row.accounts(), bill, minus(row.amount))
        row.close_key = key
    row.state, row.bill, row.evidence = kind, bill, evidence
    books.changed[row.hold_id] = row
    books.add_entry(row, kind, bill, now_us)
    if bill[0] > row.amount[0]:
        freeze_payer(books, row, bill, now_us)
