"""The words of Pointsman, used everywhere with these meanings."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec.structs import force_setattr

from pointsman.errors import InvalidTask
from pointsman.money import nanousd, usd

Profile = Literal["auto", "fast", "deep"]
PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)

COMPLEXITIES: Final = ("simple", "medium", "complex")
TASK_TYPES: Final = (
    "code_generation",
    "debugging",
    "refactoring",
    "documentation",
    "code_review",
    "architecture",
    "testing",
    "optimization",
    "data_analysis",
    "summarization",
    "translation",
    "creative_writing",
    "question_answering",
    "reasoning",
    "extraction",
    "conversation",
)
CAPABILITIES: Final = ("vision", "tools", "json_mode")
MAX_DESCRIPTION_CHARACTERS: Final = 10_000_000
MAX_TOKENS: Final = 1_000_000_000

_TYPE_SYNONYMS: Final = {
    "optimisation": "optimization",
    "summarisation": "summarization",
    "analysis": "data_analysis",
    "code": "code_generation",
    "coding": "code_generation",
    "docs": "documentation",
    "design": "architecture",
    "review": "code_review",
    "test": "testing",
    "chat": "conversation",
    "qa": "question_answering",
}


def task_type(name: str) -> str:
    """Return the canonical task type of a name: case, hyphens, spaces and British spelling don't matter.

    Raises:
        InvalidTask: no such type; the message lists all.
    """
    if not isinstance(name, str):
        raise InvalidTask(f"type is {name!r}; expected one of {', '.join(TASK_TYPES)}.", field="type")
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    key = _TYPE_SYNONYMS.get(key, key)
    if key not in TASK_TYPES:
        raise InvalidTask(
            f"type is {name!r}; expected one of {', '.join(TASK_TYPES)}. Leave it out to have it predicted.",
            field="type",
        )
    return key


class Constraints(msgspec.Struct, frozen=True):
    """What the chosen model must satisfy; the default asks for nothing.

    `capabilities` are of `CAPABILITIES`; `models` are the only ones allowed (None: any of the fleet); `min_quality` is
    a probability; `input_tokens` overrides the estimate from the text where the prompt is longer than the description.
    """

    capabilities: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    max_latency_ms: float | None = None
    min_quality: float | None = None
    input_tokens: int | None = None
    max_output_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be satisfied by any model.

        Raises:
            InvalidTask: an unknown capability, a number out of range, or no model left; `field` names it.
        """
        for name in ("capabilities", "models", "exclude"):
            force_setattr(self, name, _names(name, getattr(self, name)))
        for capability in self.capabilities:
            if capability not in CAPABILITIES:
                raise InvalidTask(
                    f"constraints.capabilities has {capability!r}; expected any of {', '.join(CAPABILITIES)}.",
                    field="constraints.capabilities",
                )
        if self.models is not None and not self.models:
            raise InvalidTask(
                "constraints.models is an empty list; name at least one model, or leave it out to allow all.",
                field="constraints.models",
            )
        _check_number("max_latency_ms", self.max_latency_ms, lambda ms: 0 < ms < math.inf, "milliseconds above 0")
        _check_number("min_quality", self.min_quality, lambda share: 0 <= share <= 1, "a probability from 0 to 1")
        for name in ("input_tokens", "max_output_tokens"):
            _check_number(name, getattr(self, name), _is_token_count, "a whole number of tokens, at most 1e9")


def _names(name: str, value: object) -> tuple[str, ...] | None:
    if value is None and name == "models":
        return None
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    kind = f"the text {value!r}" if isinstance(value, str) else f"{value!r:.80}"
    raise InvalidTask(f"constraints.{name} is {kind}; expected a list of names.", field=f"constraints.{name}")


def _check_number(name: str, value: object, is_right: Callable[[float], bool], expected: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_right(value):
        raise InvalidTask(f"constraints.{name} is {value!r:.80}; expected {expected}.", field=f"constraints.{name}")


def _is_token_count(count: float) -> bool:
    return isinstance(count, int) and 0 <= count <= MAX_TOKENS


ANYTHING: Final = Constraints()


class Call(msgspec.Struct, frozen=True):
    """How the chosen model will be called, as far as that bears on the price.

    `most_input_tokens` is a count that the provider can't exceed, None where it is to be bounded by the text's bytes.
    `max_output_tokens` limits an answer, and is brought down to what the model can write, where a constraint of the
    same name excludes models that can't. `answers` are asked for at once. At `hour_models` the prompt may be written to
    the dearer cache, that of an hour. `is_batch` says that the provider's batch price applies, whichever the model.
    `batch_models` are those that are asked for at their batch price and may bill the full one all the same: the first
    is expected of them, the second held. `cost_changes_nanousd` is added to the expected cost of the models it names,
    such as what a prompt that one has cached takes off. `is_made_here` says that this process makes the call itself, so
    that no caller's report ends its hold.
    """

    most_input_tokens: int | None = None
    max_output_tokens: int | None = None
    answers: int = 1
    hour_models: tuple[str, ...] = ()
    is_batch: bool = False
    batch_models: tuple[str, ...] = ()
    cost_changes_nanousd: Mapping[str, int] = {}
    is_made_here: bool = False


ONE_CALL: Final = Call()
_NO_TAGS: Final[Mapping[str, str]] = {}


class Task(msgspec.Struct, frozen=True):
    """What the caller wants done.

    `budget_usd` is the most that this one task may be expected to cost; `tags` (user, team, agent, project) are
    carried into the decision; `id` is the caller's own name for the task; `call` is how a program that runs the
    decision will call the model.
    """

    description: str
    type: str | None = None
    budget_usd: float | None = None
    constraints: Constraints = ANYTHING
    tags: Mapping[str, str] = _NO_TAGS
    id: str | None = None
    call: Call = ONE_CALL

    def __post_init__(self) -> None:
        """Refuse a task that can't be routed, and bring its type into canonical form.

        Raises:
            InvalidTask: empty or oversized description, unknown type, or a budget that isn't a finite positive number.
        """
        if not isinstance(self.description, str):
            raise InvalidTask(f"description is {type(self.description).__name__}; expected text.", field="description")
        if not self.description or self.description.isspace():
            raise InvalidTask("description is empty; expected the text of the task.", field="description")
        if len(self.description) > MAX_DESCRIPTION_CHARACTERS:
            raise InvalidTask(
                f"description has {len(self.description):,} characters; at most {MAX_DESCRIPTION_CHARACTERS:,} fit.",
                field="description",
            )
        if self.type is not None:
            force_setattr(self, "type", task_type(self.type))
        if self.budget_usd is not None:
            nanousd(self.budget_usd)

    @property
    def budget_nanousd(self) -> int | None:
        """The budget in nano-USD, None where there is none."""
        return None if self.budget_usd is None else nanousd(self.budget_usd)


class Complexity(msgspec.Struct, frozen=True):
    """How strong a model the task needs: the likeliest of `COMPLEXITIES`, and the calibrated probability of each."""

    label: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return self.probabilities[self.label]


class Scores(msgspec.Struct, frozen=True):
    """Components of the weighted score, each in [0, 1], and their weighted sum."""

    capability: float
    performance: float
    availability: float
    cost: float
    total: float


class Candidate(msgspec.Struct, frozen=True):
    """One model that may do the task.

    `quality` is P(it does the task well); `cost_nanousd` is the expected cost; `is_measured` is False where quality
    rests on a prior (price, kin) instead of this model's outcomes; `utility` is what the strategy ranked by.
    """

    model: str
    quality: float
    cost_nanousd: int
    output_tokens: int
    is_measured: bool
    scores: Scores
    utility: float

    @property
    def cost_usd(self) -> float:
        """Expected cost in dollars."""
        return usd(self.cost_nanousd)


class Promise(msgspec.Struct, frozen=True):
    """What a quality target means for one decision.

    `holds`: with a chance of `confidence` over calibration sets, tasks like this one are done with a mean quality of at
    least `quality`. Otherwise `reason` says why that can't be said of this task; its model was chosen all the same.
    """

    quality: float
    confidence: float
    holds: bool
    reason: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """The chosen model and why.

    `fallbacks` are the other able models, best first. `confidence` is the calibrated chance that the chosen model does
    this task well. `profile` is the depth that decided, "fast" or "deep". `novelty` in [0, 1] says how unlike the
    training data the text is (0.95: more unlike than 95 % of it). `saving_nanousd` is against the baseline model's
    expected cost, None where the fleet lacks it. `propensity` is the probability with which this model was chosen.
    `escalated_from` is the model that gave way because its chance was below the policy's confidence. `promise` is there
    where the policy has a quality target.

    Where a budget is kept, `held_nanousd` is held for this decision: the most that the call can cost, provided that
    `max_output_tokens` is sent with it. Report what came of `decision_id`, else the hold is presumed spent at its
    expiry. `fallbacks` are then those that would have fitted too. `degradation` says how a budget changed the choice,
    None where it didn't.

    `features` are what the graph said of the text, in numbers, where the router was told to keep them.
    """

    model: str
    reason: str
    fallbacks: tuple[str, ...]
    complexity: Complexity
    type: str
    is_type_predicted: bool
    quality: float
    confidence: float
    cost_nanousd: int
    output_tokens: int
    baseline: str | None
    saving_nanousd: int | None
    candidates: tuple[Candidate, ...]
    strategy: str
    profile: str
    novelty: float
    propensity: float
    bundle: str
    task_id: str | None = None
    tags: Mapping[str, str] = _NO_TAGS
    escalated_from: str | None = None
    promise: Promise | None = None
    decision_id: str | None = None
    hold_id: str | None = None
    held_nanousd: int | None = None
    max_output_tokens: int | None = None
    degradation: str | None = None
    features: tuple[float, ...] = ()

    @property
    def cost_usd(self) -> float:
        """Expected cost in dollars."""
        return usd(self.cost_nanousd)

    @property
    def saving_usd(self) -> float | None:
        """Expected saving against the baseline model in dollars."""
        return None if self.saving_nanousd is None else usd(self.saving_nanousd)

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as plain data, with dollars beside nano-USD."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        data["cost_usd"] = self.cost_usd
        data["saving_usd"] = self.saving_usd
        del data["features"]
        return data
