"""Reserving: the one operation that limits refuse. Pure."""

import msgspec

from pointsman.budget.books import (
    NOTHING,
    Account,
    Books,
    HoldRow,
    Payer,
    Quantities,
    hold_id_of,
    in_unit,
    joined,
    microseconds,
    moment,
    owner_of,
    quantities,
)
from pointsman.budget.ledger import HoldRequest
from pointsman.budget.limits import MAX_COUNT, Limit, checked_limits, exceeded
from pointsman.budget.windows import window_id
from pointsman.errors import BudgetExceeded, FrozenScope, HoldConflict, InvalidBudget


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
            model=asked.model,
            predicted_nanousd=asked.predicted_nanousd,
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
        books.move(accounts, NOTHING, row.amount)
        books.holds[row.hold_id] = row
        books.opened.append(row)
        books.add_entry(row, "opened", row.amount, now_us)
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


def _check_room(books: Books, account: Account, amount: Quantities) -> None:
    counter = books.counter(account)
    for posted, held, asked in zip(counter.posted, counter.held, amount, strict=True):
        if posted + held + asked > MAX_COUNT:
            raise InvalidBudget(
                f"{account.scope} has used {posted + held:,}; {asked:,} more is past what can be counted."
            )
