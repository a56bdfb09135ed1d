"""What is posted against the provider's invoice, to the nano-dollar: every path with every failure."""

import contextlib

import httpx
import msgspec
import pytest
from clusters import Missing, new_cluster
from gateways import document, running_gateway
from invoices import FAILURES, FAST, PATHS, PATIENCE_S, QUICK, Failure, Path, Till, check
from provider import Provider
from provider_acts import Act
from provider_bill import TARIFFS

from pointsman.store import upgrade

WORDS = (
    3 * "Fix the login bug that comes up when a session ends while the form is open, and say in which file and why. "
)
CASES = [(path, failure) for path in PATHS for failure in FAILURES if PATHS[path].has(failure, FAILURES[failure])]
BUDGETS = {"daily_usd": 1000, "tiers": False}
PRICES = {
    "gpt-4o-mini": {"input": 0.15, "output": 0.6, "cached_read": 0.075, "batch_percent": 50},
    "gpt-4o": {"input": 2.5, "output": 10, "cached_read": 1.25, "batch_percent": 50},
}
HALVED = {name: msgspec.structs.replace(tariff, flex_percent=50) for name, tariff in TARIFFS.items()}
SECTIONS = {
    "plain": {},
    "cascade": {"cascade": {"enabled": True, "streams": True, "judge": "claude-haiku", "samples": 2}},
    "cache": {"cache": {"enabled": True, "semantic": True}},
    "abort": {"streams": {"on_disconnect": "abort"}},
    "trim": {"trimming": {"max_input_tokens": 150}},
    "dead": {},
    "batch": {},
    "postgresql": {},
    "cascade on postgresql": {"cascade": {"enabled": True, "judge": "claude-haiku", "samples": 2}},
}


@pytest.fixture(scope="module")
def provider():
    with Provider(HALVED) as started:
        yield started


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=PATIENCE_S) as opened:
        yield opened


@pytest.fixture(scope="module")
def cluster():
    try:
        with new_cluster() as made:
            yield made
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def gateways(request, provider, tmp_path_factory):
    """Return the gateway of a name; each is started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        started = {}

        def gateway(name):
            if name not in started:
                folder = tmp_path_factory.mktemp(name)
                urls = {"openai": "http://127.0.0.1:9/v1" if name == "dead" else provider.openai_url}
                urls["anthropic"] = provider.url
                sections = {"budgets": BUDGETS, "retries": QUICK, **SECTIONS[name]}
                sections["providers"] = {
                    kind: {"base_url": url, "api_key": "sk-test", **FAST} for kind, url in urls.items()
                }
                sections["providers"]["openai"]["has_batch_prices"] = name == "batch"
                if name.endswith("postgresql"):
                    sections["database_url"] = request.getfixturevalue("cluster").database()
                    sections["keys"] = {"secret": 32 * "s"}
                    upgrade(sections["database_url"])
                models = document(provider.url, "")["models"]
                sections["models"] = models | {kind: {"provider": "openai", "price": PRICES[kind]} for kind in PRICES}
                started[name] = stack.enter_context(running_gateway(folder, provider.url, **sections))
            return started[name]

        yield gateway


@pytest.mark.parametrize(("path", "failure"), CASES)
def test_what_is_posted_is_what_the_provider_bills(gateways, provider, client, path, failure):
    case = PATHS[path]
    till = Till(gateways(case.gateway), provider, client)
    check(till, case, FAILURES[failure], f"{WORDS}{path}, {failure}.")


@pytest.mark.parametrize(("name", "end"), [("plain", "whole"), ("abort", "hung_up")])
def test_a_stream_that_nobody_reads_is_read_to_its_end_or_cut_off_as_it_is_set(gateways, provider, client, name, end):
    long = Failure((Act(words=400, every_s=0.002),), is_known=name == "plain")
    path = Path(PATHS["hung up, cut off"].ask, name, is_stream=True)
    check(Till(gateways(name), provider, client), path, long, WORDS)
    (line,) = provider.invoice
    assert (line.end, line.usage.output == 400) == (end, name == "plain")


def test_a_model_whose_provider_states_a_higher_cost_is_billed_at_that(gateways, provider, client):
    till = Till(gateways("plain"), provider, client)
    provider.script(Act(cost=0.0004))
    (answer,) = PATHS["chat"].ask(till, WORDS)
    assert answer.headers["x-pointsman-cost-usd"] == "0.0004"
    assert till.settled().posted == 400_000


@pytest.mark.parametrize("path", ["chat", "stream", "cascade", "execute many"])
@pytest.mark.parametrize("failure", ["none", "503", "reset after it was read", "truncated JSON", "usage missing"])
def test_the_same_holds_on_postgresql(gateways, provider, client, path, failure):
    case = PATHS[path]
    name = "cascade on postgresql" if case.gateway == "cascade" else "postgresql"
    check(Till(gateways(name), provider, client), case, FAILURES[failure], f"{WORDS}{path}, {failure}.")
