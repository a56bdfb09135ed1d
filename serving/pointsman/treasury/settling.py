"""What an outcome bills: its usage at the model's price, or the stated cost where that is more."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.budget import Amount, Hold
from pointsman.budget.exposure import invoice_nanousd
from pointsman.errors import Forbidden, HoldConflict, InvalidBill, UnknownHold, UnknownModel
from pointsman.money import usd
from pointsman.outcomes import Outcome
from pointsman.registry import ModelCard, TokenUsage

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

MADE_HERE: Final = "call-"
"""How the ids of decisions begin whose calls the gateway makes: what those cost isn't for callers to say."""


class Settlement(msgspec.Struct, frozen=True):
    """What became of the hold of a decision; `billed_nanousd` is None while it is open.

    `is_new` is False where the same outcome was reported before.
    """

    decision_id: str
    hold_id: str
    state: str
    held_nanousd: int
    billed_nanousd: int | None
    billed_usd: float | None
    is_new: bool

    @classmethod
    def of(cls, hold: Hold, *, is_new: bool) -> "Settlement":
        """Return what there is to say of a hold."""
        billed = None if hold.bill is None else hold.bill.nanousd
        shown = None if billed is None else usd(billed)
        return cls(hold.decision_id, hold.hold_id, hold.state, hold.amount.nanousd, billed, shown, is_new)


def bill_of(outcome: Outcome, hold: Hold, card_of: Callable[[str], ModelCard]) -> Amount | None:
    """Return the bill of an outcome, None where it states none; tokens that it doesn't state count as held.

    Raises:
        InvalidBill: tokens of a model that the fleet has no more, so that their price isn't known.
    """
    if not outcome.has_bill:
        return None
    stated = outcome.cost_nanousd
    if outcome.input_tokens is None or outcome.output_tokens is None:
        return Amount(stated or 0, hold.amount.input_tokens, hold.amount.output_tokens)
    try:
        price = card_of(hold.model).price
    except UnknownModel:
        if stated is None:
            raise InvalidBill(
                f"the decision chose {hold.model!r}, which the fleet has no more, so that its price isn't known; "
                "report cost_usd.",
                field="cost_usd",
            ) from None
        return Amount(stated, outcome.input_tokens, outcome.output_tokens)
    usage = TokenUsage(outcome.input_tokens, outcome.output_tokens)
    return Amount(invoice_nanousd(price, usage, stated_nanousd=stated), usage.input_tokens, usage.output_tokens)


def refuse_voided(hold: Hold) -> None:
    """Refuse an outcome of an attempt that was never made.

    Raises:
        HoldConflict: the hold was voided.
    """
    if hold.state == "voided":
        raise HoldConflict(f"{hold.hold_id} was voided: nothing came of that decision. Report on another.")


def named_attempt(outcome: Outcome, ledger: "StoreLedger", tenant: str) -> Hold:
    """Return the hold that an outcome names.

    Raises:
        UnknownHold: no attempt of the outcome's decision has it.
        LedgerUnavailable: nobody can tell.
    """
    try:
        hold = ledger.hold(outcome.hold_id or "", tenant=tenant)
        if hold.decision_id == outcome.decision_id:
            return hold
    except UnknownHold:
        pass
    raise UnknownHold(
        f"no attempt of the decision {outcome.decision_id!r:.80} has the hold {outcome.hold_id!r:.80}; the attempts of "
        "each decision are in the log (pointsman export json).",
        field="hold_id",
    )


def refuse_bill(hold: Hold) -> None:
    """Refuse a caller's statement of what a call of the gateway's own was billed.

    Raises:
        Forbidden: it is one.
    """
    if hold.decision_id.startswith(MADE_HERE):
        raise Forbidden(
            f"{hold.decision_id} was called by the gateway, which knows its bill from the provider; report quality and "
            "success, and leave usage, cost_usd and unbilled to an admin."
        )
