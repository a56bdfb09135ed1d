"""Leave one source out: train on all others, measure on the one held out.

Rows of other sources that share a group with the held source are left out too. Judged are the models whose outcomes in
other sources were learned; difficulty is predicted from them, or from the learned fleet where none is shared. Nothing
is fitted to the held source: the calibration error includes how differently it asks and scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidOutcomes
from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.bootstrap import Interval, drawn_weights, of_draws, weighted_mean, weighted_spearman
from pointsman_training.evaluation.figures import mean_prediction, row_loss
from pointsman_training.evaluation.learners import column_means, neighbours
from pointsman_training.evaluation.plots import intervals_svg
from pointsman_training.evaluation.protocols.headlines import predicts
from pointsman_training.evaluation.protocols.material import (
    TRAIN,
    Material,
    chances_of,
    check_known,
    learn_from,
    outputs_of,
    read_material,
)
from pointsman_training.evaluation.protocols.pairs import (
    CHARACTERS,
    LENGTH,
    ROUTELLM_PAIR,
    PairFigures,
    pair_figures,
    pair_rows,
    pair_table,
)
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.report import Prediction
from pointsman_training.evaluation.scores import spearman
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import POINTSMAN
from pointsman_training.evaluation.words import number, ranged, signed
from pointsman_training.examples import Dataset
from pointsman_training.learned import Learned
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers

_NEIGHBOURS: Final = 100
KNN: Final = f"kNN, k = {_NEIGHBOURS}"
CONSTANT: Final = "each model's mean elsewhere"


class Judge(msgspec.Struct, frozen=True):
    """One predictor: means over the known models, and its rank correlation with difficulty.

    `prediction` is None for what predicts no chances. `log_loss_difference` is Pointsman's minus this one's, paired.
    """

    name: str
    difficulty_spearman: float
    prediction: Prediction | None = None
    log_loss_difference: Interval | None = None


class HeldSource(msgspec.Struct, frozen=True):
    """The figures on one held source; the first judge is Pointsman. `scale` is the source that quality is predicted on.

    `left_out` counts train rows of other sources that share a group with it. `pair` is None where a model is missing.
    """

    source: str
    scale: str
    prompts: int
    groups: int
    train_prompts: int
    left_out: int
    models: int
    known_models: tuple[str, ...]
    difficulty_spearman: Interval
    judges: tuple[Judge, ...]
    pair: PairFigures | None


class LeaveSourceOut(ProtocolReport, frozen=True, kw_only=True, tag="leave-source-out"):
    """What is left of the predictions on sources that training never saw."""

    profile: str
    draws: int
    seed: int
    sources: tuple[HeldSource, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        return (
            f"One source left out of training at a time, measured on it; profile {self.profile}. Intervals: 95 %, "
            f"{self.draws:,} draws of groups, seed {self.seed}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """Sources, then judges on each, then the pair where it was scored."""
        pairs = [(held.source, held.pair) for held in self.sources if held.pair]
        return (_sources(self.sources), _judges_table(self.sources), *([pair_table("source", pairs)] if pairs else []))

    @property
    def figures(self) -> dict[str, str]:
        """Spearman by held-out source, with intervals."""
        values = {held.source: held.difficulty_spearman for held in self.sources}
        return {"leave-source-out": intervals_svg(values, "rank correlation of predicted with real difficulty")}


def run(inputs: Inputs, options: Options) -> LeaveSourceOut:
    """Return the figures on every source, or on `options.source` alone.

    Raises:
        PointsmanError: inputs can't be read, there is no such source, or too little is left to train on.
    """
    material = read_material(inputs, options.run)
    present = sorted(set(material.outcomes.sources.tolist()))
    wanted = present if options.source is None else [check_known("--source", options.source, present)]
    return LeaveSourceOut(
        profile=options.profile,
        draws=options.draws,
        seed=options.run.seed,
        sources=tuple(_held_source(material, source, options) for source in wanted),
        notes=(
            "Nothing is fitted to a held source, not even an offset: its way of asking and scoring is new.",
            f"{KNN} and the means learn from the same rows, in the column that Pointsman's quality refers to.",
            "Difficulty is 1 minus the mean score of the source's models; it is predicted as 1 minus the mean chance "
            "of the known ones. Ranks are those on all rows in every draw.",
        ),
    )


@dataclass(frozen=True)
class _Subject:
    """A held source: its rows, what was learned without it, the known models, and real difficulty (n,)."""

    source: str
    rows: Integers
    dataset: Dataset
    learned: Learned
    known: tuple[str, ...]
    difficulty: Doubles


def _held_source(material: Material, source: str, options: Options) -> HeldSource:
    outcomes, subject = material.outcomes, _subject(material, source, options)
    rng = np.random.default_rng(options.run.seed)
    weights = drawn_weights(outcomes.groups[subject.rows], options.draws, rng)
    chances = _chances(material, subject, options.profile)
    predicted = 1 - chances[POINTSMAN].mean(axis=1)
    elsewhere = (outcomes.splits == TRAIN) & (outcomes.sources != source)
    train_prompts = int((~subject.dataset.is_task).sum())
    return HeldSource(
        source=source,
        scale=subject.dataset.main_source,
        prompts=len(subject.rows),
        groups=len(set(outcomes.groups[subject.rows].tolist())),
        train_prompts=train_prompts,
        left_out=int(elsewhere.sum()) - train_prompts,
        models=len(material.models_of(source)),
        known_models=subject.known,
        difficulty_spearman=of_draws(weighted_spearman(predicted, subject.difficulty, weights)),
        judges=_judges(material, subject, chances, weights),
        pair=_pair(material, subject, chances, options),
    )


def _subject(material: Material, source: str, options: Options) -> _Subject:
    held = material.rows(source)
    train = material.train_rows_outside(held)
    if not len(train):
        raise InvalidOutcomes(f"Without {source!r} and its groups no train row is left; add another source.")
    options.progress(f"{source}: training on {len(train):,} prompts of other sources")
    dataset, learned = learn_from(material, train, options.run, material.fullest_source(train))
    models = material.models_of(source)
    scores = material.outcomes.scores[np.ix_(held, material.columns(source, models))]
    known = tuple(model for model in models if model in learned.reference)
    difficulty: Doubles = 1 - np.nanmean(scores.astype(np.float64), axis=1)
    return _Subject(source, held, dataset, learned, known, difficulty)


def _chances(material: Material, subject: _Subject, depth: Depth) -> dict[str, Doubles]:
    """Return chances (n, k) by judge, of the known models, else of the learned fleet."""
    learned, models = subject.learned, subject.known or subject.learned.fleet.names
    outputs = outputs_of(material, learned, subject.rows, depth)
    prompts = np.flatnonzero(~subject.dataset.is_task)
    taught = subject.dataset.examples.scores[np.ix_(prompts, np.array([learned.reference[model] for model in models]))]
    embedding, fresh = (getattr(part, depth) for part in (subject.dataset.features, material.features))
    nearest = neighbours(embedding[prompts], taught, _NEIGHBOURS)
    return {
        POINTSMAN: chances_of(learned, outputs, models, depth).astype(np.float64),
        KNN: nearest(fresh[subject.rows]),
        CONSTANT: np.tile(column_means(taught), (len(subject.rows), 1)),
    }


def _judges(
    material: Material, subject: _Subject, chances: Mapping[str, Doubles], weights: Doubles
) -> tuple[Judge, ...]:
    scores = material.outcomes.scores[np.ix_(subject.rows, material.columns(subject.source, subject.known))]
    judged = np.isfinite(scores).any(axis=1)
    losses = {
        name: weighted_mean(row_loss(chance[judged], scores[judged].astype(np.float64)), weights[:, judged])
        for name, chance in chances.items()
        if judged.any()
    }
    judges = [
        Judge(
            name,
            spearman(1 - chance.mean(axis=1), subject.difficulty),
            mean_prediction(chance, scores) if judged.any() else None,
            of_draws(losses[POINTSMAN] - losses[name]) if judged.any() and name != POINTSMAN else None,
        )
        for name, chance in chances.items()
    ]
    return (*judges, Judge(LENGTH, spearman(_length(material, subject.rows), subject.difficulty)))


def _length(material: Material, rows: Integers) -> Doubles:
    length: Doubles = material.features.counts[rows, CHARACTERS].astype(np.float64)
    return length


def _pair(
    material: Material, subject: _Subject, chances: Mapping[str, Doubles], options: Options
) -> PairFigures | None:
    """Return the figures of the pair if both models are in the source and known elsewhere."""
    pair = options.pair or ROUTELLM_PAIR
    if not set(pair) <= set(subject.known):
        return None
    strong, weak = map(subject.known.index, pair)
    scored = pair_rows(material, subject.rows, subject.source, pair)
    places = np.searchsorted(subject.rows, scored)
    margins = {name: (chance[:, strong] - chance[:, weak])[places] for name, chance in chances.items()}
    margins[LENGTH] = _length(material, scored)
    columns, rng = material.columns(subject.source, pair), np.random.default_rng(options.run.seed)
    return pair_figures(material, [(scored, margins)], columns, options.draws, rng)


def _sources(sources: tuple[HeldSource, ...]) -> Table:
    return Table(
        "Held-out sources: rank correlation of predicted with real difficulty, 95 % intervals",
        ("held out", "scale", "prompts", "groups", "learned from", "left out elsewhere", "models known", "Spearman"),
        tuple(
            (held.source, held.scale, f"{held.prompts:,}", f"{held.groups:,}", f"{held.train_prompts:,}",
             f"{held.left_out:,}", f"{len(held.known_models)} of {held.models}", ranged(held.difficulty_spearman))
            for held in sources
        ),
        texts=2,
    )  # fmt: skip


def _judges_table(sources: tuple[HeldSource, ...]) -> Table:
    return Table(
        "Prediction of the known models, means over models; difference is Pointsman minus this, paired, per prompt",
        ("held out", "judge", "Spearman", "log-loss", "ECE", "AUC", "difference in log-loss"),
        tuple(
            (held.source, judge.name, number(judge.difficulty_spearman), *predicts(judge.prediction),
             signed(judge.log_loss_difference, 4))
            for held in sources
            for judge in held.judges
        ),
        texts=2,
    )  # fmt: skip
