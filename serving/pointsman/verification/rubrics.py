"""What a text is judged by: criteria, and the scale they are scored on."""

import math
from typing import Final, Literal

import msgspec

from pointsman.errors import InvalidInput

Unfit = Literal["not_json", "no_scores", "contradictory", "missing_criterion", "not_a_number", "off_scale"]

MAX_CRITERIA: Final = 20
_MAX_NAME: Final = 64
_MAX_DESCRIPTION: Final = 1_000


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is scored; `weight` says how much it counts beside the others.

    Raises:
        InvalidInput: a name that isn't 1 to 64 printable characters, or a weight that isn't above 0.
    """

    name: str
    description: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no prompt can state."""
        if not self.name.strip() or len(self.name) > _MAX_NAME or not self.name.isprintable():
            raise InvalidInput(
                f"a criterion's name is {self.name!r:.80}; expected 1 to {_MAX_NAME} printable characters.",
                field="name",
            )
        if len(self.description) > _MAX_DESCRIPTION:
            raise InvalidInput(
                f"the description of {self.name!r} has {len(self.description):,} characters; "
                f"at most {_MAX_DESCRIPTION:,} fit.",
                field="description",
            )
        if not 0 < self.weight < math.inf:
            raise InvalidInput(
                f"the weight of {self.name!r} is {self.weight}; expected a number above 0.", field="weight"
            )


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores go from `least` (as bad as can be) to `most` (as good as can be)."""

    least: float = 0
    most: float = 10

    def __post_init__(self) -> None:
        """Refuse a scale without room, with InvalidInput."""
        if not (math.isfinite(self.least) and math.isfinite(self.most) and self.least < self.most):
            raise InvalidInput(
                f"the scale goes from {self.least} to {self.most}; expected two numbers, the first smaller.",
                field="scale",
            )

    def share(self, score: float) -> float:
        """Return a score of the scale as a number from 0 to 1."""
        return (score - self.least) / (self.most - self.least)


class Rubric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Criteria with different names, and their scale. Raises InvalidInput where there is none, or two of a name."""

    criteria: tuple[Criterion, ...]
    scale: Scale = Scale()

    def __post_init__(self) -> None:
        """Refuse what can't be scored."""
        if not 1 <= len(self.criteria) <= MAX_CRITERIA:
            raise InvalidInput(
                f"the rubric has {len(self.criteria)} criteria; expected 1 to {MAX_CRITERIA}.", field="criteria"
            )
        names = [criterion.name.strip().casefold() for criterion in self.criteria]
        if len(set(names)) < len(names):
            raise InvalidInput(
                "two criteria of the rubric have the same name; expected different ones.", field="criteria"
            )

    def total(self, shares: dict[str, float]) -> float:
        """Return the weighted mean of criteria's scores, in [0, 1]."""
        weight = sum(criterion.weight for criterion in self.criteria)
        return sum(criterion.weight * shares[criterion.name] for criterion in self.criteria) / weight


GENERAL_RUBRIC: Final = Rubric(
    (
        Criterion("correctness", "Statements are true, results are right; nothing is made up.", 2.0),
        Criterion("completeness", "Everything that was asked for is there.", 1.0),
        Criterion("instructions", "Form, length and language are as demanded.", 1.0),
        Criterion("clarity", "A reader understands it at the first reading.", 0.5),
    )
)
"""For texts and answers of any kind."""

SCRIPT_RUBRIC: Final = Rubric(
    (
        Criterion("hook", "The first lines make its audience want to go on."),
        Criterion("message", "One clear message, which the viewer can repeat afterwards."),
        Criterion("persuasion", "Reasons and evidence fit the audience; no claim is made that can't be kept."),
        Criterion("flow", "It can be spoken aloud; scenes follow from each other; the pace fits its length."),
        Criterion("call_to_action", "The viewer knows what to do next, and why."),
    )
)
"""For a script of an advertisement or a video."""

ANSWER_RUBRIC: Final = Rubric(
    (Criterion("good", "10: right and complete, usable as it stands. 0: wrong or unusable."),)
)
"""For an answer inside a cascade: one number, for few tokens."""
