"""What every protocol takes and gives."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from pointsman_training.crossfit import Depth
from pointsman_training.evaluation.tables import Table
from pointsman_training.pipeline import Run

FEWEST_FOLDS = 2


@dataclass(frozen=True)
class Inputs:
    """Paths of outcomes, prices and labelled tasks, and the bundle (None: the one that comes along).

    Protocols that train take the encoder from the bundle and nothing else.
    """

    outcomes: Sequence[str | os.PathLike[str]]
    prices: str | os.PathLike[str]
    tasks: Sequence[str | os.PathLike[str]] = ()
    held_out_tasks: Sequence[str | os.PathLike[str]] = ()
    bundle: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class Options:
    """How to run a protocol; each reads what concerns it.

    `run` is how a training is done and holds the seed; `seeds` trainings are averaged; `sizes` are numbers of prompts;
    `everywhere` leaves the held-out kind of task out of all sources; `is_strict` trains again without each model that
    is left out. None takes all sources, or all kinds of tasks.
    """

    run: Run = Run(folds=FEWEST_FOLDS)
    profile: Depth = "deep"
    source: str | None = None
    task_type: str | None = None
    pair: tuple[str, str] | None = None
    everywhere: bool = False
    seeds: int = 3
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    draws: int = 2_000
    is_strict: bool = False
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
