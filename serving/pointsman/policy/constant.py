"""A bundle that didn't beat its best constant serves that one model, openly."""

import numpy as np

from pointsman.policy.candidates import Candidates, Floats, Integers


def constant_first(orders: Integers, candidates: Candidates, place: int) -> Integers:
    """Return model indices (n_tasks, n_models), `place` moved to the front where it is able, all else in its order."""
    rank = np.where(candidates.is_able[:, [place]], orders != place, True)
    return np.take_along_axis(orders, np.argsort(rank, axis=1, kind="stable"), axis=1)


def lead_of_constant(leads: Floats, candidates: Candidates, place: int) -> Floats:
    """Return the leads (n_tasks,), infinite where the constant is able: no prediction can change that choice."""
    return np.where(candidates.is_able[:, place], np.float32(np.inf), leads)


def constant_words(constant: str, order: list[str]) -> str:
    """Return what a decision says about the constant, given the able models, the chosen one first."""
    if order[0] == constant:
        return f" This bundle serves {constant} always: on held-out outcomes nothing beat it."
    why = "but a budget decided otherwise here" if constant in order else "which isn't able here"
    return f" This bundle serves {constant} always, {why}."
