"""What a request passes through: put together once, replaced as a whole when the configuration is read again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.chat import Protocol
from pointsman.conversation import Boilerplate
from pointsman.conversation.affinity import Conversations
from pointsman.gateway.answers import Answers
from pointsman.gateway.embedding import Embed
from pointsman.gateway.health import Health
from pointsman.gateway.upstreams import Upstreams
from pointsman.registry import Fleet, ModelCard
from pointsman.router import Router
from pointsman.settings import (
    BatchingSettings,
    CascadeSettings,
    OutputSettings,
    PrivacySettings,
    Provider,
    StreamSettings,
    TrimmingSettings,
    Upstream,
)
from pointsman.store import EventLog
from pointsman.tenants import Tenants
from pointsman.verification import Belief

_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """What requests pass through.

    `where` says for each model of the fleet where it is called. `embed` makes
    vectors of texts, `answers` is there where answers are kept, `log` where requests are. `clock` gives seconds for
    durations, `wall_us` microseconds since 1970.
    """

    tenants: Tenants
    providers: Mapping[str, Provider]
    where: Mapping[str, Upstream]
    upstreams: Upstreams
    health: Health
    conversations: Conversations
    boilerplate: Boilerplate
    embed: Embed
    belief: Belief
    answers: Answers | None
    log: EventLog | None
    clock: Callable[[], float]
    wall_us: Callable[[], int]
    rollout: float
    trimming: TrimmingSettings
    output: OutputSettings
    cascade: CascadeSettings
    batching: BatchingSettings
    streams: StreamSettings
    privacy: PrivacySettings

    @property
    def router(self) -> Router:
        """The router of the tenant that the deployment was opened for."""
        return self.tenants.router

    @property
    def fleet(self) -> Fleet:
        """The models that may be chosen."""
        return self.router.fleet

    def card(self, model: str) -> ModelCard:
        """Return the card of a model of the fleet."""
        return self.fleet.card(model)

    def provider(self, model: str) -> Provider:
        """Return who serves a model of the fleet."""
        return self.providers[self.where[model].provider]

    def has_batch_price(self, model: str) -> bool:
        """Return whether a model can be asked for at a batch price: only OpenAI's protocol has a word for that."""
        offered = self.provider(model).has_batch_prices and self.protocol(model) == "openai"
        return offered and self.card(model).price.batch_percent < _WHOLE

    def batch_models(self) -> tuple[str, ...]:
        """Return the models that can be asked for at a batch price."""
        return tuple(model for model in self.fleet.ids if self.has_batch_price(model))

    def protocol(self, model: str) -> Protocol:
        """Return how the provider of a model is spoken to: LiteLLM speaks OpenAI's protocol."""
        return "anthropic" if self.provider(model).protocol == "anthropic" else "openai"
