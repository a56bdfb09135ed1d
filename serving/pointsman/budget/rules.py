"""The rules of a budget, and the limits that follow from them for one task; `docs/budgets.md` says them in words."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from pointsman.budget.limits import Limit, Unit, checked_limits
from pointsman.budget.scopes import GLOBAL, TENANT, Scope, ScopeKind
from pointsman.budget.windows import Window, utc, window_end, window_start
from pointsman.errors import InvalidBudget
from pointsman.money import NANO, format_usd
from pointsman.types import COMPLEXITIES

DEFAULT_DAILY_NANOUSD: Final = 10 * NANO
PAYERS: Final[tuple[ScopeKind, ...]] = ("team", "project", "agent", "user", "key")
"""The kinds of scope that a task names by its tags, and that may have limits of their own."""

Direction = Literal["input", "output"]
_WINDOWS: Final[dict[str, Window]] = {"daily": "day", "monthly": "month", "total": "total"}
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_MANY_PAYERS: Final = 4096


class Caps(msgspec.Struct, frozen=True):
    """What one payer may spend, in nano-USD; None: no limit of its own. `plan` is the plan it is on."""

    daily: int | None = None
    monthly: int | None = None
    total: int | None = None
    plan: str | None = None

    def over(self, other: "Caps") -> "Caps":
        """Return these caps, and the other's where these say nothing."""
        mine = {name: getattr(self, name) for name in self.__struct_fields__}
        return Caps(**{name: getattr(other, name) if value is None else value for name, value in mine.items()})


_NO_CAPS: Final = Caps()


class Plan(msgspec.Struct, frozen=True):
    """What a user on the plan may use: tokens a month, and tokens a request; None: no limit.

    `rollover_percent` of a month's unused tokens is added to the next month. What was rolled over doesn't roll again.
    """

    name: str
    monthly_input_tokens: int | None = None
    monthly_output_tokens: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    rollover_percent: int = 20

    def monthly(self, direction: Direction, used_last_month: int | None) -> int | None:
        """Return this month's tokens with what rolls over; None: no limit.

        `used_last_month` None means that the user wasn't on the plan, so that nothing rolls over.
        """
        base = self.monthly_input_tokens if direction == "input" else self.monthly_output_tokens
        if base is None or used_last_month is None:
            return base
        return base + max(base - used_last_month, 0) * self.rollover_percent // 100


FREE_PLAN: Final = Plan("free", 100_000, 50_000, 1_000, 500)
PRO_PLAN: Final = Plan("pro", 400_000, 200_000, 4_000, 2_000)


class Tiers(msgspec.Struct, frozen=True):
    """How the day's budget is divided among complexity tiers: `nanousd` by tier, and when they may borrow.

    Until `borrow_after_percent` of the day has passed, a tier has its own share only. From then on it may also use a
    part of what the other tiers haven't: nothing at that moment, all of it at the day's end, in between in proportion.
    None: never.
    """

    nanousd: Mapping[str, int]
    borrow_after_percent: int | None = 50

    def allowance(self, tier: str, used: Mapping[str, int], daily_nanousd: int, now: datetime) -> int:
        """Return the most that the tier may have used at this moment, with what it has used (posted and held) already.

        Never more than leaves the day's budget whole: what the tier has used plus what no tier has.
        """
        others = sum(max(share - used.get(name, 0), 0) for name, share in self.nanousd.items() if name != tier)
        free = max(daily_nanousd - sum(used.values()), 0)
        return min(self.nanousd[tier] + others * self._opened(now) // _PARTS, used.get(tier, 0) + free)

    def _opened(self, now: datetime) -> int:
        """Return the part of the others' unused money that is open at this moment, in `_PARTS`."""
        start, end = window_start("day", now), window_end("day", now)
        if self.borrow_after_percent is None or start is None or end is None:
            return 0
        passed = (utc(now) - start) // timedelta(microseconds=1) * 100
        day = (end - start) // timedelta(microseconds=1)
        after = self.borrow_after_percent * day
        return max(passed - after, 0) * _PARTS // (100 * day - after) if after < 100 * day else 0


_PARTS: Final = 1_000_000


def tiers_of(daily_nanousd: int, percents: Mapping[str, int], borrow_after_percent: int | None = 50) -> Tiers:
    """Return the tiers that have these percents of the day's budget, rounded down."""
    shares = {name: daily_nanousd * percent // 100 for name, percent in percents.items()}
    return Tiers(MappingProxyType(shares), borrow_after_percent)


DEFAULT_TIER_PERCENTS: Final = MappingProxyType({"simple": 20, "medium": 50, "complex": 30})


class Rules(msgspec.Struct, frozen=True):
    """All limits of a deployment, in nano-USD. The default is $10 a day, divided 20/50/30 among complexity tiers.

    `everyone` are the limits of the whole ledger; `each` those of every payer of a kind ("each user"), which `named`
    ones replace where they say something else. `task_types` are limits a day.
    """

    everyone: Caps = Caps(daily=DEFAULT_DAILY_NANOUSD)
    request_nanousd: int | None = None
    task_types: Mapping[str, int] = _NOTHING
    tiers: Tiers | None = tiers_of(DEFAULT_DAILY_NANOUSD, DEFAULT_TIER_PERCENTS)
    each: Mapping[str, Caps] = MappingProxyType({})
    named: Mapping[Scope, Caps] = MappingProxyType({})
    plans: Mapping[str, Plan] = MappingProxyType({"free": FREE_PLAN, "pro": PRO_PLAN})
    default_plan: str | None = None
    alert_percents: tuple[int, ...] = (50, 80, 95)

    def caps(self, scope: Scope) -> Caps:
        """Return the caps of one payer: its own, then those of each of its kind."""
        own, shared = self.named.get(scope), self.each.get(scope.kind, _NO_CAPS)
        return shared if own is None else own.over(shared)

    def plan(self, user: str | None, stated: str | None = None) -> Plan | None:
        """Return the plan of a user: the one stated for it by whoever authenticated it, its own, or the default one.

        Raises:
            InvalidBudget: no such plan.
        """
        own = self.caps(Scope("user", user)).plan if user else None
        name = stated or own or self.default_plan
        if name is None:
            return None
        if name not in self.plans:
            raise InvalidBudget(f"plan is {name!r:.80}; expected one of {', '.join(self.plans)}.", field="plan")
        return self.plans[name]


class Bearing(msgspec.Struct, frozen=True):
    """What of one task bears on its limits.

    `tags` name payers by kind (user, team, key, agent, project). `plan` is the plan of the user where it is known from
    elsewhere, such as its key. `tier` is the predicted complexity.
    """

    request_id: str
    tags: Mapping[str, str]
    task_type: str
    tier: str
    plan: str | None = None

    def scopes(self) -> tuple[Scope, ...]:
        """Return all payers that the task counts for, limited or not: what a hold is opened for."""
        payers = [Scope(kind, self.tags[kind]) for kind in PAYERS if self.tags.get(kind)]
        plan = [Scope("plan", self.plan)] if self.plan else []
        kinds = [Scope("tier", self.tier), Scope("task_type", self.task_type), Scope("request", self.request_id)]
        return (GLOBAL, TENANT, *plan, *kinds, *payers)


class Used(msgspec.Struct, frozen=True):
    """What the ledger says was used (posted and held): by each tier today, and by the user last month, in tokens.

    Last month's tokens are None where the user wasn't there.
    """

    tiers_today_nanousd: Mapping[str, int] = _NOTHING
    input_tokens_last_month: int | None = None
    output_tokens_last_month: int | None = None


def effective_limits(rules: Rules, task: Bearing, used: Used, now: datetime) -> tuple[Limit, ...]:
    """Return every limit that applies to the task, each with the rule that it comes from.

    All of them hold at once: the least room decides.

    Raises:
        InvalidBudget: a plan, a tier or a name that doesn't exist; a time without a zone.
    """
    limits = [*_cap_limits(rules.everyone, GLOBAL, "the budget of everyone")]
    limits += _cap_limits(rules.each.get("tenant", _NO_CAPS), TENANT, "the budget of each tenant")
    if rules.request_nanousd is not None:
        scope = Scope("request", task.request_id)
        limits.append(Limit(scope, "request", rules.request_nanousd, reason="the budget of each request"))
    if task.task_type in rules.task_types:
        amount = rules.task_types[task.task_type]
        limits.append(Limit(Scope("task_type", task.task_type), "day", amount, reason="the budget of the task type"))
    limits += _tier_limits(rules, task.tier, used, now)
    for scope in (Scope(kind, task.tags[kind]) for kind in PAYERS if task.tags.get(kind)):
        source = f"the budget of {scope}" if scope in rules.named else f"the budget of each {scope.kind}"
        limits += _cap_limits(rules.caps(scope), scope, source)
    limits += _plan_limits(rules, task, used)
    return checked_limits(limits)


@lru_cache(maxsize=_MANY_PAYERS)
def _cap_limits(caps: Caps, scope: Scope, source: str) -> tuple[Limit, ...]:
    amounts = ((window, name, getattr(caps, name)) for name, window in _WINDOWS.items())
    return tuple(
        Limit(scope, window, amount, reason=f"{source}, {name}")
        for window, name, amount in amounts
        if amount is not None
    )


def _tier_limits(rules: Rules, tier: str, used: Used, now: datetime) -> list[Limit]:
    if rules.tiers is None:
        return []
    if tier not in rules.tiers.nanousd:
        raise InvalidBudget(f"tier is {tier!r:.80}; expected one of {', '.join(COMPLEXITIES)}.", field="tier")
    daily = rules.everyone.daily if rules.everyone.daily is not None else sum(rules.tiers.nanousd.values())
    own = rules.tiers.nanousd[tier]
    amount = rules.tiers.allowance(tier, used.tiers_today_nanousd, daily, now)
    reason = f"the {tier} tier's share of the day, {format_usd(own)}"
    if amount > own:
        reason += f", and {format_usd(amount - own)} that other tiers haven't used"
    elif amount < own:
        reason += f", less {format_usd(own - amount)} that other tiers have borrowed"
    return [Limit(Scope("tier", tier), "day", amount, reason=reason)]


def _plan_limits(rules: Rules, task: Bearing, used: Used) -> list[Limit]:
    user = task.tags.get("user")
    plan = rules.plan(user, task.plan)
    if plan is None:
        return []
    limits = []
    directions: tuple[tuple[Direction, Unit, int | None, int | None], ...] = (
        ("input", "input_tokens", used.input_tokens_last_month, plan.max_input_tokens),
        ("output", "output_tokens", used.output_tokens_last_month, plan.max_output_tokens),
    )
    for direction, unit, last_month, per_request in directions:
        base, amount = plan.monthly(direction, None), plan.monthly(direction, last_month)
        if user and base is not None and amount is not None:
            rolled = f", with {amount - base:,} rolled over from last month" if amount > base else ""
            limits.append(Limit(Scope("user", user), "month", amount, unit, f"the plan {plan.name}{rolled}"))
        if per_request is not None:
            reason = f"the plan {plan.name}, per request"
            limits.append(Limit(Scope("request", task.request_id), "request", per_request, unit, reason))
    return limits
