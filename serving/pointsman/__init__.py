"""Pointsman picks the cheapest language model that is good enough for a task."""

from pointsman.errors import PointsmanError
from pointsman.policy import Weights
from pointsman.registry import Fleet, load_fleet
from pointsman.router import Policy, Router
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
    "Task",
    "Weights",
    "load_fleet",
]
__version__ = "0.1.0"
