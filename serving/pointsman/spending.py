"""A spend target solved on traffic: what the tasks of a month are expected to cost at each setting of the dial."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidTask
from pointsman.policy import Policy, Readings, solve_spend
from pointsman.promises import Curve, DialPoint
from pointsman.router import Router
from pointsman.types import Task

DIALS: Final[tuple[float, ...]] = tuple(float(f"{dial:.6g}") for dial in np.logspace(-6, 1, 281))
"""Forty settings a decade, in USD per task: one step changes spend by few percent."""


class SpendPlan(msgspec.Struct, frozen=True):
    """A policy that keeps to a monthly spend, what it is expected to do, and the whole predicted curve.

    `expected.quality` is predicted, not measured: these tasks have no outcomes.
    """

    policy: Policy
    expected: DialPoint
    curve: Curve


def spend_curve(router: Router, tasks: Sequence[Task | str]) -> Curve:
    """Return the mean predicted quality and mean expected cost of tasks at every dial of `DIALS`.

    Tasks that no model can do are left out. The router's own escalation counts where its policy sets a confidence.

    Raises:
        InvalidTask: no tasks, or one that can't be used.
        InvalidInput: no model can do any of them.
    """
    if not tasks:
        raise InvalidTask("No tasks were given; a spend target is solved on the traffic seen.")
    readings = Readings(
        fast=None if router.profile == "deep" else router.candidates(tasks, "fast"),
        deep=None if router.profile == "fast" else router.candidates(tasks, "deep"),
        margin=router.bundle.manifest.deep_margin,
    )
    return readings.curve(DIALS, _stated_confidence(router.policy))


def plan_spend(
    router: Router, tasks: Sequence[Task | str], *, usd_per_month: float, tasks_per_month: float
) -> SpendPlan:
    """Return the policy with the largest dial whose expected spend on such tasks is at most `usd_per_month`.

    It is an expectation over traffic like this, not a limit that is enforced.

    Raises:
        InvalidTask: no tasks, or one that can't be used.
        InvalidInput: even the cheapest setting spends more; the message says how much.
    """
    curve = spend_curve(router, tasks)
    point = solve_spend(curve, tasks_per_month, usd_per_month)
    policy = Policy(trade_usd=point.trade_usd, confidence=_stated_confidence(router.policy))
    return SpendPlan(policy, point, curve)


def _stated_confidence(policy: Policy) -> float | None:
    """Return the confidence that the policy states itself: the default isn't meant to override a target."""
    return policy.confidence if isinstance(policy.confidence, float | int) else None
