"""What is predicted of a text, whatever the fleet: its complexity and type, and how each measured model would do."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from pointsman.errors import InvalidInput, InvalidTask
from pointsman.prediction import Bundle, Predictor, Reading, measured_table
from pointsman.prediction.predictor import Depth
from pointsman.task_json import ID, NAME, TEXT, Kind, located, read_object, refuse_equal_ids
from pointsman.types import MAX_DESCRIPTION_CHARACTERS, PROFILES, Complexity, Profile, task_type

_DIGITS: Final = 6
_LEAST: Final = 10.0**-_DIGITS
"""No quality is rounded to 0 or 1: a calibrated predictor is never certain."""

_ITEM_KINDS: Final[Mapping[str, Kind]] = {"id": ID, "text": TEXT, "type": NAME}


class PredictItem(msgspec.Struct, frozen=True):
    """One text to be read; `type` is its task type where the caller knows it."""

    id: str | int
    text: str
    type: str | None = None

    def __post_init__(self) -> None:
        """Refuse an item that can't be read, and bring its type into canonical form.

        Raises:
            InvalidTask: an empty or oversized text, or an unknown type.
        """
        if not self.text or self.text.isspace():
            raise InvalidTask("text is empty; expected the text of the task.", field="text")
        if len(self.text) > MAX_DESCRIPTION_CHARACTERS:
            limit = f"expected at most {MAX_DESCRIPTION_CHARACTERS:,}"
            raise InvalidTask(f"text has {len(self.text):,} characters; {limit}.", field="text")
        if self.type is not None:
            force_setattr(self, "type", task_type(self.type))


class PredictionRecord(msgspec.Struct, frozen=True):
    """What is predicted of one text.

    `quality` is P(the model does it well) and `output_tokens` the expected length of its answer, per model.
    `confidence` is the greatest quality among these models. `novelty` in [0, 1] says how unlike the
    training data the text is.
    """

    id: str | int
    complexity: Complexity
    type: str
    quality: dict[str, float]
    output_tokens: dict[str, int]
    confidence: float
    novelty: float


def item_from_dict(data: object, place: str = "") -> PredictItem:
    """Return the item of decoded JSON, {"id", "text", "type"?}; a field that is null counts as left out.

    Raises:
        InvalidTask: what can't be used; place and field are joined in `field`.
    """
    with located(place):
        fields = read_object(data, _ITEM_KINDS)
        for name in ("id", "text"):
            if name not in fields:
                raise InvalidTask(f"{name} is missing; expected id and text, and type where it is known.", field=name)
        return PredictItem(**fields)


def prediction_records(
    bundle: Bundle,
    predictor: Predictor,
    items: Sequence[PredictItem],
    *,
    models: Sequence[str] | None,
    profile: Profile,
) -> list[PredictionRecord]:
    """Return the record of every item, in order, for these models (None: all with learned abilities).

    The profile "auto" reads deep, as there is no decision that a fast reading could settle. Probabilities have six
    digits; output tokens are rounded up.

    Raises:
        InvalidTask: an id that stands twice; both places are named.
        UnknownModel: the bundle has no outcomes for a model.
        InvalidInput: no such profile, or an empty list of models.
    """
    if profile not in PROFILES:
        raise InvalidInput(f"profile is {profile!r}; expected one of {', '.join(PROFILES)}.", field="profile")
    if models is not None and not models:
        raise InvalidInput("models is an empty list; name at least one, or leave it out for all.", field="models")
    table = measured_table(bundle.manifest, None if models is None else list(dict.fromkeys(models)))
    refuse_equal_ids(item.id for item in items)
    depth: Depth = "fast" if profile == "fast" else "deep"
    reading = predictor.read([item.text for item in items], depth)
    quality = np.clip(table.quality(reading).astype(np.float64), _LEAST, 1 - _LEAST).round(_DIGITS).tolist()
    tokens = np.ceil(table.output_tokens(reading)).astype(np.int64).tolist()
    novelty = reading.novelty.astype(np.float64).round(_DIGITS).tolist()
    types = [bundle.manifest.types[index] for index in reading.type.argmax(axis=1)]
    return [
        PredictionRecord(
            id=item.id,
            complexity=complexity,
            type=item.type or types[row],
            quality=dict(zip(table.models, quality[row], strict=True)),
            output_tokens=dict(zip(table.models, tokens[row], strict=True)),
            confidence=max(quality[row]),
            novelty=novelty[row],
        )
        for row, (item, complexity) in enumerate(zip(items, _complexities(reading, bundle), strict=True))
    ]


def _complexities(reading: Reading, bundle: Bundle) -> list[Complexity]:
    labels = bundle.manifest.complexities
    shares = reading.complexity.astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    best = shares.argmax(axis=1)
    rows = shares.round(_DIGITS).tolist()
    return [
        Complexity(labels[index], dict(zip(labels, row, strict=True))) for index, row in zip(best, rows, strict=True)
    ]
