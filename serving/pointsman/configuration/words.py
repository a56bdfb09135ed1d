"""What a configuration is: one frozen value with a part for each room."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from pointsman.budget.rules import Rules
from pointsman.policy import Policy, Weights
from pointsman.registry import Fleet
from pointsman.settings import (
    BatchingSettings,
    CacheSettings,
    CascadeSettings,
    ConversationSettings,
    KeySettings,
    OutputSettings,
    PrivacySettings,
    Provider,
    RequestLimits,
    Retries,
    ServerSettings,
    StreamSettings,
    TrimmingSettings,
    Upstream,
)
from pointsman.types import Profile


class Deployment(msgspec.Struct, frozen=True):
    """What stands at the top of the file, outside of any section."""

    database_url: str = "sqlite:///pointsman.db"
    tenant: str = "default"
    hold_for_s: float = 600.0
    alert_webhook: str | None = None


class RoutingSettings(msgspec.Struct, frozen=True):
    """How to choose: the parts of a `Policy`, or the file of one, and what reads the tasks."""

    strategy: str = "cost-optimised"
    baseline: str | None = None
    rollout: float = 1.0
    confidence: float | UnsetType | None = UNSET
    trade_usd: float | None = None
    target_quality: float | None = None
    weights: Weights = Weights()
    trade_usd_by_type: Mapping[str, float] | None = None
    production: str = "cost-optimised"
    profile: Profile = "auto"
    bundle: str | None = None
    policy: str | None = None


SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "routing": RoutingSettings,
    "keys": KeySettings,
    "server": ServerSettings,
    "limits": RequestLimits,
    "retries": Retries,
    "streams": StreamSettings,
    "cache": CacheSettings,
    "conversation": ConversationSettings,
    "trimming": TrimmingSettings,
    "output": OutputSettings,
    "cascade": CascadeSettings,
    "batching": BatchingSettings,
    "privacy": PrivacySettings,
}
"""The sections of the file that are read straight into a struct."""


class Configuration(msgspec.Struct, frozen=True):
    """Everything that a server needs to know; each part goes to the room that it concerns.

    `fleet` has the baseline; `upstreams` says of each of its models where it is called. `bundle` None is the one that
    comes along; `rollout` is the share of callers that are routed; `budgets` None keeps none. `hold_for_s` is how long
    a bill may take before its hold is presumed spent.
    """

    providers: Mapping[str, Provider]
    fleet: Fleet
    upstreams: Mapping[str, Upstream]
    policy: Policy
    profile: Profile = "auto"
    bundle: str | None = None
    rollout: float = 1.0
    budgets: Rules | None = None
    tenant: str = "default"
    database_url: str = "sqlite:///pointsman.db"
    hold_for_s: float = 600.0
    alert_webhook: str | None = None
    server: ServerSettings = ServerSettings()
    keys: KeySettings = KeySettings()
    limits: RequestLimits = RequestLimits()
    retries: Retries = Retries()
    streams: StreamSettings = StreamSettings()
    cache: CacheSettings = CacheSettings()
    conversation: ConversationSettings = ConversationSettings()
    trimming: TrimmingSettings = TrimmingSettings()
    output: OutputSettings = OutputSettings()
    cascade: CascadeSettings = CascadeSettings()
    batching: BatchingSettings = BatchingSettings()
    privacy: PrivacySettings = PrivacySettings()

    def __repr__(self) -> str:
        """Return what there is, without a value that could be a secret."""
        return f"Configuration(providers={list(self.providers)}, models={list(self.fleet.ids)})"
