"""What an outcome bills: its usage at the model's price, or the stated cost where that is more."""

from collections.abc import Callable

import msgspec

from pointsman.budget import Amount, Hold
from pointsman.budget.exposure import invoice_nanousd
from pointsman.errors import HoldConflict, InvalidBill, UnknownModel
from pointsman.money import usd
from pointsman.outcomes import Outcome
from pointsman.registry import ModelCard, TokenUsage


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
