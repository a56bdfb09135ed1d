"""What settings must be to one another, once each is right by itself."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from pointsman.configuration.remarks import Remarks, closest
from pointsman.configuration.words import Configuration
from pointsman.errors import InvalidTask
from pointsman.types import task_type

_DATABASES: Final = re.compile(r"(sqlite:///.+|postgres(ql)?(\+psycopg)?://.+)", re.DOTALL)
_WHOLE: Final = 100
_FORMS: Final = "sqlite:///pointsman.db or postgresql://user@host/database"


def check_together(configuration: Configuration, remarks: Remarks) -> None:
    """Keep as mistakes what contradicts itself, and as warnings what is open or off by what looks like oversight."""
    _check_names(configuration, remarks)
    _check_database(configuration, remarks)
    _check_openness(configuration, remarks)
    if configuration.rollout < 1 and configuration.fleet.baseline is None:
        remarks.mistake(("routing", "rollout"), "routing.rollout sends callers to the baseline; set routing.baseline.")
    for name in configuration.output.max_tokens_by_type:
        try:
            task_type(name)
        except InvalidTask as error:
            remarks.mistake(("output", "max_tokens_by_type", name), f"output.max_tokens_by_type: {error.message}")
    _check_batch_prices(configuration, remarks)
    if configuration.cache.semantic and not configuration.cache.enabled:
        remarks.warn(("cache", "semantic"), "cache.semantic has no effect without cache.enabled: true.")
    if configuration.retries.base_delay_s > configuration.retries.max_delay_s:
        remarks.mistake(("retries", "base_delay_s"), "retries.base_delay_s is above retries.max_delay_s; lower it.")


def _check_names(configuration: Configuration, remarks: Remarks) -> None:
    ids, judge = configuration.fleet.ids, configuration.cascade.judge
    if judge is not None and judge not in configuration.upstreams:
        remarks.mistake(
            ("cascade", "judge"), f"cascade.judge is {judge!r:.80}, which models doesn't have; {closest(judge, ids)}"
        )
    called = {upstream.provider for upstream in configuration.upstreams.values()}
    for name in configuration.providers:
        if name not in called:
            remarks.warn(("providers", name), f"providers.{name} is called by no model.")
    tenant = configuration.tenant
    if not tenant or tenant != tenant.strip() or not tenant.isprintable() or len(tenant) > 200:
        remarks.mistake(("tenant",), "tenant has spaces around it, is empty, too long or unprintable; expected a name.")


def _check_batch_prices(configuration: Configuration, remarks: Remarks) -> None:
    """Warn of batch prices that nothing can be asked for at."""
    for name, provider in configuration.providers.items():
        if not provider.has_batch_prices:
            continue
        served = [model for model, upstream in configuration.upstreams.items() if upstream.provider == name]
        path = ("providers", name, "has_batch_prices")
        if provider.protocol == "anthropic":
            remarks.warn(path, f"{'.'.join(path)} has no effect: only OpenAI's protocol has a word for a batch price.")
        elif served and all(configuration.fleet.card(model).price.batch_percent == _WHOLE for model in served):
            remarks.warn(path, f"{'.'.join(path)} has no effect: no model there has a price with batch_percent.")


def _check_database(configuration: Configuration, remarks: Remarks) -> None:
    url = configuration.database_url
    if not _DATABASES.fullmatch(url):
        remarks.mistake(("database_url",), f"database_url is no address of a database; expected {_FORMS}.")
    is_shared = not url.startswith("sqlite")
    if is_shared and configuration.keys.required and not configuration.keys.secret:
        remarks.mistake(
            ("keys",),
            "keys.secret is missing: with PostgreSQL there is no file to keep it in; set "
            'secret: "${POINTSMAN_KEY_SECRET}", the same for every server.',
        )
    webhook = configuration.alert_webhook
    if webhook is not None and urlsplit(webhook).scheme not in ("http", "https"):
        remarks.mistake(("alert_webhook",), "alert_webhook is no URL; expected http:// or https:// and a host.")


def _check_openness(configuration: Configuration, remarks: Remarks) -> None:
    host = configuration.server.host
    if not configuration.keys.required and not _is_local(host):
        remarks.warn(
            ("server", "host"),
            f"whoever reaches {host} spends your money: keys.required is false, and others can reach it.",
        )


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
