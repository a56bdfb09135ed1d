"""Decisions as they are given away: the chosen model, what else would do, and the reason in words."""

import msgspec

from pointsman.considered import Columns
from pointsman.fleet_table import FleetTable
from pointsman.policy import Pledge, constant_words, reason
from pointsman.policy.reasons import escalation_words
from pointsman.types import COMPLEXITIES, TASK_TYPES, Complexity, Decision, Task


class Verdicts(msgspec.Struct, frozen=True):
    """What all decisions of a router have in common.

    `bundle` is the digest; `constant` the model served always, None where tasks are routed; `threshold` the chance
    below which a choice escalates, None where none does; `pledge` what a quality target promises.
    """

    table: FleetTable
    bundle: str
    strategy: str
    constant: str | None
    threshold: float | None
    pledge: Pledge | None

    def decision(self, task: Task, columns: Columns, row: int, order: list[int], origin: int | None) -> Decision:
        """Return the decision on one row: `order` are the able models, best first, `origin` is who gave way."""
        candidates = columns.candidates(row, order, self.table)
        chosen = candidates[0]
        strongest = max(candidates, key=lambda candidate: candidate.quality)
        probabilities = dict(zip(COMPLEXITIES, columns.complexity[row], strict=True))
        complexity = Complexity(max(probabilities, key=probabilities.__getitem__), probabilities)
        kind = TASK_TYPES[columns.types[row]]
        names, baseline = self.table.models.models, self.table.fleet.baseline
        unable = len(names) - len(order)
        return Decision(
            model=chosen.model,
            reason=reason(
                (chosen.model, chosen.quality, chosen.cost_nanousd),
                (strongest.model, strongest.quality, strongest.cost_nanousd),
                strategy="constant" if chosen.model == self.constant else self.strategy,
                task_words=f"{complexity.label} {kind.replace('_', ' ')}",
                is_measured=chosen.is_measured,
                excluded=unable,
            )
            + ("" if self.constant is None else constant_words(self.constant, [one.model for one in candidates]))
            + self._escalation_words(columns, row, origin),
            fallbacks=tuple([candidate.model for candidate in candidates[1:]]),
            complexity=complexity,
            type=kind,
            is_type_predicted=task.type is None,
            quality=chosen.quality,
            confidence=chosen.quality,
            cost_nanousd=chosen.cost_nanousd,
            output_tokens=chosen.output_tokens,
            baseline=baseline,
            saving_nanousd=columns.cost_nanousd[row][names.index(baseline)] - chosen.cost_nanousd if baseline else None,
            candidates=candidates,
            strategy=self.strategy,
            profile=columns.depth,
            novelty=columns.novelty[row],
            propensity=1.0,
            bundle=self.bundle,
            task_id=task.id,
            tags=task.tags,
            escalated_from=None if origin is None else names[origin],
            features=columns.features[row] if columns.features else (),
            promise=None if self.pledge is None else self.pledge.of(columns.novelty[row], unable),
        )

    def _escalation_words(self, columns: Columns, row: int, origin: int | None) -> str:
        if origin is None or self.threshold is None:
            return ""
        return escalation_words(self.table.models.models[origin], columns.quality[row][origin], self.threshold)
