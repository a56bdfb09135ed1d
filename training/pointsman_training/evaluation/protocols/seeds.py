"""Training noise: the same training with several seeds, measured on the dev split of the main source.

A seed sets the networks, the boosting and the folds that the stacks are fitted on; the rows stay the same.
"""

from dataclasses import replace

import msgspec
import numpy as np

from pointsman.prediction import read_bundle
from pointsman.prediction.predictor import Depth
from pointsman_training.crossfit import DEPTHS
from pointsman_training.encode import encoder_of_bundle
from pointsman_training.evaluation.protocols.headlines import HEADS, Headline, Spread, cells, headline_of, spread
from pointsman_training.evaluation.protocols.material import contest_on, dev_rows, learn_from, read_material
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.trial import POINTSMAN, dialled
from pointsman_training.learned import Learned
from pointsman_training.tables import Features
from pointsman_training.tasks import LabelledTasks, read_tasks


class AtDepth(msgspec.Struct, frozen=True):
    """The spread at one depth, and the figures of each training, in the order of the seeds.

    `complexity_accuracy` is that on the held-out tasks; it is empty where none were given.
    """

    depth: str
    spread: Spread
    trainings: tuple[Headline, ...]
    complexity_accuracy: tuple[float, ...]


class Seeds(ProtocolReport, frozen=True, kw_only=True, tag="seeds"):
    """How much every headline figure changes from one training to the next."""

    source: str
    prompts: int
    train_prompts: int
    held_out_tasks: int
    models: tuple[str, ...]
    reference: str
    seeds: tuple[int, ...]
    depths: tuple[AtDepth, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        return (
            f"Trained on {self.train_prompts:,} prompts of all sources, seeds {self.seeds[0]} to {self.seeds[-1]}; "
            f"measured on {self.prompts:,} dev prompts of {self.source}. Reference: {self.reference}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """The spread, every training, and complexity where tasks were held out."""
        each = [
            (f"{depth.depth}, seed {seed}", *cells(spread([figures])))
            for depth in self.depths
            for seed, figures in zip(self.seeds, depth.trainings, strict=True)
        ]
        over_all = tuple((depth.depth, *cells(depth.spread)) for depth in self.depths)
        shown = [
            Table("Mean ± standard deviation over trainings", ("depth", *HEADS), over_all),
            Table("Each training", ("depth", *HEADS), tuple(each)),
        ]
        return (*shown, *([_complexity(self)] if self.held_out_tasks else []))


def run(inputs: Inputs, options: Options) -> Seeds:
    """Return the figures of `options.seeds` trainings with consecutive seeds, at both depths.

    Raises:
        PointsmanError: inputs can't be read, or there are no dev rows to measure on.
    """
    material, held_out = read_material(inputs, options.run), read_tasks(inputs.held_out_tasks)
    features = encoder_of_bundle(read_bundle(inputs.bundle)).features(held_out.texts, cache=options.run.cache)
    source, train = material.main_source, material.train_rows
    dev = dev_rows(material, source)
    seeds = tuple(range(options.run.seed, options.run.seed + options.seeds))
    figures: dict[Depth, list[Headline]] = {depth: [] for depth in DEPTHS}
    accuracy: dict[Depth, list[float]] = {depth: [] for depth in DEPTHS}
    for seed in seeds:
        options.progress(f"seed {seed}: training on {len(train):,} prompts")
        _, learned = learn_from(material, train, replace(options.run, seed=seed), source)
        for depth in DEPTHS:
            contest = contest_on(material, learned, dev, source, depth)
            route = dialled(contest, POINTSMAN, "", contest.chance, contest.expected_costs)
            figures[depth].append(headline_of(contest, route))
            if len(held_out):
                accuracy[depth].append(_accuracy(learned, depth, held_out, features))
    return Seeds(
        source=source,
        prompts=len(contest.scores),
        train_prompts=len(train),
        held_out_tasks=len(held_out),
        models=contest.models,
        reference=contest.models[contest.reference],
        seeds=seeds,
        depths=tuple(
            AtDepth(depth, spread(each), tuple(each), tuple(accuracy[depth])) for depth, each in figures.items()
        ),
        notes=("All trainings are measured on the same prompts: the noise of these comes on top of that of training.",),
    )


def _accuracy(learned: Learned, depth: Depth, tasks: LabelledTasks, features: Features) -> float:
    outputs = learned.heads[depth](getattr(features, depth), features.counts)
    return float((learned.complexity[depth].logits(outputs).argmax(axis=1) == tasks.complexity).mean())


def _complexity(report: Seeds) -> Table:
    rows = [
        (depth.depth, f"{np.mean(depth.complexity_accuracy):.1%}",
         f"{np.std(depth.complexity_accuracy, ddof=1):.1%}" if len(report.seeds) > 1 else "–",
         ", ".join(f"{value:.1%}" for value in depth.complexity_accuracy))
        for depth in report.depths
    ]  # fmt: skip
    title = f"Complexity of {report.held_out_tasks:,} tasks by another author: share labelled right"
    return Table(title, ("depth", "mean", "standard deviation", "each training"), tuple(rows))
