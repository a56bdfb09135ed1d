"""Puts the parts of a gateway together from a configuration, and lets go of them."""

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from pointsman.budget.rules import Rules
from pointsman.configuration import Configuration
from pointsman.conversation import HARNESSES, rules_from
from pointsman.conversation.affinity import Conversations
from pointsman.gateway.answers import Answers
from pointsman.gateway.embedding import LazyEmbedder
from pointsman.gateway.health import Health
from pointsman.gateway.parts import Parts
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
        configuration.budgets or Rules(),
        configuration.database_url,
        tenant=configuration.tenant,
        hold_for=timedelta(seconds=max(configuration.hold_for_s, slowest + _MARGIN_S)),
    )


def wall_us() -> int:
    """Return the moment of the machine's clock, microseconds since 1970."""
    return time.time_ns() // 1000


def opened_parts(configuration: Configuration, tenants: Tenants) -> Parts:
    """Return the parts that requests pass through; the connections to providers open with the event loop."""
    clock, retries, router = time.perf_counter, configuration.retries, tenants.router
    embed = LazyEmbedder(router.bundle)
    return Parts(
        tenants=tenants,
        providers=configuration.providers,
        where=configuration.upstreams,
        upstreams=Upstreams(configuration.providers.values(), retries, clock=clock, rng=random.Random()),
        health=Health({card.id: card.availability for card in configuration.fleet.cards}, retries, clock=clock),
        conversations=Conversations(time.monotonic),
        boilerplate=HARNESSES.plus(rules_from(configuration.conversation.rules)),
        embed=embed,
        belief=ASSUMED_BELIEF,
        answers=opened_answers(configuration, router, embed),
        log=open_log(configuration.database_url, privacy=configuration.privacy),
        clock=clock,
        wall_us=wall_us,
        trimming=configuration.trimming,
        output=configuration.output,
        cascade=configuration.cascade,
        batching=configuration.batching,
        streams=configuration.streams,
        privacy=configuration.privacy,
    )


def opened_router(configuration: Configuration, treasury: Treasury) -> Router:
    """Return the router of a configuration.

    Raises:
        BundleError, InvalidInput: the bundle can't be used, or the policy isn't possible with it.
    """
    return Router.load(configuration.bundle, configuration.fleet, configuration.profile, configuration.policy, treasury)


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
    return answers
