"""What is asked of the gateway: a chat, who asks, and what the caller wishes of this one request."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pointsman.access import ANONYMOUS, Principal
from pointsman.access.roles import payers
from pointsman.chat import Chat
from pointsman.types import ANYTHING, Constraints

AUTO: Final = frozenset({"auto", "pointsman/auto", "pointsman"})
"""Model names that ask for routing; any other is the model to call."""

_NO_TAGS: Final[Mapping[str, str]] = {}


class Wishes(msgspec.Struct, frozen=True):
    """What a caller may say beside the chat itself: each narrows what is chosen, none widens a budget.

    `tags` name the project and the agent; who pays comes from the key. `cache_control` is the header of that name.
    """

    type: str | None = None
    budget_usd: float | None = None
    constraints: Constraints = ANYTHING
    tags: Mapping[str, str] = _NO_TAGS
    cache_control: str = ""
    conversation: str | None = None
    can_wait: bool = False


NO_WISHES: Final = Wishes()


class Asked(msgspec.Struct, frozen=True):
    """One request: `body_bytes` is the size of the body as it came, `kind` what it is in the log.

    Of the `headers` only versions and beta features of the caller's protocol are sent on. `spent` is told the tokens
    that were used, once they are known.
    """

    chat: Chat
    body_bytes: int
    who: Principal = ANONYMOUS
    wishes: Wishes = NO_WISHES
    kind: str = "chat"
    headers: Mapping[str, str] = _NO_TAGS
    spent: Callable[[int], None] | None = None
    baseline: str | None = None

    @property
    def pinned(self) -> str | None:
        """The model that the caller names, or gets outside of the rollout; None where the router is to choose."""
        return self.baseline if self.chat.model in AUTO else self.chat.model

    @property
    def can_wait(self) -> bool:
        """Whether it may wait for others, and for a batch price: a stream, whose caller watches, may not."""
        return self.wishes.can_wait and not self.chat.is_stream

    @property
    def tags(self) -> dict[str, str]:
        """Who and what the request counts for.

        Raises:
            Forbidden: the caller names another payer than its key does.
        """
        return payers(self.who, self.wishes.tags)
