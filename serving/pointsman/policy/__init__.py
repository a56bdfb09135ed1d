"""Who may do a task, and who should: pure functions over tables of candidates."""

from pointsman.policy.candidates import Candidates, ModelTable
from pointsman.policy.constant import constant_first, constant_words, lead_of_constant
from pointsman.policy.filters import able_models, exclusions
from pointsman.policy.reasons import reason
from pointsman.policy.scoring import Components, Weights, score, weighted
from pointsman.policy.strategies import STRATEGIES, lead, ranking

__all__ = [
    "STRATEGIES",
    "Candidates",
    "Components",
    "ModelTable",
    "Weights",
    "able_models",
    "constant_first",
    "constant_words",
    "exclusions",
    "lead",
    "lead_of_constant",
    "ranking",
    "reason",
    "score",
    "weighted",
]
