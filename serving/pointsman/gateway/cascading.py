"""A cascade: an answer is judged, and another model is asked while that is expected to gain more than it costs."""

from typing import Final

import msgspec
import numpy as np

from pointsman.errors import LedgerError, PointsmanError
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.money import NANO
from pointsman.types import Candidate
from pointsman.verification import (
    ASSUMED_AUC,
    Answer,
    Cascade,
    Expectation,
    Outlook,
    Signals,
    agreement,
    best_answer,
    check,
    judge_prompt,
    judged_poor,
    next_call,
)

_MOST_MODELS: Final = 12
"""Thinking two calls ahead takes time with the square of the models."""

_IN_DOUBT: Final = (0.2, 0.9)
"""Between these chances an answer is shown to a judge: outside, what it says would rarely change the choice."""


class Cascading:
    """Judges the answers to one request, and says which model to ask next and which answer is the best."""

    def __init__(self, attempting: Attempting, trade_usd: float) -> None:
        decision = attempting.decision
        self.attempting, self.decision = attempting, decision
        self.settings, belief = attempting.parts.cascade, attempting.parts.belief
        allowed = (decision.model, *decision.fallbacks)[:_MOST_MODELS]
        by_model = {one.model: one for one in decision.candidates}
        self.candidates: list[Candidate] = [by_model[model] for model in allowed]
        outlook = Outlook(
            quality=np.array([one.quality for one in self.candidates]),
            price_nanousd=np.array([one.cost_nanousd for one in self.candidates], dtype=np.int64),
            trade_nanousd=round(trade_usd * NANO),
            max_calls=self.settings.max_calls,
            auc=ASSUMED_AUC if belief.fit is None else belief.fit.auc,
        )
        self.state = Cascade(outlook)
        self.tried: list[Tried] = []
        self._numbers: list[int] = []

    async def answer(self) -> Tried:
        """Return the answer that is likeliest good, of those that it paid to ask for.

        Raises:
            PointsmanError: no model gave an answer; that of the last one.
        """
        place: int | None = 0
        failure: PointsmanError | None = None
        while place is not None:
            try:
                await self._ask(place)
            except LedgerError as error:
                failure = failure or error
                self._exclude(place)
            except PointsmanError as error:
                failure = error
                self._exclude(place)
            place = self._next()
        if not self.tried:
            assert failure is not None
            raise failure
        best = best_answer(self.state)
        self._mark(best)
        return self.tried[best]

    async def _ask(self, place: int) -> None:
        candidate, attempts = self.candidates[place], self.attempting.course.attempts
        tried = await self.attempting.answer(candidate.model)
        number = len(attempts) - 1
        belief = self._good(await self._signals(candidate, tried), candidate.quality)
        attempts[number] = msgspec.structs.replace(attempts[number], quality=belief)
        self._numbers.append(number)
        self.tried.append(tried)
        self.state = msgspec.structs.replace(self.state, answers=(*self.state.answers, Answer(place, belief)))

    async def _signals(self, candidate: Candidate, tried: Tried) -> Signals:
        """Return what can be seen of an answer; where it is in doubt, also by further samples and by a judge."""
        chat, expectation = self.attempting.chat, Expectation(candidate.output_tokens, self.decision.type)
        signals = check(chat, tried.reply, expectation)
        least, most = _IN_DOUBT
        if not least < self._good(signals, candidate.quality) < most:
            return signals
        if self.settings.samples > 1:
            signals = msgspec.structs.replace(signals, disagreement=await self._disagreement(candidate.model, tried))
        if self.settings.judge is not None:
            signals = msgspec.structs.replace(signals, judged_poor=await self._judged_poor(self.settings.judge, tried))
        return signals

    async def _disagreement(self, model: str, tried: Tried) -> float | None:
        texts = [tried.reply.text]
        for _ in range(self.settings.samples - 1):
            try:
                texts.append((await self.attempting.again(model)).reply.text)
            except PointsmanError:
                break
        agreed = agreement(texts, self.attempting.parts.embed)
        return None if agreed is None else 1 - agreed

    async def _judged_poor(self, judge: str, tried: Tried) -> float | None:
        """Return what a judge says; None where it can't be asked, or says nothing that can be read."""
        try:
            found = await self.attempting.aside(judge, judge_prompt(judge, self.attempting.chat, tried.reply), "judge")
        except PointsmanError:
            return None
        return judged_poor(found.reply)

    def _good(self, signals: Signals, prior: float) -> float:
        return self.attempting.parts.belief.good(signals, prior)

    def _mark(self, best: int) -> None:
        attempts = self.attempting.course.attempts
        for place, number in enumerate(self._numbers):
            if place != best:
                attempts[number] = msgspec.structs.replace(attempts[number], end="judged_poor")

    def _next(self) -> int | None:
        if self.tried:
            return next_call(self.state)
        return next((place for place in range(len(self.candidates)) if place not in self.state.failed), None)

    def _exclude(self, place: int) -> None:
        self.state = msgspec.structs.replace(self.state, failed=self.state.failed | {place})
