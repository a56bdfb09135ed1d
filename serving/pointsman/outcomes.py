"""What happened after a decision, as its caller reports it."""

import hashlib
import math
from typing import Final

import msgspec

from pointsman.budget.ledger import MAX_ATTEMPT, UNBILLED, Unbilled
from pointsman.errors import InvalidBill, InvalidInput, InvalidTask
from pointsman.money import nanousd

MAX_NAME_CHARACTERS: Final = 255


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened after the decision `decision_id`.

    `quality` in [0, 1] says how well it was done and `judge` who says so ("human", a model's name); `success` whether
    there was an answer. `input_tokens` and `output_tokens` are the whole usage, `cost_usd` the provider's bill; without
    either the hold stays open and is presumed spent at its expiry. `unbilled` says why nothing was billed ("not_sent",
    "refused", "confirmed"), and releases the hold.

    `hold_id` names one attempt of the decision, as the log lists them; None is the first that wasn't let go.

    Raises:
        InvalidInput: a number out of range, a usage without its other half, nothing but the id; `field` names it.
        InvalidBill: a bill below zero, or one beside `unbilled`.
    """

    decision_id: str
    quality: float | None = None
    success: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    judge: str | None = None
    unbilled: Unbilled | None = None
    hold_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can't have happened."""
        for name, text in (("decision_id", self.decision_id), ("judge", self.judge), ("hold_id", self.hold_id)):
            if text is not None and (not text or len(text) > MAX_NAME_CHARACTERS or not text.isprintable()):
                raise _wrong(name, text, f"1 to {MAX_NAME_CHARACTERS} printable characters")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise _wrong("quality", self.quality, "a number from 0 to 1")
        if self.latency_ms is not None and not 0 <= self.latency_ms < math.inf:
            raise _wrong("latency_ms", self.latency_ms, "milliseconds from 0")
        self._check_bill()
        said = self.__struct_fields__[1:-1]
        if all(getattr(self, name) is None for name in said):
            raise InvalidInput(f"the outcome says nothing; expected any of {', '.join(said)}.")

    def _check_bill(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            count, most = getattr(self, name), getattr(MAX_ATTEMPT, name)
            if count is not None and not 0 <= count <= most:
                raise InvalidBill(f"{name} is {count:,}; expected a whole number from 0 to {most:,}.", field=name)
        if (self.input_tokens is None) != (self.output_tokens is None):
            missing = "input_tokens" if self.input_tokens is None else "output_tokens"
            raise _wrong(missing, None, "a number of tokens too: a bill needs both, or cost_usd")
        if self.cost_usd is not None:
            try:
                nanousd(self.cost_usd, "cost_usd")
            except InvalidTask as error:
                raise InvalidBill(error.message, field="cost_usd") from None
        if self.unbilled is not None and self.unbilled not in UNBILLED:
            raise _wrong("unbilled", self.unbilled, f"one of {', '.join(UNBILLED)}")
        if self.unbilled is not None and (self.cost_usd is not None or self.input_tokens is not None):
            raise InvalidBill("unbilled says that nothing was billed, beside a bill; report one.", field="unbilled")

    @property
    def has_bill(self) -> bool:
        """Whether it says what was billed."""
        return self.cost_usd is not None or self.input_tokens is not None

    @property
    def ends_hold(self) -> bool:
        """Whether it settles or releases the hold."""
        return self.has_bill or self.unbilled is not None

    @property
    def cost_nanousd(self) -> int | None:
        """The provider's bill in nano-USD."""
        return None if self.cost_usd is None else nanousd(self.cost_usd, "cost_usd")

    def body(self) -> str:
        """Return the outcome as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_body(cls, body: str) -> "Outcome":
        """Return the outcome that `body` gave."""
        return msgspec.json.decode(body, type=cls)

    @property
    def digest(self) -> str:
        """What is the same for the same report."""
        return hashlib.blake2b(self.body().encode(), digest_size=16).hexdigest()


def _wrong(field: str, value: object, expected: str) -> InvalidInput:
    return InvalidInput(f"{field} is {value!r:.80}; expected {expected}.", field=field)
