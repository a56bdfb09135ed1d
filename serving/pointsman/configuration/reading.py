"""Reads a configuration: the file, what the environment says over it, and every mistake at once."""

import os
from collections.abc import Mapping
from pathlib import Path as File
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from pointsman.budget.rules import Rules
from pointsman.configuration.checks import check_together
from pointsman.configuration.models import read_models
from pointsman.configuration.providers import read_providers
from pointsman.configuration.remarks import Remark, Remarks, mapping_at
from pointsman.configuration.routing import path_of, read_budgets, read_routing
from pointsman.configuration.sections import read_section
from pointsman.configuration.substitution import substituted
from pointsman.configuration.variables import overridden, rollover_percent
from pointsman.configuration.words import SECTIONS, Configuration, Deployment
from pointsman.conversation import rules_from
from pointsman.errors import InvalidConfig, InvalidFile, RegistryError
from pointsman.registry import Fleet, ModelCard
from pointsman.registry.documents import read_document
from pointsman.settings import ConversationSettings

S = TypeVar("S", bound=msgspec.Struct)
_PLAIN: Final = tuple(name for name in SECTIONS if name != "routing")
KEYS: Final = ("providers", "models", "budgets", *SECTIONS, *Deployment.__struct_fields__)


class Findings(msgspec.Struct, frozen=True):
    """What a configuration comes to: itself where nothing is wrong with it, and everything that is to be said of it."""

    configuration: Configuration | None
    mistakes: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()


def read_configuration(path: str | os.PathLike[str], environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of a file under an environment.

    Raises:
        InvalidConfig: it can't be used; the message has a line for each mistake, with file and line or variable.
    """
    found = examine(path, environ)
    if found.configuration is None:
        raise InvalidConfig("\n".join(map(str, found.mistakes)))
    return found.configuration


def examine(path: str | os.PathLike[str], environ: Mapping[str, str]) -> Findings:
    """Return everything that is to be said of a configuration, without raising."""
    try:
        document = read_document(path)
    except InvalidFile as error:
        return Findings(None, (Remark("", _with_hint(error.message, path)),))
    remarks = Remarks(document)
    data = substituted(dict(mapping_at(document.data, (), remarks, "settings")), environ, remarks)
    made = _configuration(overridden(data, environ, remarks), File(path).parent, environ, remarks)
    return Findings(None if remarks.mistakes else made, remarks.mistakes, remarks.warnings)


def _with_hint(message: str, path: str | os.PathLike[str]) -> str:
    try:
        text = File(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return message
    is_braced = any("${" in line and "{" in line.split("${", 1)[0] for line in text.splitlines())
    return f"{message} Within braces, ${{NAME}} needs quotes." if is_braced and "but got '{'" in message else message


def _configuration(
    data: dict[str, Any], folder: File, environ: Mapping[str, str], remarks: Remarks
) -> Configuration | None:
    for key in data:
        if key not in KEYS:
            remarks.unknown((key,), KEYS)
    deployment = Deployment(**read_section(Deployment, _top(data), (), remarks))
    routing, policy = read_routing(data.get("routing"), folder, remarks)
    providers = read_providers(data.get("providers"), remarks)
    cards, upstreams = read_models(data.get("models"), providers, remarks)
    fleet = _fleet(cards, routing.baseline, upstreams, remarks)
    sections: dict[str, Any] = {name: _section(SECTIONS[name], name, data, remarks) for name in _PLAIN}
    _check_rules(sections["conversation"], remarks)
    sections["cache"] = replace(sections["cache"], seed=_seed(sections["cache"], folder, remarks))
    budgets = _with_rollover(read_budgets(data.get("budgets"), remarks), rollover_percent(environ, remarks))
    if fleet is None:
        return None
    made = Configuration(
        MappingProxyType(providers),
        fleet,
        MappingProxyType(upstreams),
        policy,
        routing.profile,
        routing.bundle,
        routing.rollout,
        budgets,
        **(msgspec.structs.asdict(deployment) | sections),
    )
    check_together(made, remarks)
    return made


def _top(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in Deployment.__struct_fields__ if name in data}


def _section(kind: type[S], name: str, data: Mapping[str, Any], remarks: Remarks) -> S:
    return kind(**read_section(kind, data.get(name), (name,), remarks))


def _check_rules(conversation: ConversationSettings, remarks: Remarks) -> None:
    try:
        rules_from(conversation.rules)
    except InvalidConfig as error:
        remarks.mistake(("conversation", "rules"), error.message)


def _seed(cache: Any, folder: File, remarks: Remarks) -> str | None:
    seed = path_of(cache.seed, ("cache", "seed"), folder, remarks)
    if seed is not None and not File(seed).is_file():
        remarks.mistake(("cache", "seed"), f"cache.seed: there is no file {seed}.")
    return seed


def _fleet(
    cards: tuple[ModelCard, ...], baseline: str | None, upstreams: Mapping[str, object], remarks: Remarks
) -> Fleet | None:
    """Return the fleet; a baseline that is wrong is kept as a mistake, unless its own card already is."""
    if not cards:
        return None
    if baseline in {card.id for card in cards} or baseline is None:
        return Fleet("configured", cards, baseline)
    if baseline not in upstreams:
        try:
            Fleet("configured", cards).card(baseline)
        except RegistryError as error:
            remarks.mistake(("routing", "baseline"), f"routing.baseline: {error.message}")
    return Fleet("configured", cards)


def _with_rollover(rules: Rules | None, percent: int | None) -> Rules | None:
    if rules is None or percent is None:
        return rules
    plans = {name: replace(plan, rollover_percent=percent) for name, plan in rules.plans.items()}
    return replace(rules, plans=MappingProxyType(plans))
