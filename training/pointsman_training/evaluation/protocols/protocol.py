"""What every protocol takes and gives."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.bootstrap import FEWEST_DRAWS
from pointsman_training.evaluation.tables import Table
from pointsman_training.pipeline import Run

_CHEAP: Final = Run(folds=2)


@dataclass(frozen=True)
class Inputs:
    """Paths of outcomes, prices, labelled tasks and their translations, and the bundle.

    The bundle may be None: the one that comes along. Protocols that train take nothing but the encoder from it.
    """

    outcomes: Sequence[str | os.PathLike[str]]
    prices: str | os.PathLike[str]
    tasks: Sequence[str | os.PathLike[str]] = ()
    held_out_tasks: Sequence[str | os.PathLike[str]] = ()
    bundle: str | os.PathLike[str] | None = None
    translations: Sequence[str | os.PathLike[str]] = ()


@dataclass(frozen=True)
class Options:
    """How to run a protocol; each reads what concerns it.

    `run` is how a training is done and holds the seed; `seeds` trainings are averaged; `sizes` are numbers of prompts;
    `sample` is how many texts of each set are perturbed at most; `everywhere` leaves the held-out kind of task out of
    all sources; `strict` trains again without each model that is left out. None takes all sources, or all kinds of
    tasks.
    """

    run: Run = _CHEAP
    profile: Depth = "deep"
    source: str | None = None
    task_type: str | None = None
    pair: tuple[str, str] | None = None
    everywhere: bool = False
    strict: bool = False
    seeds: int = 3
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    draws: int = FEWEST_DRAWS
    sample: int = 500
    progress: Callable[[str], None] = lambda line: None


class ProtocolReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="protocol"):
    """The result of one protocol: plain data, in words and as tables. `notes` are the caveats a reader needs."""

    notes: tuple[str, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        raise NotImplementedError

    @property
    def tables(self) -> tuple[Table, ...]:
        """All figures, in the order in which they are read."""
        raise NotImplementedError

    @property
    def figures(self) -> dict[str, str]:
        """Figures as SVG text by name; none unless a protocol draws some."""
        return {}

    def to_json(self) -> bytes:
        """Return the report as indented JSON with the protocol's name; what is undefined is null."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)
