"""The treasury: asked before a decision is given away, told what came of it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from pointsman.budget import GLOBAL, Amount, Hold, HoldRequest, Limit, Scope, Window
from pointsman.budget.books import hold_id_of
from pointsman.budget.ending import LONGEST_HOLD
from pointsman.budget.exposure import exposure
from pointsman.budget.ledger import Unbilled
from pointsman.budget.operations import Presume, Reserve, Settle, Void
from pointsman.budget.rules import Bearing, Rules, effective_limits
from pointsman.errors import BudgetExceeded, Forbidden, InvalidBudget, LedgerError, LedgerUnavailable, UnknownHold
from pointsman.money import format_usd
from pointsman.outcomes import Outcome
from pointsman.registry import ModelCard
from pointsman.treasury.asking import Ask, Holding, Prepared, attempt_of, payers
from pointsman.treasury.pacers import Pacers
from pointsman.treasury.settling import MADE_HERE, Settlement, bill_of, named_attempt, refuse_bill, refuse_voided
from pointsman.treasury.standing import Snapshot, Standing
from pointsman.treasury.steps import Steps, done
from pointsman.types import Task

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

HOLD_FOR: Final = timedelta(minutes=10)
_KEY: Final = "outcome"
"""The key under which outcomes settle: a hold has one bill, whatever else is reported."""


def new_id() -> str:
    """Return a random id."""
    return str(uuid4())


class Treasury:
    """Holds money for decisions under the rules, and settles it. Safe to use from any thread; open it after a fork.

    `hold_for` is how long an outcome may take before the hold is presumed spent. `tenant` is whose money it is.

    Raises:
        InvalidBudget: a hold of no time, or of more than a day.
    """

    def __init__(
        self,
        ledger: "StoreLedger",
        rules: Rules | None = None,
        *,
        clock: Callable[[], datetime],
        tenant: str = "default",
        hold_for: timedelta = HOLD_FOR,
        ids: Callable[[], str] = new_id,
    ) -> None:
        if not timedelta() < hold_for <= LONGEST_HOLD:
            raise InvalidBudget(
                f"a hold is kept for {hold_for.total_seconds():g} s; expected more than 0, at most a day.",
                field="hold_for",
            )
        self.ledger = ledger
        self.rules = rules or Rules()
        self.clock = clock
        self.tenant = tenant
        self.is_guest = False
        self.pacers = Pacers()
        self.standing = Standing(ledger, self.rules, tenant)
        self._hold_for = hold_for
        self._ids = ids

    def of(self, tenant: str) -> "Treasury":
        """Return the treasury of another tenant on the same ledger, under the same rules.

        That tenant is a guest: what everyone spends together binds it too, and isn't shown to it.
        """
        other = self._like(self.rules, tenant)
        other.is_guest = True
        return other

    def under(self, rules: Rules) -> "Treasury":
        """Return the treasury under other rules; what it has learned of the traffic stays."""
        other = self._like(rules, self.tenant)
        other.pacers = self.pacers
        return other

    def _like(self, rules: Rules, tenant: str) -> "Treasury":
        return Treasury(self.ledger, rules, clock=self.clock, tenant=tenant, hold_for=self._hold_for, ids=self._ids)

    def snapshot(self) -> Snapshot:
        """Return limits and usage as they stand, at most a second old.

        Raises:
            LedgerUnavailable: they can't be read, so that nothing may be decided.
        """
        return self.standing.at(self.clock())

    def hold(self, asks: Sequence[Ask]) -> list[Holding | LedgerError]:
        """Hold money for the tasks; see `holding`."""
        return done(self.holding(asks), self.ledger)

    def holding(self, asks: Sequence[Ask]) -> Steps[list[Holding | LedgerError]]:
        """Hold for each task the most that its best choice can cost, or the best of the cheaper ones that fits.

        A task for which none fits gets `BudgetExceeded` of the last limit that refused, or `FrozenScope`.

        Raises:
            LedgerUnavailable: nothing is decided; what was held before for these tasks is released again.
            InvalidBudget: a tag that can't name a payer; nothing is held.
        """
        now = self.clock()
        snapshot = self.standing.at(now)
        prepared = [self._prepared(ask, now, snapshot) for ask in asks]
        results: dict[int, Holding | LedgerError] = {}
        turns = {index: Turn(0) for index in range(len(asks))}
        while turns:
            answers = yield [_reserve(prepared[index], turn.place) for index, turn in turns.items()]
            after: dict[int, Turn] = {}
            for (index, turn), answer in zip(turns.items(), answers, strict=True):
                if isinstance(answer, Hold):
                    results[index] = self._held(prepared[index], turn, answer)
                elif (cheaper := _cheaper(prepared[index], turn, answer)) is not None:
                    after[index] = cheaper
                else:
                    results[index] = answer
            turns = after
            yield from self._stop_where_lost(results.values())
        return [results[index] for index in range(len(asks))]

    def _stop_where_lost(self, results: Iterable[Holding | LedgerError]) -> Steps[None]:
        lost = next((one for one in results if isinstance(one, LedgerUnavailable)), None)
        if lost is not None:
            yield from self.releasing([one.hold_id for one in results if isinstance(one, Holding)])
            raise lost

    def releasing(self, hold_ids: Sequence[str], evidence: Unbilled = "not_sent") -> Steps[None]:
        """Let go of holds that nothing was billed for; where the ledger can't, they are presumed later."""
        if hold_ids:
            yield [Void(hold_id, evidence, "released", self.tenant) for hold_id in hold_ids]
            self.standing.forget()

    def posting(self, hold_id: str, bill: Amount) -> Steps[Hold]:
        """Post the bill of an attempt, once.

        Raises:
            InvalidBill: a bill that can't be true, or none where money was held; the hold stays open.
            HoldConflict, LedgerUnavailable: it isn't posted, and the hold is presumed at its expiry.
        """
        (answer,) = yield [Settle(hold_id, bill, _KEY, self.tenant)]
        if isinstance(answer, LedgerError):
            raise answer
        self.standing.add(answer.scopes, bill.nanousd - answer.amount.nanousd)
        self.pacers.billed(answer.scopes, answer.predicted_nanousd, bill.nanousd)
        return answer

    def presuming(self, hold_id: str) -> Steps[None]:
        """Post the whole hold, since nobody knows what the attempt was billed; late evidence corrects it."""
        yield [Presume(hold_id, "unknown", self.tenant)]

    def release(self, hold_ids: Sequence[str]) -> None:
        """Let go of holds whose decisions were given to nobody; see `releasing`."""
        done(self.releasing(hold_ids), self.ledger)

    def settle(self, outcome: Outcome, card_of: Callable[[str], ModelCard], *, by_admin: bool = True) -> Settlement:
        """Settle the hold of a decision by what its caller reports, once, and keep the report.

        The hold of a call that the gateway makes ends by what the provider stated, or by an admin's report.

        Raises:
            UnknownHold: no decision of this tenant has the id, or no attempt of it the hold's.
            Forbidden: a bill for a call of the gateway's own, from somebody who is no admin.
            HoldConflict: it was settled with another bill before, or voided.
            InvalidBill: a bill that can't be true; the ledger is as it was.
            LedgerUnavailable: report it again.
        """
        named = outcome.hold_id is not None
        hold = named_attempt(outcome, self.ledger, self.tenant) if named else self.hold_of(outcome.decision_id)
        if outcome.ends_hold and not by_admin:
            refuse_bill(hold)
        bill = bill_of(outcome, hold, card_of)
        if outcome.unbilled is not None:
            hold = self.ledger.void(hold.hold_id, outcome.unbilled, key=_KEY, tenant=self.tenant)
        elif bill is not None:
            hold = self._settled(hold, bill)
        else:
            refuse_voided(hold)
        self.standing.forget()
        is_new = self.ledger.outcomes.add(outcome.decision_id, outcome.digest, outcome.body(), tenant=self.tenant)
        return Settlement.of(hold, is_new=is_new)

    def hold_of(self, decision_id: str) -> Hold:
        """Return the hold that an outcome settles: of several attempts the first that wasn't voided.

        Raises:
            UnknownHold: no decision of this tenant has the id.
            LedgerUnavailable: nobody can tell.
        """
        try:
            attempt, hold = 0, self.ledger.hold(self._hold_id(decision_id), tenant=self.tenant)
            while hold.state == "voided":
                attempt += 1
                try:
                    hold = self.ledger.hold(hold_id_of(self.tenant, decision_id, attempt), tenant=self.tenant)
                except UnknownHold:
                    break
            return hold
        except UnknownHold:
            raise UnknownHold(
                f"no decision that held money has the id {decision_id!r:.80}; take decision_id from the decision.",
                field="decision_id",
            ) from None

    def _settled(self, hold: Hold, bill: Amount) -> Hold:
        was_open = hold.state in ("open", "presumed")
        settled = self.ledger.settle(hold.hold_id, bill, key=_KEY, tenant=self.tenant)
        if was_open:
            self.pacers.billed(hold.scopes, hold.predicted_nanousd, bill.nanousd)
        return settled

    def put(self, limit: Limit, *, changed_by: str) -> bool:
        """Set a limit while running; return whether that changed it. Every process follows within a second.

        Raises:
            Forbidden: a guest's, of everyone's budget.
        """
        self._refuse_guests(limit.scope)
        changed = self.ledger.limits.put(limit, changed_by=changed_by, tenant=self.tenant)
        self.standing.forget()
        return changed

    def take_back(self, scope: Scope, window: Window, *, changed_by: str) -> bool:
        """Take back a limit that was set while running; return whether there was one. Raises as `put`."""
        self._refuse_guests(scope)
        changed = self.ledger.limits.remove(scope, window, changed_by=changed_by, tenant=self.tenant)
        self.standing.forget()
        return changed

    def _refuse_guests(self, scope: Scope) -> None:
        if self.is_guest and scope == GLOBAL:
            raise Forbidden(
                f"{scope} is everyone's budget, which only the deployment's own tenant sets; name a tenant, team, user "
                "or key.",
                field="scope",
            )

    def expire(self) -> int:
        """Presume the holds that nobody reported on in time; return how many."""
        count = self.ledger.expire()
        if count:
            self.standing.forget()
        return count

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    def _hold_id(self, decision_id: str) -> str:
        return hold_id_of(self.tenant, decision_id, 0)

    def _prepared(self, ask: Ask, now: datetime, snapshot: Snapshot) -> Prepared:
        decision_id, tags = ask.decision_id or self._new_id(ask.task), payers(ask.task.tags)
        bearing = Bearing(decision_id, tags, ask.type, ask.tier)
        scopes, user = bearing.scopes(), tags.get("user")
        used = self.standing.used_by(user, now, snapshot)
        limits = snapshot.overlaid(effective_limits(snapshot.rules, bearing, used, now), scopes)
        plan = snapshot.rules.plan(user)
        plain, hour_models = attempt_of(ask.task), ask.task.call.hour_models
        hour = msgspec.structs.replace(plain, caches_for_an_hour=True) if hour_models else plain
        most_output = plan.max_output_tokens if plan else None
        exposures = [
            exposure(one.card, hour if one.card.id in hour_models else plain, most_output) for one in ask.choices
        ]
        expires_at = now + self._hold_for
        request = HoldRequest(
            decision_id, scopes, Amount(0), expires_at, self.tenant, ask.attempt, decision_id=decision_id
        )
        return Prepared(ask, request, limits, tuple(exposures))

    def _new_id(self, task: Task) -> str:
        return MADE_HERE * task.call.is_made_here + self._ids()

    def _held(self, prepared: Prepared, turn: "Turn", hold: Hold) -> Holding:
        self.standing.add(hold.scopes, hold.amount.nanousd)
        exposures = prepared.exposures
        room = exposures[turn.place].amount_nanousd if turn.room is None else turn.room
        later = range(turn.place + 1, len(exposures))
        return Holding(
            decision_id=hold.decision_id,
            hold_id=hold.hold_id,
            held_nanousd=hold.amount.nanousd,
            max_output_tokens=exposures[turn.place].max_output_tokens,
            expires_at=hold.expires_at,
            place=turn.place,
            affordable=tuple(i for i in later if turn.place == 0 or exposures[i].amount_nanousd <= room),
            words=turn.words,
        )


class Turn(msgspec.Struct, frozen=True):
    """The choice to try, after those before it were refused: the room that was left then, and the words for it."""

    place: int
    room: int | None = None
    words: str | None = None


def _reserve(prepared: Prepared, place: int) -> Reserve:
    choice, most = prepared.ask.choices[place], prepared.exposures[place]
    request = msgspec.structs.replace(
        prepared.request,
        amount=Amount(most.amount_nanousd, most.input_tokens, most.output_tokens),
        model=choice.card.id,
        predicted_nanousd=choice.predicted_nanousd,
    )
    return Reserve(request, prepared.limits)


def _cheaper(prepared: Prepared, turn: Turn, refusal: LedgerError) -> Turn | None:
    """Return the next choice that asks for less than was refused, and fits what the limit had left; None without."""
    if not isinstance(refusal, BudgetExceeded):
        return None
    refused = prepared.exposures[turn.place]
    for place in range(turn.place + 1, len(prepared.exposures)):
        asks = prepared.exposures[place]
        if refusal.unit == "nanousd":
            room = refusal.limit - refusal.posted - refusal.held
            fits = asks.amount_nanousd <= room
        else:
            room, fits = refused.amount_nanousd, asks.output_tokens < refused.output_tokens
        if fits:
            first = prepared.ask.choices[0].card.id
            words = turn.words or (
                f"{first} may cost {format_usd(prepared.exposures[0].amount_nanousd)}, for which there was no room: "
                f"{refusal.message.split(': ', 1)[0]}"
            )
            return Turn(place, room, words)
    return None
