"""What a warm prompt cache is worth, so that leaving the model that holds it is paid for in the expected cost.

A provider caches the prompt it has read: sent again within the cache's lifetime, that prefix costs the cached rate. The
model that did the last step of a conversation is therefore cheaper for the next than its list price says, and any other
is not (katanemo/plano#982: "cheaper" switches cost more).

What a provider has cached is remembered by digest of the turns sent, for every prefix by itself: a chat finds every
model that has read a beginning of it, whoever began it, and an edited or compacted conversation finds only what it
still shares. Nothing but digests, model names and counts is kept.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.chat import Chat
from pointsman.registry import Price, TokenUsage
from pointsman.registry.prices import MTOK

Integers = npt.NDArray[np.int64]
_Digest = Any

LIFETIME_S: Final = 300.0
"""How long providers keep a prompt that isn't read again: five minutes, unless the hour's cache was asked for."""
HOUR_S: Final = 3600.0
LEAST_TOKENS: Final = 1_024
"""Shorter prompts aren't cached by OpenAI, nor by most of Anthropic's models."""
_PREFIXES_LOOKED_UP: Final = 64
_DIGEST_BYTES: Final = 16


class Warmth(msgspec.Struct, frozen=True):
    """What one model has read of a chat: `prefix_tokens` of its beginning, `age_s` seconds ago."""

    model: str
    prefix_tokens: int
    age_s: float
    lifetime_s: float = LIFETIME_S

    @property
    def chance(self) -> float:
        """How likely the prefix is still cached: surely until half the lifetime, then falling to nothing at its end.

        An assumption, not a measurement: providers promise about the lifetime, and evict earlier under load.
        """
        return min(1.0, max(0.0, 2.0 * (1.0 - self.age_s / self.lifetime_s)))


class _Read(msgspec.Struct, frozen=True):
    prefix_tokens: int
    at_s: float
    lifetime_s: float


class Conversations:
    """Which model has read which beginning of which chat: bounded, forgetting the longest unused first.

    `clock` gives seconds and never goes back (`time.monotonic`). Reading and remembering take time proportional to the
    chat's length, whatever is stored. Not shared between processes: elsewhere a conversation is cold, and costs the
    list price.
    """

    def __init__(self, clock: Callable[[], float], capacity: int = 10_000) -> None:
        """Start empty; at most `capacity` prefixes are kept."""
        self._clock = clock
        self._capacity = max(1, capacity)
        self._reads: OrderedDict[bytes, dict[str, _Read]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._reads)

    def remember(self, tenant: str, chat: Chat, model: str, prefix_tokens: int, lifetime_s: float = LIFETIME_S) -> None:
        """Keep that this model has read this chat as it was sent.

        `prefix_tokens` is what its provider has cached (`cached_prefix`), or less where a message was left out or
        shortened: then only the tokens before that one. What is too short to be cached isn't kept.
        """
        if prefix_tokens < LEAST_TOKENS or not chat.turns:
            return
        *_, digest = _prefixes(tenant, chat)
        read = self._reads.pop(digest, {})
        self._reads[digest] = {**read, model: _Read(prefix_tokens, self._clock(), lifetime_s)}
        while len(self._reads) > self._capacity:
            self._reads.popitem(last=False)

    def warmth(self, tenant: str, chat: Chat) -> dict[str, Warmth]:
        """Return, by model, the longest beginning of this chat that it has read within its cache's lifetime."""
        now = self._clock()
        warm: dict[str, Warmth] = {}
        for digest in list(_prefixes(tenant, chat))[::-1][:_PREFIXES_LOOKED_UP] if self._reads else ():
            for model, read in self._reads.get(digest, {}).items():
                age = now - read.at_s
                if model not in warm and age < read.lifetime_s:
                    warm[model] = Warmth(model, read.prefix_tokens, age, read.lifetime_s)
        return warm


def cached_prefix(usage: TokenUsage, *, is_automatic: bool) -> tuple[int, float]:
    """Return how many tokens of a prompt its provider has cached, and for how many seconds: for `remember`.

    `is_automatic` says that the provider caches every prompt unasked, as OpenAI does; of others, as Anthropic, only
    what the usage reports as read from the cache or written to it is there.
    """
    reported = usage.cached_read_tokens + usage.cached_write_tokens + usage.cached_write_hour_tokens
    lifetime = HOUR_S if usage.cached_write_hour_tokens else LIFETIME_S
    return (max(reported, usage.input_tokens) if is_automatic else reported), lifetime


def cache_saving_nanousd(price: Price, warmth: Warmth, input_tokens: int) -> int:
    """Return what the warm prefix is expected to take off this model's price of a prompt of `input_tokens`."""
    rates = price.rates(input_tokens)
    tokens = min(warmth.prefix_tokens, input_tokens)
    saving = tokens * max(0, rates.input_nanousd_per_mtok - rates.cached_read)
    return math.floor(saving * warmth.chance / MTOK)


def cost_changes_nanousd(
    models: Sequence[str], prices: Sequence[Price | None], warm: Mapping[str, Warmth], input_tokens: int
) -> Integers:
    """Return what to add to each model's expected cost at list price: int64 (n_models,), 0 or less.

    The model that has the prompt cached becomes cheaper by what its cache saves; a model without a price, or that is
    cold, stays as it is. No cost becomes negative by it: the saving is a part of the prompt's own price.
    """
    changes = np.zeros(len(models), dtype=np.int64)
    for index, (model, price) in enumerate(zip(models, prices, strict=True)):
        if price is not None and model in warm:
            changes[index] = -cache_saving_nanousd(price, warm[model], input_tokens)
    return changes


def switching_cost_nanousd(changes: Integers) -> Integers:
    """Return what going to each model forgoes: the greatest saving of any, less its own; int64 (n_models,), 0 or more.

    The same differences as `cost_changes_nanousd`, said from the other end: for a reason or a report, not for ranking.
    """
    return changes - changes.min() if len(changes) else changes


def conversation_key(tenant: str, chat: Chat, named: str | None = None) -> str:
    """Return what stays the same throughout a conversation, as 32 hex digits: the unit of a sticky assignment.

    It is made of the name that the caller gives the conversation, else of the turns up to the first user's: equal
    beginnings are one conversation then.
    """
    running: _Digest = blake2b(digest_size=_DIGEST_BYTES)
    _add(running, tenant, "named" if named else "begun", named or "")
    for turn in () if named else chat.turns:
        _add(running, turn.role, turn.text)
        if turn.role == "user":
            break
    return str(running.hexdigest())


def _prefixes(tenant: str, chat: Chat) -> Iterator[bytes]:
    """Yield the digest of every beginning of a chat, shortest first: of its tenant, its tools and its turns so far."""
    running: _Digest = blake2b(digest_size=_DIGEST_BYTES)
    _add(running, tenant, chat.protocol, "" if not chat.has_tools else _tools(chat))
    for turn in chat.turns:
        _add(running, turn.role, turn.text, *turn.calls, *turn.answers, str(turn.images))
        yield running.digest()


def _add(running: _Digest, *texts: str) -> None:
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        running.update(len(data).to_bytes(8, "big"))
        running.update(data)


def _tools(chat: Chat) -> str:
    return msgspec.json.encode(chat.body.get("tools"), order="deterministic").decode("utf-8", "replace")
