"""Leave one kind of task out of the main source: train without it, predict and route it.

A kind is a task type with enough prompts; rarer types are put together by what stands before the slash. Left out are
the main source's rows of the kind, and rows anywhere that share a group with one; rows of the same kind in other
sources stay, unless `everywhere`. Baselines learn from what is left of the main source.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidOutcomes
from pointsman_training.evaluation.figures import compare, router_figures
from pointsman_training.evaluation.protocols.headlines import HEADS, Headline, cells, headline_of, predicts, spread
from pointsman_training.evaluation.protocols.material import (
    Material,
    chances_of,
    check_known,
    contest_on,
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
from pointsman_training.evaluation.report import Difference, RouterFigures, Standing
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import POINTSMAN, routes
from pointsman_training.evaluation.words import number, signed
from pointsman_training.learned import Learned
from pointsman_training.network import Integers

FEWEST: Final = 200
"""A kind with fewer prompts isn't held out: its figures would be noise."""


class HeldKind(msgspec.Struct, frozen=True):
    """The figures on one kind; the first router is Pointsman, `reference` the best single model on these prompts.

    `same_kind_elsewhere` counts rows of the kind in other sources that were learned from.
    """

    kind: str
    prompts: int
    groups: int
    train_prompts: int
    baseline_prompts: int
    same_kind_elsewhere: int
    reference: str
    routers: tuple[RouterFigures, ...]
    standing: Standing
    differences: tuple[Difference, ...]
    headline: Headline
    pair: PairFigures | None


class LeaveTaskOut(ProtocolReport, frozen=True, kw_only=True, tag="leave-task-out"):
    """What is left of prediction and routing on kinds of task that training never saw in the main source."""

    source: str
    profile: str
    everywhere: bool
    draws: int
    seed: int
    models: tuple[str, ...]
    kinds: tuple[HeldKind, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        where = "every source" if self.everywhere else self.source
        return (
            f"One kind of task of {self.source} held out at a time, left out of {where}; {len(self.models)} models, "
            f"profile {self.profile}. Intervals: 95 %, {self.draws:,} draws of groups, seed {self.seed}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """Pointsman on each kind, all routers, differences, and the pair where it was scored."""
        pairs = [(held.kind, held.pair) for held in self.kinds if held.pair]
        shown = [_kinds(self.kinds), _routers(self.kinds), _differences(self.kinds)]
        return (*shown, *([pair_table("held out", pairs)] if pairs else []))


def run(inputs: Inputs, options: Options) -> LeaveTaskOut:
    """Return the figures on every kind, or on `options.task_type` alone.

    Raises:
        PointsmanError: inputs can't be read, there is no such kind, or too little is left to train on.
    """
    material = read_material(inputs, options.run)
    source = material.main_source
    kinds = kinds_of(material.outcomes.task_types[material.rows(source)].tolist())
    if not kinds:
        raise InvalidOutcomes(f"No kind of task of {source!r} has {FEWEST} prompts; there is nothing to hold out.")
    wanted = kinds if options.task_type is None else [check_known("--task-type", options.task_type, kinds)]
    held = [_held_kind(material, kind, kinds, options) for kind in wanted]
    return LeaveTaskOut(
        source=source,
        profile=options.profile,
        everywhere=options.everywhere,
        draws=options.draws,
        seed=options.run.seed,
        models=held[0][0],
        kinds=tuple(figures for _, figures in held),
        notes=(
            "Rows that share a group with a held-out one are left out of all sources.",
            "All rows of a kind are measured, train or dev: nothing learned from them.",
            "Baselines learn from the other kinds of the main source; the table by true type knows only means here.",
        ),
    )


def kinds_of(task_types: Sequence[str]) -> list[str]:
    """Return the kinds with at least `FEWEST` prompts: whole types first, then families of the types that are rarer."""
    of_type = Counter(task_types)
    whole = sorted(name for name, count in of_type.items() if count >= FEWEST)
    families = Counter[str]()
    for name, count in of_type.items():
        families[name.split("/")[0]] += 0 if name in whole else count
    return whole + sorted(name for name, count in families.items() if count >= FEWEST and name not in whole)


def is_of_kind(task_types: npt.NDArray[np.str_], kind: str, kinds: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which types are of a kind: the type itself, or one of the family that is no kind of its own."""
    return np.array(
        [name == kind or (name.split("/")[0] == kind and name not in kinds) for name in task_types.tolist()], dtype=bool
    )


def _held_kind(
    material: Material, kind: str, kinds: Sequence[str], options: Options
) -> tuple[tuple[str, ...], HeldKind]:
    """Return the fleet and the figures on one kind."""
    outcomes, source = material.outcomes, material.main_source
    is_kind, is_home = is_of_kind(outcomes.task_types, kind, kinds), outcomes.sources == source
    held = np.flatnonzero(is_kind & is_home)
    train = material.train_rows_outside(held)
    train = train[~is_kind[train]] if options.everywhere else train
    if not is_home[train].any():
        raise InvalidOutcomes(f"Without {kind!r} no train row of {source!r} is left; there is nothing to learn from.")
    options.progress(f"{kind}: training on {len(train):,} prompts")
    _, learned = learn_from(material, train, options.run, source)
    contest = contest_on(material, learned, held, source, options.profile)
    lessons = material.examples(train[is_home[train]], source, contest.models, options.profile)
    with threadpool_limits(1):
        routers = list(routes(contest, lessons, options.run.seed))
    standing, differences = compare(contest, routers, options.draws, np.random.default_rng(options.run.seed))
    figures = HeldKind(
        kind=kind,
        prompts=len(contest.scores),
        groups=len(set(contest.examples.groups.tolist())),
        train_prompts=len(train),
        baseline_prompts=len(lessons.scores),
        same_kind_elsewhere=int(is_kind[train].sum()),
        reference=contest.models[contest.reference],
        headline=headline_of(contest, routers[0]),
        routers=router_figures(contest, routers),
        standing=standing,
        differences=differences,
        pair=_pair(material, learned, held, train[is_home[train]], options),
    )
    return contest.models, figures


def _pair(
    material: Material, learned: Learned, held: Integers, lessons: Integers, options: Options
) -> PairFigures | None:
    """Return the figures of the pair if the main source has both models."""
    pair, source, depth = options.pair or ROUTELLM_PAIR, material.main_source, options.profile
    measured = pair_rows(material, held, source, pair)
    if not (len(measured) and set(pair) <= set(learned.reference)):
        return None
    chance = chances_of(learned, outputs_of(material, learned, measured, depth), pair, depth).astype(np.float64)
    train, fresh = (material.examples(rows, source, pair, depth) for rows in (lessons, measured))
    with threadpool_limits(1):
        margins = {POINTSMAN: chance[:, 0] - chance[:, 1]} | dict(baseline_margins(train, fresh, options.run.seed))
    columns, rng = material.columns(source, pair), np.random.default_rng(options.run.seed)
    return pair_figures(material, [(measured, margins)], columns, options.draws, rng)


def _kinds(kinds: Sequence[HeldKind]) -> Table:
    return Table(
        "Pointsman on kinds of task it never saw in this source; cost relative to the best single model's",
        ("held out", "reference", "prompts", "learned from", "same kind elsewhere", *HEADS),
        tuple(
            (held.kind, held.reference, f"{held.prompts:,}", f"{held.train_prompts:,}",
             f"{held.same_kind_elsewhere:,}", *cells(spread([held.headline])))
            for held in kinds
        ),
        texts=2,
    )  # fmt: skip


def _routers(kinds: Sequence[HeldKind]) -> Table:
    return Table(
        "All routers; log-loss, ECE and AUC are means over models",
        ("held out", "router", "log-loss", "ECE", "AUC", "at 95 %", "at 98 %", "at 100 %", "best score", "APGR"),
        tuple(
            (held.kind, r.name, *predicts(r.prediction), number(r.cost_at_95), number(r.cost_at_98),
             number(r.cost_at_100), number(r.perf_gain, "+.1%"), number(r.apgr))
            for held in kinds
            for r in held.routers
        ),
        texts=2,
    )  # fmt: skip


def _differences(kinds: Sequence[HeldKind]) -> Table:
    return Table(
        "Pointsman minus baseline, paired, 95 % intervals; * excludes 0 (log-loss and cost: below 0 is better)",
        ("held out", "baseline", "log-loss", "APGR", "cost at 98 %"),
        tuple(
            (held.kind, d.baseline, signed(d.log_loss, 4), signed(d.apgr), signed(d.cost_at_98))
            for held in kinds
            for d in held.differences
        ),
        texts=2,
    )
