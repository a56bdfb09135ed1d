"""Escalation before the call: a task that its model will probably fail goes to the cheapest that will probably do it.

Where no able model reaches the threshold the choice stays as it was. Sending such tasks to the strongest model instead
was measured (docs/targets.md): it pays most where the money buys least.
"""

from typing import Final

import numpy as np

from pointsman.policy.candidates import Booleans, Candidates, Floats, Integers

DEFAULT_CONFIDENCE: Final = 0.7


def escalated(candidates: Candidates, chosen: Integers, threshold: float) -> Integers:
    """Return the model for each task, int64 (n_tasks,), given those `chosen` by utility.

    A chosen model whose chance is below the threshold gives way to the cheapest able model that reaches it. Where none
    has to, `chosen` itself is returned.
    """
    is_low = candidates.quality[np.arange(len(chosen)), chosen] < threshold
    if not is_low.any():
        return chosen
    reaches = candidates.is_able & (candidates.quality >= threshold)
    cheapest = np.where(reaches, candidates.cost_nanousd, np.inf).argmin(axis=1)
    models: Integers = np.where(is_low & reaches.any(axis=1), cheapest, chosen)
    return models


def is_certain(candidates: Candidates, utility: Floats, threshold: float, margin: float) -> Booleans:
    """Return where qualities that are off by less than `margin` don't change whether or where a task escalates.

    bool (n_tasks,): the choice by utility is clear of the threshold, no able model comes near it, or one only is able.
    """
    merit = np.where(candidates.is_able, utility, -np.inf)
    chance = candidates.quality[np.arange(len(merit)), merit.argmax(axis=1)]
    clear: Booleans = chance >= threshold + margin
    if clear.all():
        return clear
    best = np.where(candidates.is_able, candidates.quality, -np.inf).max(axis=1)
    certain: Booleans = clear | (best < threshold - margin) | (candidates.is_able.sum(axis=1) < 2)
    return certain
