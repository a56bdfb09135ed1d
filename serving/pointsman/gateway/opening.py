"""Puts the parts of a gateway together from a configuration, and lets go of them."""

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pointsman.budget.rules import Rules
from pointsman.configuration import Configuration
from pointsman.conversation import HARNESSES, rules_from
from pointsman.conversation.affinity import Conversations
from pointsman.gateway.answers import Answers
from pointsman.gateway.embedding import LazyEmbedder
from pointsman.gateway.health import Health
from pointsman.gateway.parts import Parts
from pointsman.gateway.seeding import read_seeds, seed_entries
from pointsman.gateway.upstreams import Upstreams
from pointsman.router import Router
from pointsman.store import open_answers, open_log
from pointsman.tenants import Tenants
from pointsman.treasury import Treasury, open_treasury
from pointsman.verification import ASSUMED_BELIEF

_MARGIN_S: Final = 60.0
"""How much longer a hold is kept than the slowest provider may take."""


def opened_treasury(configuration: Configuration) -> Treasury:
    """Return the treasury of a configuration; one that says nothing of budgets gets the default rules.

    Raises:
        LedgerUnavailable: the database can't be used.
    """
    slowest = max((one.total_timeout_s for one in configuration.providers.values()), default=0.0)
    return open_treasury(
        rules_of(configuration),
        configuration.database_url,
        tenant=configuration.tenant,
        hold_for=timedelta(seconds=max(configuration.hold_for_s, slowest + _MARGIN_S)),
    )


def rules_of(configuration: Configuration) -> Rules:
    """Return the budget rules of a configuration; one that says nothing gets the default ones."""
    return configuration.budgets or Rules()


def wall_us() -> int:
    """Return the moment of the machine's clock, microseconds since 1970."""
    return time.time_ns() // 1000


def opened_parts(configuration: Configuration, tenants: Tenants) -> Parts:
    """Return the parts that requests pass through; the connections to providers open with the event loop.

    Raises:
        LedgerUnavailable: the database can't be used.
        InvalidFile: the seeds of the cache can't be.
    """
    clock, embed = time.perf_counter, LazyEmbedder(tenants.router.bundle)
    shares = {card.id: card.availability for card in configuration.fleet.cards}
    return Parts(
        tenants=tenants,
        conversations=Conversations(time.monotonic),
        embed=embed,
        belief=ASSUMED_BELIEF,
        answers=opened_answers(configuration, tenants.router, embed),
        log=open_log(configuration.database_url, privacy=configuration.privacy),
        clock=clock,
        wall_us=wall_us,
        health=Health(shares, configuration.retries, clock=clock),
        **_changeable(configuration),
    )


def again(configuration: Configuration, parts: Parts) -> Parts:
    """Return the parts under another configuration; what was learned of models and conversations stays."""
    parts.health.refit({card.id: card.availability for card in configuration.fleet.cards})
    return replace(parts, **_changeable(configuration))


def _changeable(configuration: Configuration) -> dict[str, Any]:
    """Return the parts that a configuration makes anew when it is read again."""
    retries, rules = configuration.retries, rules_from(configuration.conversation.rules)
    return {
        "providers": configuration.providers,
        "where": configuration.upstreams,
        "upstreams": Upstreams(configuration.providers.values(), retries, clock=time.perf_counter, rng=random.Random()),
        "boilerplate": HARNESSES.plus(rules),
        "rollout": configuration.rollout,
        "trimming": configuration.trimming,
        "output": configuration.output,
        "cascade": configuration.cascade,
        "batching": configuration.batching,
        "streams": configuration.streams,
        "privacy": configuration.privacy,
    }


def opened_router(configuration: Configuration, treasury: Treasury) -> Router:
    """Return the router of a configuration.

    Raises:
        BundleError, InvalidInput: the bundle can't be used, or the policy isn't possible with it.
    """
    router = Router.load(
        configuration.bundle, configuration.fleet, configuration.profile, configuration.policy, treasury
    )
    router.keeps_features = True
    return router


def opened_answers(configuration: Configuration, router: Router, embed: LazyEmbedder) -> Answers | None:
    """Return the cache, seeded where the configuration names a file; None where answers aren't kept.

    Raises:
        InvalidFile: the seeds can't be used.
    """
    settings = configuration.cache
    if not settings.enabled:
        return None
    stored = open_answers(configuration.database_url, encoder=router.bundle.digest)
    answers = Answers(stored, settings, embed.one, clock=lambda: datetime.now(UTC))
    if settings.seed is not None:
        for entry in seed_entries(read_seeds(settings.seed), configuration.tenant, wall_us()):
            answers.add(entry)
    return answers
