"""Figures in words: what is undefined is a dash."""

import math

from pointsman_training.evaluation.bootstrap import Interval


def number(value: float, form: str = ".3f") -> str:
    """Return a number in this form."""
    return format(value, form) if math.isfinite(value) else "–"


def ranged(interval: Interval, form: str = ".3f") -> str:
    """Return "value [low, high]"."""
    low, high = (number(end, form) for end in (interval.low, interval.high))
    return f"{number(interval.value, form)} [{low}, {high}]"


def signed(interval: Interval | None, digits: int = 3) -> str:
    """Return a difference with its interval, marked * where that excludes 0."""
    if interval is None:
        return "–"
    return f"{ranged(interval, f'+.{digits}f')}{' *' if interval.excludes_zero else ''}"
