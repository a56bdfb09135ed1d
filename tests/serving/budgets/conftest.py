"""Routers that keep budgets, on a real SQLite file and a clock that a test sets."""

import itertools

import pytest
from ledgers import Clock

from pointsman import Policy, Router
from pointsman.budget.parsing import parse_rules
from pointsman.store import open_ledger
from pointsman.treasury import Treasury


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, timeout_s=30) as opened:
        yield opened


@pytest.fixture
def treasury(ledger, clock):
    """Return a treasury of these rules: treasury(daily_usd=1, tiers=False)."""
    numbers = itertools.count(1)

    def made(tenant="default", **rules):
        ids = (f"{tenant}-{number}" for number in numbers)
        return Treasury(ledger, parse_rules(rules), clock=clock, tenant=tenant, ids=lambda: next(ids))

    return made


@pytest.fixture
def paying(router, treasury):
    """Return a router that keeps these rules: paying(daily_usd=1, tiers=False, policy=Policy(...))."""

    def made(policy=None, tenant="default", profile="fast", **rules):
        kept = treasury(tenant, **rules)
        return Router(router.bundle, router.fleet, profile=profile, policy=policy or Policy(), treasury=kept)

    return made
