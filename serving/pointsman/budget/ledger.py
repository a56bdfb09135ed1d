"""The contract of the ledger: what it takes, what it answers, and when it refuses.

A hold goes one way, once:

    open ─► settled                      the bill is known, and posted in full
       ├──► voided                       provably unbilled: the hold is released
       └──► presumed ─► corrected        unknown at expiry: the hold is posted; late evidence puts it right

`store.open_ledger` opens the one implementation, on SQLite or PostgreSQL.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, get_args

import msgspec

from pointsman.budget.limits import Amount, Limit
from pointsman.budget.scopes import Scope
from pointsman.budget.windows import Window, utc
from pointsman.errors import InvalidBudget
from pointsman.money import NANO

HoldEnd = Literal["settled", "voided", "presumed", "corrected"]
HoldState = Literal["open"] | HoldEnd
EntryKind = Literal["opened"] | HoldEnd
Unbilled = Literal["not_sent", "refused", "confirmed"]
UNBILLED: Final[tuple[Unbilled, ...]] = get_args(Unbilled)
MAX_SCOPES: Final = 32
MAX_KEY_CHARACTERS: Final = 255
MAX_WORDS_CHARACTERS: Final = 1000
MAX_ATTEMPT: Final = Amount(1_000_000 * NANO, 1_000_000_000, 1_000_000_000)
"""The most that one attempt may hold or cost: a million dollars, a billion tokens."""


class HoldRequest(msgspec.Struct, frozen=True):
    """Money to hold for one attempt, before it is sent.

    `amount` is the most that the attempt can cost; `scopes` are all payers that it counts for, limited or not. One
    hold exists per (tenant, idempotency key, attempt): the same again returns it, with another `body_hash` is refused.
    Where no outcome arrives until `expires_at`, the hold is presumed spent. `model` and `predicted_nanousd` (what the
    attempt is expected to cost) are kept for whoever settles it.

    Raises:
        InvalidBudget: no scopes, one twice or more than `MAX_SCOPES`; a key or tenant that is empty or too long; an
            amount above `MAX_ATTEMPT`.
    """

    idempotency_key: str
    scopes: tuple[Scope, ...]
    amount: Amount
    expires_at: datetime
    tenant: str = "default"
    attempt: int = 0
    body_hash: str = ""
    decision_id: str = ""
    model: str = ""
    predicted_nanousd: int = 0

    def __post_init__(self) -> None:
        """Refuse what can't be counted."""
        check_key("tenant", self.tenant)
        check_key("idempotency_key", self.idempotency_key)
        for name in ("body_hash", "decision_id", "model"):
            if len(getattr(self, name)) > MAX_KEY_CHARACTERS:
                raise InvalidBudget(f"{name} is longer than {MAX_KEY_CHARACTERS} characters.", field=name)
        if type(self.attempt) is not int or not 0 <= self.attempt < 1000:
            raise InvalidBudget(f"attempt is {self.attempt!r:.80}; expected an integer from 0 to 999.", field="attempt")
        if not 1 <= len(self.scopes) <= MAX_SCOPES or len(set(self.scopes)) < len(self.scopes):
            shown = ", ".join(map(str, self.scopes))
            raise InvalidBudget(f"scopes are ({shown:.200}); expected 1 to {MAX_SCOPES}, each once.", field="scopes")
        check_attempt(self.amount)
        check_attempt(Amount(self.predicted_nanousd))
        utc(self.expires_at)


def check_attempt(amount: Amount) -> None:
    """Refuse what no single attempt can use.

    Raises:
        InvalidBudget: more than `MAX_ATTEMPT` in money or tokens.
    """
    for name in amount.__struct_fields__:
        value, most = getattr(amount, name), getattr(MAX_ATTEMPT, name)
        if value > most:
            raise InvalidBudget(f"{name} of one attempt is {value:,}; expected at most {most:,}.", field=name)


def check_words(name: str, words: str) -> None:
    """Refuse an explanation that can't be stored.

    Raises:
        InvalidBudget: not text of 1 to `MAX_WORDS_CHARACTERS` printable characters.
    """
    is_text = isinstance(words, str) and words.strip() and words.isprintable()
    if not is_text or len(words) > MAX_WORDS_CHARACTERS:
        raise InvalidBudget(
            f"{name} is {words!r:.80}; expected 1 to {MAX_WORDS_CHARACTERS:,} printable characters that say why.",
            field=name,
        )


def check_key(name: str, key: str) -> None:
    """Refuse a key that can't be stored.

    Raises:
        InvalidBudget: not text of 1 to `MAX_KEY_CHARACTERS` printable characters.
    """
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise InvalidBudget(
            f"{name} is {key!r:.80}; expected 1 to {MAX_KEY_CHARACTERS} printable characters.", field=name
        )


class Hold(msgspec.Struct, frozen=True):
    """Money reserved for one attempt. `bill` is what was posted for it: None while it is open."""

    hold_id: str
    tenant: str
    state: HoldState
    amount: Amount
    bill: Amount | None
    scopes: tuple[Scope, ...]
    opened_at: datetime
    expires_at: datetime
    decision_id: str = ""
    model: str = ""
    predicted_nanousd: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One line of the book; lines are added, never changed.

    `amount` is the money held by an "opened" line, and the money that the hold costs in the end by every other line.
    """

    number: int
    hold_id: str
    tenant: str
    kind: EntryKind
    amount: Amount
    at: datetime
    evidence: str = ""


class Usage(msgspec.Struct, frozen=True):
    """What a scope has used in one window: posted is spent, held may still be."""

    scope: Scope
    window_id: str
    posted: Amount
    held: Amount


class Freeze(msgspec.Struct, frozen=True):
    """A scope that takes no holds until someone unfreezes it."""

    tenant: str
    scope: Scope
    since: datetime
    reason: str


class Event(msgspec.Struct, frozen=True):
    """Something that someone should hear about: "frozen", "unfrozen", "repaired"."""

    number: int
    kind: str
    tenant: str
    scope: str
    at: datetime
    detail: str


class Mismatch(msgspec.Struct, frozen=True):
    """A counter that disagrees with the entries, which are right."""

    tenant: str
    scope: str
    window_id: str
    counted: str
    recomputed: str


class Ledger(Protocol):
    """Money that can't be overspent. Every method is safe to call from any thread, and atomic.

    All of them raise LedgerUnavailable where the database is gone, full or slow; nothing may be sent then. A write that
    was given up may have been done: the same call with the same key finds out.
    """

    def reserve(self, request: HoldRequest, limits: Sequence[Limit] = ()) -> Hold:
        """Hold the amount in every scope, or in none.

        Raises:
            BudgetExceeded: `posted + held + amount` would pass a limit; the tightest is named. Nothing is trimmed.
            FrozenScope: a scope of the request is stopped.
            HoldConflict: the key was used with another body.
            InvalidBudget: a limit of a scope that the request doesn't count for; two limits for one window.
        """
        ...

    def settle(self, hold_id: str, bill: Amount, *, key: str, tenant: str = "default") -> Hold:
        """Post the bill and release the hold; a presumed hold is corrected. The same key and bill again is a no-op.

        A bill above the hold posts in full, and freezes the narrowest scope of the hold.

        Raises:
            UnknownHold: no hold of this tenant has the id.
            HoldConflict: the hold ended with another bill or key, or was voided.
            InvalidBill: nothing for a hold that isn't free, or more than 1000 times the hold.
        """
        ...

    def void(self, hold_id: str, evidence: Unbilled, *, key: str, tenant: str = "default") -> Hold:
        """Release the hold of an attempt that was provably not billed.

        "not_sent": the request never left; "refused": the provider answered with an error that it doesn't bill;
        "confirmed": its usage report says that nothing was billed. A timeout or a disconnect proves nothing.

        Raises:
            UnknownHold, HoldConflict: as `settle`.
            InvalidBill: other evidence.
        """
        ...

    def presume(self, hold_id: str, *, key: str, tenant: str = "default") -> Hold:
        """Post the whole hold: the outcome is unknown, and may stay so.

        Raises:
            UnknownHold, HoldConflict: as `settle`.
        """
        ...

    def correct(self, hold_id: str, bill: Amount, evidence: str, *, key: str, tenant: str = "default") -> Hold:
        """Replace what was presumed by the bill that late evidence shows; it may be nothing.

        Raises:
            UnknownHold, HoldConflict, InvalidBill: as `settle`.
            InvalidBudget: no evidence.
        """
        ...

    def heartbeat(self, hold_id: str, until: datetime, *, tenant: str = "default") -> Hold:
        """Keep the hold of a live stream open until then; it never shortens.

        Raises:
            UnknownHold: as `settle`.
            HoldConflict: the hold isn't open any more.
            InvalidBudget: longer than a day after it was opened.
        """
        ...

    def expire(self) -> int:
        """Presume every open hold that is past its expiry; return how many."""
        ...

    def hold(self, hold_id: str, *, tenant: str = "default") -> Hold:
        """Return the hold.

        Raises:
            UnknownHold: as `settle`.
        """
        ...

    def usage(self, scope: Scope, window: Window, at: datetime | None = None, *, tenant: str = "default") -> Usage:
        """Return what the scope used in the window that holds the moment (None: the present one)."""
        ...

    def entries(self, *, tenant: str = "default", hold_id: str | None = None, after: int = 0) -> list[Entry]:
        """Return the lines of the tenant in order, at most 1,000 after the numbered one."""
        ...

    def freezes(self) -> list[Freeze]:
        """Return the scopes that are stopped."""
        ...

    def freeze(self, scope: Scope, reason: str, *, tenant: str = "default") -> None:
        """Stop the scope: it takes no holds. Open ones can still be settled.

        Raises:
            InvalidBudget: no reason.
        """
        ...

    def unfreeze(self, scope: Scope, reason: str, *, tenant: str = "default") -> bool:
        """Let the scope go on; return whether it was stopped.

        Raises:
            InvalidBudget: no reason.
        """
        ...

    def events(self, after: int = 0) -> list[Event]:
        """Return the events in order, at most 1,000 after the numbered one."""
        ...

    def reconcile(self, *, repair: bool = False) -> list[Mismatch]:
        """Recompute every counter from the entries; return those that disagree, and put them right where asked."""
        ...
