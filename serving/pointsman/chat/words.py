"""The words of a chat: what a caller asks of a model, and what the model answered, whichever protocol carried it."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from pointsman.registry import TokenUsage

Protocol = Literal["openai", "anthropic"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "refusal", "content_filter", "unknown"]


class Turn(msgspec.Struct, frozen=True):
    """One message, as far as it matters to anyone but the model.

    `text` is all of its text; `place` its index in the body's `messages`, None for Anthropic's `system`. `calls` are
    the ids of tool calls it makes, `answers` the ids of those it answers; role "tool" is a message of nothing but
    answers. `images` counts its vision parts.
    """

    role: Role
    text: str
    place: int | None
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    images: int = 0


class Chat(msgspec.Struct, frozen=True):
    """A chat request: the caller's own body, which nobody changes, and what it says.

    `model` is the model asked for. `max_output_tokens` is None where the caller doesn't say; `answers` is OpenAI's `n`.
    `wants_usage` says whether a stream's caller asked for the chunk with usage. `wants_json` is JSON mode or a JSON
    schema. `end_user` is who the caller says is served (OpenAI's `user`, Anthropic's `metadata.user_id`).
    """

    protocol: Protocol
    body: Mapping[str, Any]
    turns: tuple[Turn, ...]
    model: str
    is_stream: bool = False
    wants_usage: bool = False
    max_output_tokens: int | None = None
    answers: int = 1
    has_tools: bool = False
    wants_json: bool = False
    temperature: float | None = None
    end_user: str | None = None

    @property
    def images(self) -> int:
        """Vision parts of all messages."""
        return sum(turn.images for turn in self.turns)


class Edit(msgspec.Struct, frozen=True):
    """What is changed in a chat on its way to the provider; the default changes nothing but the model.

    `upstream_name` is the model's name at the provider. `max_output_tokens` is the limit per answer that the hold rests
    on, and is always sent. `dropped` are the places of messages left out; `shortened` replaces the text of messages, by
    place. `instruction` is appended to the system prompt. `is_batch` asks for the provider's batch price.
    """

    upstream_name: str
    max_output_tokens: int
    dropped: frozenset[int] = frozenset()
    shortened: Mapping[int, str] = {}
    instruction: str | None = None
    is_batch: bool = False


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. `usage` is None where the provider stated none that can be believed.

    `text` is the first answer's; `calls` counts its tool calls. `stated_nanousd` is what the provider says that it
    costs, and `tier` the service tier that it says it served ("default", "flex"), where it says so.
    """

    text: str
    finish: Finish
    calls: int
    usage: TokenUsage | None
    model: str | None = None
    stated_nanousd: int | None = None
    tier: str | None = None
