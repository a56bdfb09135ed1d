"""Tasks read at one depth, and what each candidate would do: the arrays a decision is read off."""

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.events.features import features_of
from pointsman.fleet_table import FleetTable
from pointsman.policy import Candidates, Components
from pointsman.prediction import Reading
from pointsman.types import Candidate, Scores


class Considered(msgspec.Struct, frozen=True):
    """n tasks read at one depth, with every candidate's utility."""

    reading: Reading
    types: npt.NDArray[np.int64]
    input_tokens: npt.NDArray[np.int64]
    candidates: Candidates
    components: Components
    utility: npt.NDArray[np.float32]


class Columns(msgspec.Struct, frozen=True):
    """The arrays of `Considered` as lists: Python reads numbers out of lists ten times faster than out of arrays."""

    quality: list[list[float]]
    cost_nanousd: list[list[int]]
    output_tokens: list[list[int]]
    cost_score: list[list[float]]
    weighted_score: list[list[float]]
    utility: list[list[float]]
    complexity: list[list[float]]
    types: list[int]
    novelty: list[float]
    depth: str
    features: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, considered: Considered, *, with_features: bool = False) -> "Columns":
        """Return the lists of these arrays; `with_features` also of what the graph said, as the log keeps it."""
        rows = range(len(considered.types)) if with_features else ()
        return cls(
            quality=considered.candidates.quality.tolist(),
            cost_nanousd=considered.candidates.cost_nanousd.tolist(),
            output_tokens=considered.candidates.output_tokens.tolist(),
            cost_score=considered.components.cost.tolist(),
            weighted_score=considered.components.total.tolist(),
            utility=considered.utility.tolist(),
            complexity=considered.reading.complexity.tolist(),
            types=considered.types.tolist(),
            novelty=considered.reading.novelty.tolist(),
            depth=considered.reading.depth,
            features=tuple(features_of(considered.reading, row) for row in rows),
        )

    def candidates(self, row: int, order: list[int], table: FleetTable) -> tuple[Candidate, ...]:
        """Return the candidates of one task in this order; all of them are able, so their capability is 1."""
        quality, cost, tokens = self.quality[row], self.cost_nanousd[row], self.output_tokens[row]
        cheapness, total, utility = self.cost_score[row], self.weighted_score[row], self.utility[row]
        models, is_measured, availability = table.models.models, table.models.is_measured, table.availability
        return tuple(
            [
                Candidate(
                    models[m],
                    quality[m],
                    cost[m],
                    tokens[m],
                    is_measured[m],
                    Scores(1.0, quality[m], availability[m], cheapness[m], total[m]),
                    utility[m],
                )
                for m in order
            ]
        )
