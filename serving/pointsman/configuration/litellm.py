"""LiteLLM's proxy configuration becomes a pointsman.yaml; what has no counterpart is named, never dropped silently."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
import yaml

from pointsman.configuration.models import read_models
from pointsman.configuration.providers import KNOWN_BASE_URLS, read_providers
from pointsman.configuration.remarks import Remarks
from pointsman.errors import InvalidConfig
from pointsman.registry.catalogue import known_entry
from pointsman.registry.documents import Document

_OPENAI_LIKE: Final = ("openai", "custom_openai", "openai_like", "hosted_vllm", "lm_studio")
_PRICES: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_read",
    "cache_creation_input_token_cost": "cached_write",
}
_CAPABILITIES: Final = {
    "supports_vision": "vision",
    "supports_function_calling": "tools",
    "supports_response_schema": "json_mode",
}
_TOKENS: Final = {"max_input_tokens": "context_tokens", "max_output_tokens": "max_output_tokens"}
_CARRIED: Final = ("model", "api_key", "api_base", "base_url", "organization", "extra_headers", "custom_llm_provider")
_UNNEEDED: Final = ("id", "mode", "base_model", "max_tokens", "db_model", "description")
_CHAT: Final = ("chat", "completion", "responses", None)
_INSTEAD: Final = {
    "fallbacks": "each decision has its own order of fallbacks",
    "context_window_fallbacks": "models whose window is too short aren't chosen",
    "routing_strategy": "routing.strategy says how a model is chosen",
    "num_retries": "see retries.attempts",
    "allowed_fails": "see retries.open_after",
    "cooldown_time": "see retries.open_for_s",
    "cache": "see cache.enabled",
    "cache_params": "see the section cache",
    "request_timeout": "see providers.NAME.total_timeout_s",
    "master_key": "make keys with pointsman keys",
    "database_url": "keys and spend aren't taken over; see database_url",
    "max_budget": "see budgets",
    "budget_duration": "see budgets",
    "model_group_alias": "name the alias under models",
    "environment_variables": "export them",
}
_HEAD: Final = "# Imported from {source}. Check it with: pointsman config check\n"


class Imported(msgspec.Struct, frozen=True):
    """What an import comes to: the text of a pointsman.yaml, its models, the variables it needs, and what is missing.

    Each remark says of one thing why it wasn't carried over, and what to do instead.
    """

    text: str
    models: tuple[str, ...]
    variables: tuple[str, ...]
    remarks: tuple[str, ...]


def import_litellm(document: Document) -> Imported:
    """Return what a LiteLLM `config.yaml` comes to as a configuration of Pointsman's.

    Raises:
        InvalidConfig: it has no `model_list`, or none of its models could be called.
    """
    data = document.data if isinstance(document.data, Mapping) else {}
    entries = data.get("model_list")
    if not isinstance(entries, list) or not entries:
        raise InvalidConfig(f"{document.path} has no model_list; expected LiteLLM's proxy configuration.")
    made = _Import()
    for number, entry in enumerate(entries, start=1):
        made.take(f"model_list entry {number}", entry)
    for section, value in data.items():
        if section != "model_list":
            made.remark_on_section(str(section), value)
    if not made.models:
        raise InvalidConfig("\n".join((f"None of the models of {document.path} can be called:", *made.remarks)))
    return made.result(document.path)


class _Import:
    """Collects providers and models of one import, entry by entry."""

    def __init__(self) -> None:
        self.providers: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.remarks: list[str] = []
        self._variables: dict[str, str] = {}

    def take(self, place: str, entry: object) -> None:
        """Take one deployment over, or remark why not."""
        params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
        name = entry.get("model_name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not isinstance(params, Mapping) or not isinstance(params.get("model"), str):
            self.remarks.append(f"{place}: left out; it has no model_name, or no litellm_params.model.")
            return
        place, info = f"{place} ({name})", entry.get("model_info") if isinstance(entry, Mapping) else None
        info = info if isinstance(info, Mapping) else {}
        model_id = "-".join(name.split())
        if reason := self._reason_against(model_id, params, info):
            self.remarks.append(f"{place}: left out; {reason}")
            return
        if model_id != name:
            self.remarks.append(f"{place}: is called {model_id}, since names have no spaces.")
        provider, upstream_name = self._provider(params)
        fields = {"provider": provider, "upstream_name": upstream_name, **_card_fields(params, info)}
        if upstream_name == model_id:
            del fields["upstream_name"]
        if mistakes := _mistakes(model_id, fields, self.providers[provider]):
            self.remarks.append(f"{place}: left out; {mistakes}")
            return
        self.models[model_id] = fields
        known = (*_CARRIED, *_PRICES)
        lost = [f"litellm_params.{key}" for key in params if key not in known]
        lost += [f"model_info.{key}" for key in info if key not in (*_UNNEEDED, *_PRICES, *_TOKENS, *_CAPABILITIES)]
        if lost:
            self.remarks.append(f"{place}: not carried over: {', '.join(lost)}.")

    def _reason_against(self, model_id: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> str | None:
        if "*" in model_id or "*" in params["model"]:
            return "a wildcard; list each model by its name."
        if info.get("mode") not in _CHAT:
            return f"its mode is {info['mode']}, and only chat is routed."
        if model_id in self.models:
            return "another deployment of a model that is imported already; a model is called at one place."
        return None

    def _provider(self, params: Mapping[str, Any]) -> tuple[str, str]:
        """Return the name of a deployment's provider, and what that calls the model."""
        prefix, upstream_name = _split(params)
        base_url = _reference(params.get("api_base") or params.get("base_url"))
        fields: dict[str, Any] = {}
        if prefix in KNOWN_BASE_URLS or (prefix in _OPENAI_LIKE and base_url):
            fields["protocol"] = "anthropic" if prefix == "anthropic" else "openai"
            fields["base_url"] = base_url or KNOWN_BASE_URLS[prefix]
        else:
            fields["protocol"], upstream_name = "litellm", params["model"]
            fields |= {"base_url": base_url} if base_url else {}
        if key := self._key(prefix, params.get("api_key"), is_implied=prefix in KNOWN_BASE_URLS and not base_url):
            fields["api_key"] = key
        headers = {str(name): _reference(value) for name, value in dict(params.get("extra_headers") or {}).items()}
        if organization := _reference(params.get("organization")):
            headers["OpenAI-Organization"] = organization
        return self._named(prefix, fields | ({"headers": headers} if headers else {})), upstream_name

    def _key(self, prefix: str, given: object, *, is_implied: bool) -> str | None:
        """Return the reference to a deployment's key.

        One that is written out is asked for by a variable that nothing else sets, so that no other key is sent there.
        """
        part = re.sub("[^A-Za-z0-9]", "_", prefix).upper()
        if given is None or given == "":
            return f"${{{part}_API_KEY}}" if is_implied else None
        key = _reference(given)
        if key.startswith("${"):
            return key
        if key not in self._variables:
            self._variables[key] = f"IMPORTED_{part}_KEY_{len(self._variables) + 1}"
            self.remarks.append(f"a key of {prefix} stands in the file; export it as {self._variables[key]}.")
        return f"${{{self._variables[key]}}}"

    def _named(self, prefix: str, fields: dict[str, Any]) -> str:
        base = re.sub(r"[^A-Za-z0-9._-]", "-", prefix).lstrip("._-") or "provider"
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(self.providers) + 2))
        name = next(name for name in names if self.providers.get(name, fields) == fields)
        self.providers[name] = fields
        return name

    def remark_on_section(self, section: str, value: object) -> None:
        """Remark that a section has no counterpart, key by key where it is a mapping."""
        parts = list(value) if isinstance(value, Mapping) and section not in _INSTEAD else [None]
        for part in parts:
            instead = _INSTEAD.get(str(part or section))
            name = section if part is None else f"{section}.{part}"
            self.remarks.append(f"{name}: not carried over{f'; {instead}' if instead else ''}.")

    def result(self, source: str) -> Imported:
        """Return the file's text: the providers that are called, the models, and the settings of `pointsman init`."""
        called = {str(fields["provider"]) for fields in self.models.values()}
        plain = {
            "providers": {name: fields for name, fields in self.providers.items() if name in called},
            "models": self.models,
            "routing": {"strategy": "cost-optimised"},
            "budgets": {"daily_usd": 10},
            "keys": {"required": True},
            "database_url": "sqlite:///pointsman.db",
        }
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
        variables = tuple(dict.fromkeys(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", text)))
        head = _HEAD.format(source=" ".join(source.split()))
        return Imported(head + text, tuple(self.models), variables, tuple(dict.fromkeys(self.remarks)))


def _split(params: Mapping[str, Any]) -> tuple[str, str]:
    """Return LiteLLM's provider of a model, and the model's name there."""
    model, stated = str(params["model"]), params.get("custom_llm_provider")
    prefix, slash, rest = model.partition("/")
    if isinstance(stated, str) and stated:
        return stated, model.removeprefix(f"{stated}/")
    if slash:
        return prefix, rest
    entry = known_entry(model)
    return (entry.provider if entry is not None and entry.provider in KNOWN_BASE_URLS else "litellm"), model


def _reference(value: object) -> str:
    """Return a text with LiteLLM's `os.environ/NAME` as `${NAME}`."""
    text = "" if value is None else str(value)
    return f"${{{text.removeprefix('os.environ/')}}}" if text.startswith("os.environ/") else text


def _card_fields(params: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    both = {**info, **params}
    fields: dict[str, Any] = {}
    price = {name: amount for key, name in _PRICES.items() if (amount := _usd_per_mtok(both.get(key))) is not None}
    if price and not any(price.values()):
        fields["free"] = True
    elif "input" in price and "output" in price:
        fields["price"] = price
    fields |= {name: info[key] for key, name in _TOKENS.items() if isinstance(info.get(key), int)}
    named = [name for key, name in _CAPABILITIES.items() if info.get(key)]
    if any(key in info for key in _CAPABILITIES):
        fields["capabilities"] = named
    if isinstance(info.get("base_model"), str):
        fields["card"] = info["base_model"].rpartition("/")[2]
    return fields


def _usd_per_mtok(per_token: object) -> float | None:
    if per_token is None or isinstance(per_token, bool):
        return None
    try:
        return float(Decimal(str(per_token)) * 1_000_000)
    except InvalidOperation:
        return None


def _mistakes(model_id: str, fields: dict[str, Any], provider: dict[str, Any]) -> str | None:
    """Return what is wrong with a model as `config check` would say it; None where nothing is."""
    remarks = Remarks(Document("", None, None))
    name = str(fields["provider"])
    said = {key: value for key, value in provider.items() if key != "base_url" or "${" not in value}
    providers = read_providers({name: {"base_url": "http://localhost", **said}}, remarks)
    read_models({model_id: fields}, providers, remarks)
    return " ".join(remark.message for remark in remarks.mistakes) or None
