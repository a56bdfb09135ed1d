"""What callers may say of one request in headers: each narrows the choice, none widens a budget."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from pointsman.errors import InvalidInput
from pointsman.gateway.asked import NO_WISHES, Wishes
from pointsman.types import ANYTHING, Constraints

PREFIX: Final = "x-pointsman-"
_TAG_NAMES: Final = ("project", "agent")
_PRIORITIES: Final = ("now", "batch")
_NAMES: Final = ("type", "budget-usd", "min-quality", "tags", "conversation", "priority")


def wishes_of(headers: Headers) -> Wishes:
    """Return the wishes that the headers state.

    Raises:
        InvalidInput: a header of ours that isn't known, or a value that can't be used; the message names the header.
    """
    said = {name[len(PREFIX) :]: value for name, value in headers.items() if name.startswith(PREFIX)}
    cache_control = headers.get("cache-control", "")
    if not said:
        return Wishes(cache_control=cache_control) if cache_control else NO_WISHES
    for name in said:
        if name not in _NAMES:
            known = ", ".join(PREFIX + known for known in _NAMES)
            raise InvalidInput(f"the header {PREFIX}{name:.40} isn't known; expected any of {known}.")
    quality = _number(said, "min-quality")
    return Wishes(
        type=said.get("type"),
        budget_usd=_number(said, "budget-usd"),
        constraints=ANYTHING if quality is None else Constraints(min_quality=quality),
        tags=_tags(said.get("tags", "")),
        cache_control=cache_control,
        conversation=said.get("conversation"),
        can_wait=_priority(said.get("priority", "now")) == "batch",
    )


def _number(said: Mapping[str, str], name: str) -> float | None:
    if name not in said:
        return None
    try:
        return float(said[name])
    except ValueError:
        raise InvalidInput(f"{PREFIX}{name} is {said[name]!r:.80}; expected a number.") from None


def _tags(text: str) -> dict[str, str]:
    tags = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in pair.partition("="))
        if name not in _TAG_NAMES or not value:
            raise InvalidInput(
                f"{PREFIX}tags has {pair!r:.80}; expected {' and '.join(f'{one}=<name>' for one in _TAG_NAMES)}, with "
                "commas between. User, team and key come from the key."
            )
        tags[name] = value
    return tags


def _priority(text: str) -> str:
    if text not in _PRIORITIES:
        raise InvalidInput(f"{PREFIX}priority is {text!r:.80}; expected {' or '.join(_PRIORITIES)}.")
    return text
