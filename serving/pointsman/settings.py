"""What can be set, as small frozen values, each given only to the part that it concerns; `configuration` reads them.

Seconds, bytes and tokens are in the names. Every default is what a deployment gets that says nothing.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

ProviderProtocol = Literal["openai", "anthropic", "litellm"]
OnDisconnect = Literal["finish", "abort"]
StoredText = Literal["none", "redacted", "full"]
_NONE: Final[Mapping[str, str]] = {}


class Provider(msgspec.Struct, frozen=True):
    """One provider: where it is, how it is spoken to, and how much at once.

    `base_url` is as its own clients take it ("https://api.openai.com/v1"); None only for `litellm`, which knows it.
    `proxy` is an HTTP proxy to call it through; those of the environment aren't used.
    `has_batch_prices` says that work which can wait is sent where the provider's batch price applies.
    """

    name: str
    base_url: str | None = None
    api_key: str | None = None
    protocol: ProviderProtocol = "openai"
    headers: Mapping[str, str] = _NONE
    max_connections: int = 256
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    has_batch_prices: bool = False
    proxy: str | None = None

    def __repr__(self) -> str:
        """Return the provider without its key and headers, which may carry one."""
        return f"Provider({self.name!r}, {self.base_url!r}, protocol={self.protocol!r})"


class Upstream(msgspec.Struct, frozen=True):
    """Where a model of the fleet is called: its provider, and what that calls it."""

    provider: str
    upstream_name: str


class Retries(msgspec.Struct, frozen=True):
    """How often what is safe to repeat is sent again to the same model, and when its circuit opens.

    A circuit opens after `open_after` failures in a row, for `open_for_s` seconds; then one call tries it.
    """

    attempts: int = 2
    base_delay_s: float = 0.25
    max_delay_s: float = 4.0
    open_after: int = 5
    open_for_s: float = 15.0


class CacheSettings(msgspec.Struct, frozen=True):
    """Answers given before; `semantic` answers what means the same, at a cosine of at least `threshold`."""

    enabled: bool = False
    semantic: bool = False
    threshold: float | None = None
    ttl_days: float = 7.0
    max_entries: int = 10_000
    max_temperature: float = 0.3
    with_tools: bool = False
    seed: str | None = None


class CascadeSettings(msgspec.Struct, frozen=True):
    """Going on to another model where an answer is judged poor; streams only where `streams` says so.

    `judge` is a model that judges where the checks alone can't tell; None is none. `samples` above 1 asks the same
    model again and compares.
    """

    enabled: bool = False
    streams: bool = False
    max_calls: int = 3
    judge: str | None = None
    samples: int = 1


class TrimmingSettings(msgspec.Struct, frozen=True):
    """Context trimming: to `max_input_tokens` where set, and to the plan's and the model's window where `enabled`.

    `shortens_tool_results` allows tool results to be cut in their middle where what has to stay doesn't fit otherwise.
    """

    enabled: bool = True
    max_input_tokens: int | None = None
    shortens_tool_results: bool = True


class ConversationSettings(msgspec.Struct, frozen=True):
    """What harnesses write besides those that are known: rules as plain data, which `conversation.rules_from` reads."""

    rules: list[dict[str, Any]] = []


class OutputSettings(msgspec.Struct, frozen=True):
    """How long answers may be: the `quantile` of the predicted length where `predicted`; limits by task type.

    `concise` appends a short instruction to the system prompt, for a share of the requests so that it can be compared.
    """

    predicted: bool = False
    quantile: float = 0.95
    max_tokens_by_type: Mapping[str, int] = {}
    concise: bool = False
    concise_share: float = 1.0


class BatchingSettings(msgspec.Struct, frozen=True):
    """Work that can wait: merged within a window; `concurrency` is how many tasks of a batch run at once."""

    concurrency: int = 8
    window_ms: float = 50.0
    max_waiting: int = 10_000


class KeySettings(msgspec.Struct, frozen=True):
    """Whether callers must show a key, and the secret under which keys are stored; None: that of the machine.

    The rates are those of keys that have none of their own, and of callers without a key. `open_metrics` lets anyone
    read the metrics.
    """

    required: bool = False
    secret: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    open_metrics: bool = False

    def __repr__(self) -> str:
        """Return the settings without the secret."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "secret"}
        return f"KeySettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class RequestLimits(msgspec.Struct, frozen=True):
    """What a request may be: the size and depth of its body, how many that call models run and wait at once.

    `body_timeout_s` is how long a body may take to come.
    """

    max_body_bytes: int = 32 << 20
    max_depth: int = 64
    max_running: int = 512
    max_waiting: int = 1024
    body_timeout_s: float = 60.0


class PrivacySettings(msgspec.Struct, frozen=True):
    """What of a text is stored: nothing, the text without personal data, or all; and for how long events are kept."""

    text: StoredText = "none"
    retention_days: float | None = 90.0


class StreamSettings(msgspec.Struct, frozen=True):
    """What happens where a caller hangs up: the answer is read to its end, so that its bill is exact, or cut off."""

    on_disconnect: OnDisconnect = "finish"


class ServerSettings(msgspec.Struct, frozen=True):
    """Where the server listens; `workers` is how many processes do."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
