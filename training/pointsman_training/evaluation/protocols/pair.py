"""The published case of two models: labels on half the prompts of a source, APGR on the other half, and back.

Halves are grouped folds. Pointsman learns from one half and from all other sources, without rows that share a group
with the measured half; once with quality on the scale of the pair's source, once on that of the fullest one. Baselines
learn from the same half.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from pointsman.errors import InvalidInput, InvalidOutcomes
from pointsman_training.evaluation.protocols.material import (
    Material,
    chances_of,
    check_known,
    learn_from,
    outputs_of,
    read_material,
)
from pointsman_training.evaluation.protocols.pairs import (
    ROUTELLM_PAIR,
    PairFigures,
    baseline_margins,
    pair_figures,
    pair_rows,
    pair_table,
)
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import POINTSMAN
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers
from pointsman_training.split import grouped_folds

ROUTELLM: Final = "routellm"
_HALVES: Final = 2


class Pair(ProtocolReport, frozen=True, kw_only=True, tag="pair"):
    """How well the two models of a pair are told apart with labels on half the prompts."""

    source: str
    profile: str
    draws: int
    seed: int
    train_prompts: tuple[int, ...]
    figures_of_pair: PairFigures

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        pair = self.figures_of_pair
        return (
            f"{pair.strong} against {pair.weak} on {pair.prompts:,} prompts of {self.source}, half learned from, half "
            f"measured, and back; profile {self.profile}, {self.draws:,} draws of groups, seed {self.seed}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """One table: the APGR of every router."""
        return (pair_table("source", [(self.source, self.figures_of_pair)]),)


def run(inputs: Inputs, options: Options) -> Pair:
    """Return APGR as the mean over both halves.

    Raises:
        PointsmanError: inputs can't be read, or no prompts have scores of both models.
    """
    material = read_material(inputs, options.run)
    pair, source = options.pair or ROUTELLM_PAIR, _source(material, options)
    scored = _scored(material, source, pair)
    folds = grouped_folds(material.outcomes.groups[scored].tolist(), _HALVES, options.run.seed)
    halves = [(scored[folds == half], scored[folds != half]) for half in range(_HALVES)]
    parts = [(measured, dict(_margins(material, source, measured, learned, options))) for measured, learned in halves]
    rng = np.random.default_rng(options.run.seed)
    return Pair(
        source=source,
        profile=options.profile,
        draws=options.draws,
        seed=options.run.seed,
        train_prompts=tuple(len(learned) for _, learned in halves),
        figures_of_pair=pair_figures(material, parts, material.columns(source, pair), options.draws, rng),
        notes=(
            "Baselines learn from the pair's labels on one half; Pointsman from these and from all other sources.",
            "Dev and train prompts are used alike: each is measured by what learned nothing from its group.",
        ),
    )


def _source(material: Material, options: Options) -> str:
    present = set(material.outcomes.sources.tolist())
    if options.source is None and ROUTELLM not in present:
        raise InvalidInput(
            f"These outcomes have no source {ROUTELLM!r}; name one of {', '.join(sorted(present))} with --source."
        )
    return check_known("--source", options.source or ROUTELLM, present)


def _scored(material: Material, source: str, pair: tuple[str, str]) -> Integers:
    for model in pair:
        check_known("A model of --pair", model, material.models_of(source))
    scored = pair_rows(material, material.rows(source), source, pair)
    if len(set(material.outcomes.groups[scored].tolist())) < 2 * _HALVES:
        raise InvalidOutcomes(
            f"Only {len(scored)} prompts of {source!r} have scores of both models; a few hundred are needed."
        )
    return scored


def _margins(
    material: Material, source: str, measured: Integers, learned_rows: Integers, options: Options
) -> Iterator[tuple[str, Doubles]]:
    """Yield margins (n,) on the measured half by router, Pointsman first."""
    pair, depth = options.pair or ROUTELLM_PAIR, options.profile
    free = material.train_rows_outside(measured)
    rows = np.union1d(learned_rows, free[material.outcomes.sources[free] != source])
    for name, scale in _scales(material, source).items():
        options.progress(f"{source}: training on {len(rows):,} prompts, quality on the scale of {scale}")
        _, learned = learn_from(material, rows, options.run, scale)
        chance = chances_of(learned, outputs_of(material, learned, measured, depth), pair, depth).astype(np.float64)
        yield name, chance[:, 0] - chance[:, 1]
    train, fresh = (material.examples(part, source, pair, depth) for part in (learned_rows, measured))
    yield from baseline_margins(train, fresh, options.run.seed)


def _scales(material: Material, source: str) -> dict[str, str]:
    """Return the scales of quality by the name of the router that uses it."""
    main = material.main_source
    return {POINTSMAN: source} | ({} if main == source else {f"{POINTSMAN}, on the scale of {main}": main})
