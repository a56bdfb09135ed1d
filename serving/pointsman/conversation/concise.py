"""Short instructions for shorter answers, one for each task type, and what they change, measured on your own traffic.

They are versioned: a change of any text is a new version, so that answers under different texts are never pooled.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidInput
from pointsman.settings import OutputSettings

VERSION: Final = "concise-1"

INSTRUCTIONS: Final[Mapping[str, str]] = {
    "code_generation": "Answer with the code and at most two sentences beside it. Don't restate the task.",
    "debugging": "Name the cause in one or two sentences, then show only the lines that change.",
    "refactoring": "Show the changed code only, then at most two sentences on what changed.",
    "documentation": "Write the documentation itself, without introduction or closing remarks.",
    "code_review": "List the findings, the gravest first, one or two sentences each. Leave out what is fine.",
    "architecture": "Decide first, then give the reasons that weigh, in short paragraphs. Leave out what is generic.",
    "testing": "Answer with the tests and at most two sentences beside them.",
    "optimization": "Name the bottleneck, then show only what changes and what it gains.",
    "data_analysis": "Give the result first, then the numbers it rests on. Leave out what wasn't asked.",
    "summarization": "Answer with the summary alone.",
    "translation": "Answer with the translation alone.",
    "question_answering": "Answer in the first sentence; add only what is needed to understand it.",
    "reasoning": "Work through every step that the result needs, in as few words as it takes, then state the result.",
    "extraction": "Answer with the extracted data alone.",
    "conversation": "Keep the answer short and to the point.",
}
"""Creative writing has none: there the length is the caller's."""

_SPAN: Final = 2**64
_RESAMPLES: Final = 2_000
_INTERVAL: Final = (0.025, 0.975)


def instruction(task_type: str, settings: OutputSettings, unit: str) -> str | None:
    """Return what to append to the system prompt, None for a unit that isn't in the share.

    Give as `unit` what stays the same throughout a conversation (`conversation_key`): an instruction that came and went
    would change the prompt's beginning, and with it lose the provider's cache.
    """
    return INSTRUCTIONS.get(task_type) if settings.concise and is_concise(settings.concise_share, unit) else None


def is_concise(share: float, unit: str) -> bool:
    """Return whether a unit is in the share: the same for ever, and with a greater share too."""
    digest = blake2b(f"{VERSION}\0{unit}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _SPAN


class Trial(msgspec.Struct, frozen=True):
    """One answer of the comparison; `unit` is what it was assigned by, `quality` 0 to 1 where somebody judged it."""

    unit: str
    is_concise: bool
    output_tokens: int
    quality: float | None = None


class Comparison(msgspec.Struct, frozen=True):
    """Means without and with the instruction, and the difference (with less without) with its 95 % interval.

    `answers` counts both sides.
    """

    without: float
    with_it: float
    difference: float
    low: float
    high: float
    answers: tuple[int, int]


class Effect(msgspec.Struct, frozen=True):
    """What the instruction changed; `quality` is None where fewer than two units a side have one."""

    version: str
    output_tokens: Comparison
    quality: Comparison | None


def concise_effect(trials: Sequence[Trial], rng: np.random.Generator) -> Effect:
    """Return the effect on output tokens and quality, with bootstrap intervals over units.

    Units are drawn, not answers: those of one conversation resemble each other. Assignment is by hash of the unit, so
    the two sides differ by chance alone where every task type of the trials has an instruction.

    Raises:
        InvalidInput: fewer than two units on a side.
    """
    lengths = _compared([(trial, float(trial.output_tokens)) for trial in trials], rng)
    if lengths is None:
        sides = [len({trial.unit for trial in trials if trial.is_concise is side}) for side in (False, True)]
        raise InvalidInput(
            f"There are {sides[0]} conversations without the instruction and {sides[1]} with it; expected at least 2 "
            "of each. Set output.concise_share between 0 and 1 and wait for traffic.",
            field="output.concise_share",
        )
    judged = [(trial, trial.quality) for trial in trials if trial.quality is not None]
    return Effect(VERSION, lengths, _compared(judged, rng))


def _compared(values: list[tuple[Trial, float]], rng: np.random.Generator) -> Comparison | None:
    sides = [_by_unit(values, side) for side in (False, True)]
    if min(len(side) for side in sides) < 2:
        return None
    means = [float(side[:, 0].sum() / side[:, 1].sum()) for side in sides]
    without, with_it = (_resampled_means(side, rng) for side in sides)
    low, high = np.quantile(with_it - without, _INTERVAL).tolist()
    answers = (int(sides[0][:, 1].sum()), int(sides[1][:, 1].sum()))
    return Comparison(means[0], means[1], means[1] - means[0], low, high, answers)


def _by_unit(values: list[tuple[Trial, float]], side: bool) -> npt.NDArray[np.float64]:
    """Return the sum and the count of every unit of a side, (n_units, 2)."""
    units: dict[str, list[float]] = {}
    for trial, value in values:
        if trial.is_concise is side:
            unit = units.setdefault(trial.unit, [0.0, 0.0])
            unit[0] += value
            unit[1] += 1.0
    return np.array(list(units.values()), dtype=np.float64).reshape(-1, 2)


def _resampled_means(units: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    means = np.empty(_RESAMPLES)
    for resample in range(_RESAMPLES):
        total, count = units[rng.integers(len(units), size=len(units))].sum(axis=0)
        means[resample] = total / count
    return means
