"""Pointsman picks the cheapest language model that is good enough for a task."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pointsman.errors import PointsmanError
    from pointsman.outcomes import Outcome
    from pointsman.policy import Policy, Weights
    from pointsman.registry import Fleet, load_fleet
    from pointsman.router import Router
    from pointsman.spending import SpendPlan, plan_spend
    from pointsman.treasury import Treasury, open_treasury
    from pointsman.types import Candidate, Complexity, Constraints, Decision, Task

__all__ = [
    "Candidate",
    "Complexity",
    "Constraints",
    "Decision",
    "Fleet",
    "Outcome",
    "PointsmanError",
    "Policy",
    "Router",
    "SpendPlan",
    "Task",
    "Treasury",
    "Weights",
    "load_fleet",
    "open_treasury",
    "plan_spend",
]
__version__ = "0.1.0"

_HOMES: Final = {
    "PointsmanError": "errors",
    "Policy": "policy",
    "Weights": "policy",
    "Fleet": "registry",
    "load_fleet": "registry",
    "Router": "router",
    "Outcome": "outcomes",
    "SpendPlan": "spending",
    "Treasury": "treasury",
    "open_treasury": "treasury",
    "plan_spend": "spending",
    "Candidate": "types",
    "Complexity": "types",
    "Constraints": "types",
    "Decision": "types",
    "Task": "types",
}
"""Where each public name lives; imported on first use, so that `pointsman --help` needn't load the runtime."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
