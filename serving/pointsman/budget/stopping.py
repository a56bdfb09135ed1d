"""Stopping a payer, and letting it go on. Pure."""

import msgspec

from pointsman.budget.books import Books, EventRow, FreezeRow, HoldRow, Payer, Quantities, owner_of, scopes_of
from pointsman.budget.ledger import check_words
from pointsman.budget.scopes import Scope
from pointsman.money import format_usd


class Stop(msgspec.Struct, frozen=True):
    """Freeze a scope."""

    scope: Scope
    reason: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse a change without a reason."""
        check_words("reason", self.reason)

    def apply(self, books: Books, now_us: int) -> bool:
        """Stop the scope; return whether it was going."""
        return _freeze(books, Payer(owner_of(self.tenant, self.scope), str(self.scope)), self.reason, now_us)


class Resume(msgspec.Struct, frozen=True):
    """Unfreeze a scope."""

    scope: Scope
    reason: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        """Refuse a change without a reason."""
        check_words("reason", self.reason)

    def apply(self, books: Books, now_us: int) -> bool:
        """Let the scope go on; return whether it was stopped."""
        payer = Payer(owner_of(self.tenant, self.scope), str(self.scope))
        if books.freezes.pop(payer, None) is None:
            return False
        books.frozen.pop(payer, None)
        books.thawed.add(payer)
        books.events.append(EventRow("unfrozen", payer.owner, payer.scope, now_us, self.reason))
        return True


def freeze_payer(books: Books, row: HoldRow, bill: Quantities, now_us: int) -> None:
    """Stop the narrowest scope that outlives the request: the hold was meant as the most that it can cost."""
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
