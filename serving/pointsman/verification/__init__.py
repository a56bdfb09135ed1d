"""Whether an answer is good: checks, judges, and when to go on to the next model. Pure."""

from pointsman.verification.agreement import agreement, final_answer, majority
from pointsman.verification.belief import ASSUMED_BELIEF, Belief, belief_from_json
from pointsman.verification.checks import Expectation, check
from pointsman.verification.council import METHODS, Ask, Method, Verdict, aggregate, evaluate
from pointsman.verification.fitting import FEWEST_ROWS, Judged, fit_belief
from pointsman.verification.judging import PROMPT_VERSION, judge_prompt, judged_poor, read_scores, rubric_prompt
from pointsman.verification.pairs import Comparison, compare
from pointsman.verification.rubrics import GENERAL_RUBRIC, SCRIPT_RUBRIC, Criterion, Rubric, Scale
from pointsman.verification.signals import SIGNALS, Signals
from pointsman.verification.stopping import (
    ASSUMED_AUC,
    DEFAULT_SPREAD,
    Answer,
    Cascade,
    Outlook,
    beliefs,
    best_answer,
    next_call,
)

__all__ = [
    "ASSUMED_AUC",
    "ASSUMED_BELIEF",
    "DEFAULT_SPREAD",
    "FEWEST_ROWS",
    "GENERAL_RUBRIC",
    "METHODS",
    "PROMPT_VERSION",
    "SCRIPT_RUBRIC",
    "SIGNALS",
    "Answer",
    "Ask",
    "Belief",
    "Cascade",
    "Comparison",
    "Criterion",
    "Expectation",
    "Judged",
    "Method",
    "Outlook",
    "Rubric",
    "Scale",
    "Signals",
    "Verdict",
    "aggregate",
    "agreement",
    "belief_from_json",
    "beliefs",
    "best_answer",
    "check",
    "compare",
    "evaluate",
    "final_answer",
    "fit_belief",
    "judge_prompt",
    "judged_poor",
    "majority",
    "next_call",
    "read_scores",
    "rubric_prompt",
]
