"""Pointsman picks the cheapest language model that is good enough for a task."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pointsman.errors import PointsmanError
    from pointsman.policy import Policy, Weights
    from pointsman.registry import Fleet, load_fleet
    from pointsman.router import Router
    from pointsman.spending import SpendPlan, plan_spend
    from pointsman.types import Candidate, Complexity, Constraints, Decision, Task

__all__ = [
    "Candidate",
    "Complexity",
    "Constraints",
    "Decision",
    "Fleet",
    "PointsmanError",
    "Policy",
    "Router",
    "SpendPlan",
    "Task",
    "Weights",
    "load_fleet",
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
    "SpendPlan": "spending",
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
