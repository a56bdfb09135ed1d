"""What each setting means and which values it takes: checked when a file is read, and printed in its documentation."""

from collections.abc import Mapping
from typing import Final

import msgspec

_DAY_S: Final = 86_400.0
_TOKENS: Final = 1_000_000_000


class Meaning(msgspec.Struct, frozen=True):
    """One setting in words. Numbers are from `least` to `most`; `is_above` leaves `least` itself out."""

    text: str
    least: float | None = None
    most: float | None = None
    is_above: bool = False
    is_secret: bool = False

    def accepts(self, value: float) -> bool:
        """Whether a number is in range; what isn't finite never is."""
        low = float("-inf") if self.least is None else self.least
        high = float("inf") if self.most is None else self.most
        return abs(value) != float("inf") and low <= value <= high and not (self.is_above and value == low)

    @property
    def range_words(self) -> str:
        """The range as people say it, empty where there is none."""
        if self.least is None:
            return ""
        low = f"above {self.least:,.10g}" if self.is_above else f"from {self.least:,.10g}"
        return low if self.most is None else f"{low} {'and at most' if self.is_above else 'to'} {self.most:,.10g}"


def _seconds(text: str) -> Meaning:
    return Meaning(text, 0, _DAY_S, is_above=True)


def _share(text: str) -> Meaning:
    return Meaning(text, 0, 1)


MEANINGS: Final[Mapping[str, Meaning]] = {
    "database_url": Meaning(
        "ledger, keys, cache and event log: `sqlite:///FILE` or `postgresql://...`", is_secret=True
    ),
    "tenant": Meaning("whose money it is where a key doesn't say"),
    "hold_for_s": _seconds("how long a bill may take before its hold is presumed spent"),
    "alert_webhook": Meaning("where budget alerts are posted, signed with `$POINTSMAN_WEBHOOK_SECRET`", is_secret=True),
    "routing.strategy": Meaning("how `auto` chooses; the README lists the strategies"),
    "routing.baseline": Meaning("the model that savings are counted against"),
    "routing.rollout": _share("the share of callers that are routed; the others get the baseline, until it is raised"),
    "routing.confidence": _share("the chance below which a choice escalates; `off` never does; left out: 0.7"),
    "routing.trade_usd": Meaning("what quality 1.0 is worth per task, in USD; left out: the bundle's", 0, 1e9, True),
    "routing.target_quality": _share("the mean quality to promise at least cost, instead of `trade_usd`"),
    "routing.weights.capability": Meaning("`weighted`: that the model is able", 0),
    "routing.weights.performance": Meaning("`weighted`: predicted quality", 0),
    "routing.weights.availability": Meaning("`weighted`: availability", 0),
    "routing.weights.cost": Meaning("`weighted`: cheapness", 0),
    "routing.trade_usd_by_type": Meaning("dials of task types, for the strategy `task-type-optimised`", 0, 1e9, True),
    "routing.production": Meaning("the strategy that `control` stands for"),
    "routing.profile": Meaning("how deep tasks are read"),
    "routing.bundle": Meaning("directory of a trained bundle; left out: the one that comes along"),
    "routing.policy": Meaning("file that `pointsman target` wrote, instead of the settings above but `baseline`"),
    "providers.NAME.base_url": Meaning(
        "where it is, as its own clients take it; known for `openai` and `anthropic`, and not needed for `litellm`"
    ),
    "providers.NAME.api_key": Meaning('its key, as `"${NAME}"`', is_secret=True),
    "providers.NAME.protocol": Meaning(
        "what it speaks; left out: `openai`, but `anthropic` for the provider of that name"
    ),
    "providers.NAME.headers": Meaning("headers sent with every call", is_secret=True),
    "providers.NAME.max_connections": Meaning("connections open at once, for each worker", 1, 100_000),
    "providers.NAME.connect_timeout_s": _seconds("until connected"),
    "providers.NAME.first_byte_timeout_s": _seconds("until the first byte of the answer"),
    "providers.NAME.idle_timeout_s": _seconds("between two pieces of an answer"),
    "providers.NAME.total_timeout_s": _seconds("for the whole answer"),
    "providers.NAME.proxy": Meaning("an HTTP proxy that it is called through", is_secret=True),
    "providers.NAME.has_batch_prices": Meaning("work that can wait is sent where the batch price applies"),
    "keys.required": Meaning("callers must show a key"),
    "keys.secret": Meaning("what keys are hashed with; left out: a file beside a SQLite database", is_secret=True),
    "keys.requests_per_minute": Meaning("for each key that has no rate of its own", 1, _TOKENS),
    "keys.tokens_per_minute": Meaning("for each key that has no rate of its own", 1, _TOKENS),
    "keys.open_metrics": Meaning("`/metrics` asks for no key"),
    "server.host": Meaning("the address to listen on"),
    "server.port": Meaning("the port; 0 takes a free one", 0, 65_535),
    "server.workers": Meaning("processes", 1, 256),
    "limits.max_body_bytes": Meaning("a larger body is refused", 1024, 1 << 30),
    "limits.max_depth": Meaning("JSON nested deeper is refused", 4, 1000),
    "limits.max_running": Meaning("requests that run at once, for each worker", 1, 100_000),
    "limits.max_waiting": Meaning("requests that wait beyond these; one more is refused with 503", 0, 1_000_000),
    "limits.body_timeout_s": _seconds("how long a body may take to come"),
    "retries.attempts": Meaning("how often what is safe to repeat is sent again to the same model", 0, 20),
    "retries.base_delay_s": Meaning("before the first repetition; doubled each time, with jitter", 0, 60),
    "retries.max_delay_s": Meaning("the longest wait before a repetition", 0, 3600),
    "retries.open_after": Meaning("failures in a row after which a model's circuit opens", 1, 1_000_000),
    "retries.open_for_s": _seconds("how long it stays open before one call tries again"),
    "streams.on_disconnect": Meaning(
        "when a caller hangs up: read the answer to its end, so that its bill is exact, or cut it off"
    ),
    "cache.enabled": Meaning("answers given before are given again"),
    "cache.semantic": Meaning("also to requests that mean the same"),
    "cache.threshold": _share("the least cosine that counts as the same; left out: the measured one"),
    "cache.ttl_days": Meaning("how long an answer is kept", 0, 36_500, is_above=True),
    "cache.max_entries": Meaning("how many are kept; the least recently used goes first", 1, 100_000_000),
    "cache.max_temperature": Meaning("a request above this temperature isn't cached", 0, 2),
    "cache.with_tools": Meaning("requests with tools are cached too"),
    "cache.seed": Meaning("file of answers to start with"),
    "trimming.enabled": Meaning("contexts are cut to the plan's and the model's window"),
    "trimming.max_input_tokens": Meaning("contexts are cut to this", 1, _TOKENS),
    "trimming.shortens_tool_results": Meaning("long tool results are cut in their middle where nothing else helps"),
    "output.predicted": Meaning("answers are limited to the `quantile` of their predicted length"),
    "output.quantile": Meaning("which", 0.5, 0.9999),
    "output.max_tokens_by_type": Meaning("the longest answer by task type, in tokens", 1, _TOKENS),
    "output.concise": Meaning("a short instruction to be brief is appended to the system prompt"),
    "output.concise_share": _share("of how many of the requests, so that its saving can be measured"),
    "cascade.enabled": Meaning("an answer judged poor goes on to another model"),
    "cascade.streams": Meaning("for streams too, which then begin late"),
    "cascade.max_calls": Meaning("the most calls for one request", 1, 20),
    "cascade.judge": Meaning("a model of the fleet that judges where the checks can't tell"),
    "cascade.samples": Meaning("answers of one model that are compared", 1, 20),
    "batching.concurrency": Meaning("tasks of a batch that run at once", 1, 10_000),
    "batching.window_ms": Meaning("how long what can wait is merged", 0, 60_000),
    "batching.max_waiting": Meaning("tasks that wait; one more is refused", 1, 10_000_000),
    "conversation.rules": Meaning("what else harnesses write that isn't the task; docs/conversations.md has the form"),
    "privacy.text": Meaning("what of a text is stored"),
    "privacy.retention_days": Meaning("how long events are kept; `null`: for good", 0, 36_500, is_above=True),
}  # fmt: skip
"""Keys as they stand in the file; NAME stands for a provider's name."""
