"""A configuration in a few lines, for whoever checks it; without any secret."""

import re
from collections.abc import Iterator
from typing import Final

from pointsman.budget.rules import Rules
from pointsman.configuration.words import Configuration
from pointsman.money import format_usd
from pointsman.registry import ModelCard

_WINDOWS: Final = (("daily", "a day"), ("monthly", "a month"), ("total", "in total"))


def summary(configuration: Configuration) -> str:
    """Return what the configuration comes to: providers, models with prices, budgets, and what is on."""
    return "\n".join((*_providers(configuration), *_models(configuration), *_rest(configuration))) + "\n"


def _providers(configuration: Configuration) -> Iterator[str]:
    yield "providers:"
    for provider in configuration.providers.values():
        key = "with a key" if provider.api_key is not None else "without a key"
        yield f"  {provider.name}: {provider.base_url or 'where litellm knows'}, protocol {provider.protocol}, {key}"


def _models(configuration: Configuration) -> Iterator[str]:
    yield "models (USD per million tokens, input and output):"
    for card in configuration.fleet.cards:
        upstream = configuration.upstreams[card.id]
        name = "" if upstream.upstream_name == card.id else f" as {upstream.upstream_name}"
        marks = ", the baseline" if card.id == configuration.fleet.baseline else ""
        yield f"  {card.id}: {_price(card)}, at {upstream.provider}{name}{marks}"


def _price(card: ModelCard) -> str:
    price = card.price
    if price.is_free:
        return "free"
    return f"{format_usd(price.input_nanousd_per_mtok)} and {format_usd(price.output_nanousd_per_mtok)}"


def _rest(configuration: Configuration) -> Iterator[str]:
    policy, server = configuration.policy, configuration.server
    escalation = "no escalation" if policy.threshold is None else f"escalation below {policy.threshold:g}"
    target = "" if policy.target_quality is None else f", target quality {policy.target_quality:g}"
    bundle = configuration.bundle or "the bundle that comes along"
    yield f"routing: {policy.strategy}{target}, {escalation}, profile {configuration.profile}, {bundle}"
    yield f"budgets: {_budgets(configuration.budgets)}"
    switches = _switches(configuration)
    yield f"on: {', '.join(name for name, is_on in switches.items() if is_on) or 'nothing'}"
    yield f"off: {', '.join(name for name, is_on in switches.items() if not is_on) or 'nothing'}"
    yield f"stored of texts: {configuration.privacy.text}"
    yield f"server: {server.host} port {server.port}, {server.workers} {'worker' if server.workers == 1 else 'workers'}"
    yield f"database: {without_password(configuration.database_url)}"


def _budgets(rules: Rules | None) -> str:
    if rules is None:
        return "none are kept"
    caps = ((getattr(rules.everyone, name), words) for name, words in _WINDOWS)
    parts = [f"{format_usd(amount)} {words}" for amount, words in caps if amount is not None]
    if rules.request_nanousd is not None:
        parts.append(f"{format_usd(rules.request_nanousd)} a request")
    others = len(rules.each) + len(rules.named) + len(rules.task_types)
    parts += [f"{others} more rule{'s' if others > 1 else ''}"] if others else []
    return ", ".join(parts) or "no limit for everyone"


def _switches(configuration: Configuration) -> dict[str, bool]:
    return {
        "keys": configuration.keys.required,
        "cache": configuration.cache.enabled,
        "semantic cache": configuration.cache.enabled and configuration.cache.semantic,
        "trimming": configuration.trimming.enabled,
        "predicted output limits": configuration.output.predicted,
        "concise answers": configuration.output.concise,
        "cascade": configuration.cascade.enabled,
    }


def without_password(url: str) -> str:
    """Return a database's URL with what stands between user and host left out, and without its query."""
    return re.sub(r"(://[^/@:]*):[^@]*@", r"\1:***@", url.partition("?")[0])
