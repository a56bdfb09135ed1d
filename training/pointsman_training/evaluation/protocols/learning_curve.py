"""How much labels teach: trainings on nested random groups of the main source, measured on its dev split.

Each size is learned alone, and together with all train rows of the other sources; the baselines learn from the same
prompts alone. A size that the source doesn't have is all that it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidInput, InvalidOutcomes
from pointsman_training.evaluation.baselines import fitted_baselines
from pointsman_training.evaluation.bootstrap import Interval, drawn_weights, of_draws, weighted_mean
from pointsman_training.evaluation.figures import row_loss
from pointsman_training.evaluation.plots import lines_svg
from pointsman_training.evaluation.protocols.headlines import (
    HEADS,
    Headline,
    Spread,
    cells,
    chance_of,
    headline_of,
    spread,
)
from pointsman_training.evaluation.protocols.material import Material, contest_on, dev_rows, learn_from, read_material
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import POINTSMAN, Contest, Route, dialled
from pointsman_training.evaluation.words import signed
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers

TOGETHER: Final = f"{POINTSMAN}, with the other sources"
FEWEST: Final = 30
"""Fewer prompts don't fill the folds of training and baselines."""
_DRAWN: Final = (POINTSMAN, TOGETHER, "kNN", "embedding, logistic")


class Learner(msgspec.Struct, frozen=True):
    """One learner at one size, over the trainings; the difference is Pointsman's log-loss minus this one's, paired."""

    name: str
    spread: Spread
    log_loss_difference: Interval | None


class Size(msgspec.Struct, frozen=True):
    """All learners on so many labelled prompts; the first is Pointsman. `prompts` are those of each training."""

    wanted: int
    prompts: tuple[int, ...]
    learners: tuple[Learner, ...]


class LearningCurve(ProtocolReport, frozen=True, kw_only=True, tag="learning-curve"):
    """What more labels are worth, and what other sources are worth beside few."""

    source: str
    profile: str
    prompts: int
    groups: int
    other_prompts: int
    models: tuple[str, ...]
    reference: str
    seeds: tuple[int, ...]
    draws: int
    sizes: tuple[Size, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        return (
            f"Learned from a part of {self.source}, {len(self.seeds)} random parts a size, alone and with "
            f"{self.other_prompts:,} prompts of other sources; measured on {self.prompts:,} dev prompts "
            f"({self.groups:,} groups), profile {self.profile}. Reference: {self.reference}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """The figures, then the differences in log-loss."""
        each = [(_words(size), learner) for size in self.sizes for learner in size.learners]
        return (
            Table(
                "Figures on dev by labelled prompts, mean ± standard deviation over the parts",
                ("prompts", "learner", *HEADS),
                tuple((size, one.name, *cells(one.spread)) for size, one in each),
                texts=2,
            ),
            Table(
                f"Log-loss of Pointsman, learned alone, minus this, paired, 95 %, {self.draws:,} draws of dev groups",
                ("prompts", "learner", "difference"),
                tuple(
                    (size, one.name, signed(one.log_loss_difference, 4))
                    for size, one in each
                    if one.log_loss_difference
                ),
                texts=2,
            ),
        )

    @property
    def figures(self) -> dict[str, str]:
        """Log-loss by labelled prompts: Pointsman alone and with other sources, and two baselines."""
        lines: dict[str, list[tuple[float, float]]] = {name: [] for name in _DRAWN}
        for size in self.sizes:
            for learner in size.learners:
                if learner.name in lines:
                    point = (float(np.mean(size.prompts)), learner.spread.mean.log_loss)
                    lines[learner.name].append(point)
        drawn = {name: line for name, line in lines.items() if line}
        return {"learning-curve": lines_svg(drawn, "labelled prompts (logarithmic)", "log-loss on dev")}


@dataclass(frozen=True)
class _Lesson:
    """One part of the main source: what each learner reached, its loss on every dev prompt, and the contest."""

    prompts: int
    contest: Contest
    headlines: dict[str, Headline]
    losses: dict[str, Doubles]


def run(inputs: Inputs, options: Options) -> LearningCurve:
    """Return the figures of every size in `options.sizes`, each learned `options.seeds` times.

    Raises:
        PointsmanError: inputs can't be read, there are no dev rows, or a size is too small to learn from.
    """
    material = read_material(inputs, options.run)
    home = np.intersect1d(material.rows(material.main_source), material.train_rows)
    if min(options.sizes) < FEWEST:
        raise InvalidInput(f"--sizes has {min(options.sizes)}; expected at least {FEWEST} prompts to learn from.")
    seeds = tuple(range(options.run.seed, options.run.seed + options.seeds))
    lessons = {
        wanted: [
            _lesson(material, home, wanted, replace(options, run=replace(options.run, seed=seed))) for seed in seeds
        ]
        for wanted in distinct_sizes(options.sizes, len(home))
    }
    contest = _same_contest([lesson for each in lessons.values() for lesson in each])
    rng = np.random.default_rng(options.run.seed)
    weights = drawn_weights(contest.examples.groups, options.draws, rng)
    return LearningCurve(
        source=material.main_source,
        profile=options.profile,
        prompts=len(contest.scores),
        groups=len(set(contest.examples.groups.tolist())),
        other_prompts=len(material.train_rows) - len(home),
        models=contest.models,
        reference=contest.models[contest.reference],
        seeds=seeds,
        draws=options.draws,
        sizes=tuple(_size(wanted, each, weights) for wanted, each in lessons.items()),
        notes=_notes(lessons, len(home)),
    )


def _same_contest(lessons: Sequence[_Lesson]) -> Contest:
    """Return the contest of the first lesson; all must choose among the same models.

    Raises:
        InvalidOutcomes: a part had no score of some model, so that figures of the parts can't be compared.
    """
    first = lessons[0].contest
    for lesson in lessons:
        if missing := sorted(set(first.models) ^ set(lesson.contest.models)):
            raise InvalidOutcomes(
                f"A part of {lesson.prompts:,} prompts lacks scores of {missing[0]!r}, which others have; learn from "
                "larger --sizes, or leave the price of a sparse model empty."
            )
    return first


def distinct_sizes(sizes: Sequence[int], available: int) -> tuple[int, ...]:
    """Return the sizes in ascending order, without those beyond the first that takes everything."""
    ordered = sorted(set(sizes))
    whole = [size for size in ordered if size >= available][:1]
    return (*(size for size in ordered if size < available), *whole)


def part_of(groups: npt.NDArray[np.str_], size: int, rng: np.random.Generator) -> Integers:
    """Return the rows of whole random groups, as many as `size` rows hold; the same draw of a larger size has them too.

    A group that no longer fits ends the part.
    """
    _, member = np.unique(groups, return_inverse=True)
    place = rng.permutation(member.max() + 1)[member]
    order = np.argsort(place, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(place[order]) != 0, True)) + 1
    taken = ends[ends <= size]
    return np.sort(order[: taken[-1] if len(taken) else 0])


def _lesson(material: Material, home: Integers, wanted: int, options: Options) -> _Lesson:
    outcomes, source, seed = material.outcomes, material.main_source, options.run.seed
    rows = home[part_of(outcomes.groups[home], wanted, np.random.default_rng(seed))]
    others = np.setdiff1d(material.train_rows, home)
    dev = dev_rows(material, source)
    routers: dict[str, tuple[Contest, Route]] = {}
    for name, learned_rows in {POINTSMAN: rows, TOGETHER: np.union1d(rows, others)}.items():
        if name == TOGETHER and not len(others):
            continue
        options.progress(f"{len(rows):,} prompts, seed {seed}: training {name} on {len(learned_rows):,}")
        _, learned = learn_from(material, learned_rows, options.run, source)
        contest = contest_on(material, learned, dev, source, options.profile)
        routers[name] = contest, dialled(contest, name, "", contest.chance, contest.expected_costs)
    alone = routers[POINTSMAN][0]
    lessons = material.examples(rows, source, alone.models, options.profile)
    with threadpool_limits(1):
        for baseline in fitted_baselines(lessons, alone.examples, seed):
            route = dialled(alone, baseline.name, baseline.setting, baseline.chance, alone.expected_costs)
            routers[baseline.name] = alone, route
    return _Lesson(
        len(rows),
        alone,
        {name: headline_of(*both) for name, both in routers.items()},
        {name: row_loss(chance_of(route), contest.scores) for name, (contest, route) in routers.items()},
    )


def _size(wanted: int, lessons: Sequence[_Lesson], weights: Doubles) -> Size:
    losses = {
        name: weighted_mean(np.mean([lesson.losses[name] for lesson in lessons], axis=0), weights)
        for name in lessons[0].losses
    }
    return Size(
        wanted,
        tuple(lesson.prompts for lesson in lessons),
        tuple(
            Learner(
                name,
                spread([lesson.headlines[name] for lesson in lessons]),
                None if name == POINTSMAN else of_draws(losses[POINTSMAN] - losses[name]),
            )
            for name in losses
        ),
    )


def _notes(lessons: Mapping[int, Sequence[_Lesson]], available: int) -> tuple[str, ...]:
    notes = [
        "A label is a prompt with the scores of all models that did it. Parts are whole groups and nested by seed.",
        "Pointsman learns from the labelled tasks as well, if they were given; the baselines can't.",
        "All learners weigh quality against Pointsman's expected costs, those of the same part.",
        "Intervals are of the dev prompts; the choice of part is averaged over.",
    ]
    if max(lessons) >= available:
        notes.append(f"{max(lessons):,} stands for all {available:,} train prompts: there are no more.")
    return tuple(notes)


def _words(size: Size) -> str:
    least, most = min(size.prompts), max(size.prompts)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
