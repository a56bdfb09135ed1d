"""An event as a row of the log, and back. Money and counts are columns; the rest is JSON; features are float16."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import RowMapping

from pointsman.events import Attempt, Event
from pointsman.privacy import redacted, sanitised
from pointsman.settings import StoredText

TAG_COLUMNS: Final = ("user", "team", "agent", "project")
PLAIN_COLUMNS: Final = (
    *("tenant", "at_us", "kind", "decision_id", "key", "task_type", "complexity", "model", "requested_model"),
    *("strategy", "escalated_from", "bundle", "status", "error", "cache", "cost_nanousd", "baseline"),
    *("baseline_nanousd", "expected_nanousd", "input_tokens", "output_tokens", "tokens_saved", "latency_ms"),
    *("overhead_ms", "quality", "confidence", "propensity", "is_routed", "is_degraded", "is_stream"),
)
COLUMNS: Final = (*PLAIN_COLUMNS, *TAG_COLUMNS, "body", "tags", "text", "features")
MAX_NAME: Final = 255
MAX_TEXT: Final = 8_192
_MOST: Final = 2**63 - 1
_MOST_HALF: Final = 65_504.0


class _Rest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has no column of its own."""

    profile: str | None = None
    complexity_probability: float | None = None
    degradation: str | None = None
    novelty: float | None = None
    qualities: Mapping[str, float] = {}
    attempts: tuple[Attempt, ...] = ()
    instruction: str | None = None
    conversation: str | None = None


_REST: Final = _Rest.__struct_fields__
_DECODER: Final = msgspec.json.Decoder(_Rest)
_TAGS: Final = msgspec.json.Decoder(dict[str, str])


def row_of(event: Event, text: str | None) -> tuple[Any, ...]:
    """Return the values of `COLUMNS`; `text` is what may be stored of it.

    Names lose control characters, and end after `MAX_NAME`.

    Raises:
        ValueError: a number that no column holds, such as NaN or more than 64 bits.
    """
    plain = [_value(getattr(event, name)) for name in PLAIN_COLUMNS]
    tags = {_name(kind): _name(name) for kind, name in event.tags.items()}
    own = [tags.pop(kind, None) for kind in TAG_COLUMNS]
    body = msgspec.json.encode(_Rest(*(getattr(event, name) for name in _REST))).decode()
    features = _packed(event.features) if event.features else None
    return (*plain, *own, body, msgspec.json.encode(tags).decode() if tags else None, text, features)


def event_of(row: Mapping[str, Any] | RowMapping) -> Event:
    """Return the event of a row; what was erased is None."""
    tags = _TAGS.decode(row["tags"]) if row["tags"] else {}
    tags |= {kind: row[kind] for kind in TAG_COLUMNS if row[kind] is not None}
    rest = _DECODER.decode(row["body"])
    features = np.frombuffer(row["features"] or b"", dtype=np.float16).tolist()
    return Event(
        **{name: row[name] for name in PLAIN_COLUMNS},
        **{name: getattr(rest, name) for name in _REST},
        tags=tags,
        text=row["text"],
        features=tuple(features),
    )


def stored_text(text: str | None, how: StoredText) -> str | None:
    """Return what of a text may be stored: nothing, the text without personal data, or all without control characters.

    A text ends with the last word within `MAX_TEXT` characters.
    """
    if text is None or how == "none":
        return None
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT].rsplit(None, 1)[0]  # half an address would be recognised by nothing
    return sanitised(text) if how == "full" else redacted(text)


def _packed(features: tuple[float, ...]) -> bytes:
    finite = np.nan_to_num(np.array(features, dtype=np.float64))
    return np.clip(finite, -_MOST_HALF, _MOST_HALF).astype(np.float16).tobytes()


def _value(value: object) -> object:
    if isinstance(value, str):
        return _name(value)
    if isinstance(value, float) and value - value != 0:
        raise ValueError(f"{value} is no number that can be stored")
    if isinstance(value, int) and abs(value) > _MOST:
        raise ValueError("a whole number has more than 64 bits")
    return value


def _name(text: str) -> str:
    if len(text) > MAX_NAME:
        text = text[:MAX_NAME]
    return text if text.isprintable() else "".join(char for char in text if char.isprintable())
