"""The money of one request: a hold for every attempt, all under one decision."""

import asyncio
import logging
from typing import Final

import msgspec

from pointsman.budget import Amount, Unbilled
from pointsman.budget.ending import most_believable_nanousd
from pointsman.budget.exposure import invoice_nanousd
from pointsman.chat import Reply
from pointsman.errors import InvalidBill, LedgerError, LedgerUnavailable
from pointsman.gateway.later import Later
from pointsman.money import format_usd
from pointsman.registry import ModelCard
from pointsman.treasury import Ask, Choice, Treasury
from pointsman.treasury.steps import awaited
from pointsman.types import Call, Decision, Task

_LOG: Final = logging.getLogger("pointsman.gateway")
_POSTING_TRIES: Final = 5
_POSTING_DELAY_S: Final = 1.0


class Held(msgspec.Struct, frozen=True):
    """Money held for one attempt; `max_output_tokens` has to be sent with it."""

    hold_id: str
    held_nanousd: int
    max_output_tokens: int


class Till:
    """Holds for the attempts of one decision; bills are posted behind the answer, and outlive it."""

    def __init__(self, treasury: Treasury, task: Task, decision: Decision, later: Later) -> None:
        self._treasury = treasury
        self._task = task
        self.decision = decision
        self._later = later
        self._attempts = 1
        self._first: Held | None = Held(
            decision.hold_id or "", decision.held_nanousd or 0, decision.max_output_tokens or 1
        )

    async def hold(self, card: ModelCard, call: Call | None = None) -> Held:
        """Return the money for an attempt on this model: what the decision held, or as much as this one can cost.

        `call` is how it is called, where that is another than the task's own.

        Raises:
            LedgerError: there is no room for it, or nobody can tell.
        """
        if call is None and card.id == self.decision.model and self._first is not None:
            first, self._first = self._first, None
            return first
        expected = next((one.cost_nanousd for one in self.decision.candidates if one.model == card.id), 0)
        task = self._task if call is None else msgspec.structs.replace(self._task, call=call)
        return await self._another(Choice(card, expected), task)

    async def _another(self, choice: Choice, task: Task) -> Held:
        decision = self.decision
        ask = Ask(task, decision.type, decision.complexity.label, (choice,), decision.decision_id, self._attempts)
        self._attempts += 1
        (answer,) = await awaited(self._treasury.holding([ask]), self._treasury.ledger)
        if isinstance(answer, LedgerError):
            raise answer
        return Held(answer.hold_id, answer.held_nanousd, answer.max_output_tokens)

    def pay(self, held: Held, card: ModelCard, reply: Reply, *, is_batch: bool = False) -> int | None:
        """Post what an answer costs, and return it; None where nobody knows, so that the whole hold is posted.

        It costs its usage at the card's price, or what the provider states where that is more.
        """
        usage = reply.usage
        if usage is None:
            self.presume(held)
            return None
        cost = invoice_nanousd(card.price, usage, is_batch=is_batch, stated_nanousd=reply.stated_nanousd)
        bill = Amount(cost, usage.input_tokens, usage.output_tokens)
        if bill.nanousd == 0 < held.held_nanousd or bill.nanousd > most_believable_nanousd(held.held_nanousd):
            _LOG.warning("%s: a bill of %s can't be true; the hold is posted", held.hold_id, format_usd(bill.nanousd))
            self.presume(held)
            return None
        self._later.do(self._post(held, bill))
        return bill.nanousd

    def presume(self, held: Held) -> None:
        """Post the whole hold: the provider may have billed, and nobody knows how much."""
        self._later.do(awaited(self._treasury.presuming(held.hold_id), self._treasury.ledger))

    def release(self, held: Held, *, was_sent: bool) -> None:
        """Let go of a hold that the provider certainly billed nothing for."""
        evidence: Unbilled = "refused" if was_sent else "not_sent"
        self._later.do(awaited(self._treasury.releasing([held.hold_id], evidence), self._treasury.ledger))

    def close(self) -> None:
        """Let go of what the decision held, where it was never used."""
        if self._first is not None:
            self.release(self._first, was_sent=False)
            self._first = None

    async def _post(self, held: Held, bill: Amount) -> None:
        for attempt in range(_POSTING_TRIES):
            try:
                await awaited(self._treasury.posting(held.hold_id, bill), self._treasury.ledger, may_wait=True)
                return
            except LedgerUnavailable as error:
                _LOG.error("%s isn't posted yet (%s)", held.hold_id, error.message)
                await asyncio.sleep(_POSTING_DELAY_S * attempt)
            except (LedgerError, InvalidBill) as error:
                _LOG.error("%s isn't posted: %s", held.hold_id, error.message)
                await awaited(self._treasury.presuming(held.hold_id), self._treasury.ledger)
                return
        _LOG.error("%s isn't posted; it will be presumed at its expiry", held.hold_id)
