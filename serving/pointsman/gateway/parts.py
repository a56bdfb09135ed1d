"""What a request passes through: put together once, replaced as a whole when the configuration is read again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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
from pointsman.treasury import Treasury
from pointsman.verification import Belief


@dataclass(frozen=True, slots=True)
class Parts:
    """What requests pass through.

    `router` is of the default tenant; `where` says for each model of its fleet where it is called. `embed` makes
    vectors of texts, `answers` is there where answers are kept, `log` where requests are. `clock` gives seconds for
    durations, `wall_us` microseconds since 1970.
    """

    router: Router
    treasury: Treasury
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
    trimming: TrimmingSettings
    output: OutputSettings
    cascade: CascadeSettings
    batching: BatchingSettings
    streams: StreamSettings
    privacy: PrivacySettings
    routers: dict[str, Router] = field(default_factory=dict)

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

    def protocol(self, model: str) -> Protocol:
        """Return how the provider of a model is spoken to: LiteLLM speaks OpenAI's protocol."""
        return "anthropic" if self.provider(model).protocol == "anthropic" else "openai"

    def router_of(self, tenant: str) -> Router:
        """Return the router that holds this tenant's money."""
        if tenant == self.treasury.tenant:
            return self.router
        found = self.routers.get(tenant)
        if found is None:
            found = self.routers[tenant] = self.router.paid_by(self.treasury.of(tenant))
        return found

    def treasuries(self) -> list[Treasury]:
        """Return the treasuries of all tenants that asked for something."""
        others = [one.treasury for one in list(self.routers.values()) if one.treasury is not None]
        return [self.treasury, *others]

    def with_availability(self) -> "Parts":
        """Return the parts with routers that know how available each model is just now."""
        shares = {model: self.health.availability(model) for model in self.fleet.ids}
        routers = {tenant: one.with_availability(shares) for tenant, one in list(self.routers.items())}
        return replace(self, router=self.router.with_availability(shares), routers=routers)
