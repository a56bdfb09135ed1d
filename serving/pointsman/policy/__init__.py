"""Who may do a task, and who should: pure functions over tables of candidates."""

from pointsman.policy.candidates import Candidates, ModelTable
from pointsman.policy.constant import constant_first, constant_words, lead_of_constant
from pointsman.policy.drift import Drift, novelty_drift
from pointsman.policy.escalation import escalated, is_certain
from pointsman.policy.filters import able_models, exclusions
from pointsman.policy.policy import Policy
from pointsman.policy.reasons import reason
from pointsman.policy.scoring import Components, Weights, score, weighted
from pointsman.policy.strategies import STRATEGIES, lead, ranking
from pointsman.policy.targets import DIALS, Pledge, Readings, pledge, solve_quality, solve_spend

__all__ = [
    "DIALS",
    "STRATEGIES",
    "Candidates",
    "Components",
    "Drift",
    "ModelTable",
    "Pledge",
    "Policy",
    "Readings",
    "Weights",
    "able_models",
    "constant_first",
    "constant_words",
    "escalated",
    "exclusions",
    "is_certain",
    "lead",
    "lead_of_constant",
    "novelty_drift",
    "pledge",
    "ranking",
    "reason",
    "score",
    "solve_quality",
    "solve_spend",
    "weighted",
]
