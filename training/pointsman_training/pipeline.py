"""The recipe: outcomes and labelled tasks in, a verified bundle out. Each stage is a module of its own."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import check_target, read_bundle, write_bundle
from pointsman.registry import Price
from pointsman_training.crossfit import cross_fit
from pointsman_training.encode import Encoder, build_encoder, encoder_of_bundle
from pointsman_training.examples import Dataset, Weighting, assemble
from pointsman_training.graph import build_graph
from pointsman_training.heads import Recipe, fit_abilities
from pointsman_training.learned import Learned, calibrate
from pointsman_training.manifest import bundle_contents
from pointsman_training.novelty import fit_novelty
from pointsman_training.outcomes import Outcomes, read_outcomes
from pointsman_training.parity import prove_parity
from pointsman_training.prices import read_prices
from pointsman_training.report import measure, measured_without_dev
from pointsman_training.split import check_no_leak, grouped_folds
from pointsman_training.tables import Features
from pointsman_training.tasks import LabelledTasks, read_tasks

Report = Callable[[str], None]
PARITY_TEXTS: Final = 1_000
PROBE_TEXTS: Final = (
    "Fix the login bug",
    "Prove that every finite integral domain is a field.",
    "SELECT name FROM users WHERE id = 7; -- why is this slow?",
    "Übersetze bitte: 'good morning' → Französisch",
    "1. collect 2. sort 3. sum up (at most 50 words each)",
)


@dataclass(frozen=True)
class Inputs:
    """What to learn from: paths of outcomes and labelled tasks, prices, and the encoder ("default" or a model)."""

    outcomes: Sequence[str | os.PathLike[str]]
    prices: str | os.PathLike[str]
    tasks: Sequence[str | os.PathLike[str]] = ()
    held_out_tasks: Sequence[str | os.PathLike[str]] = ()
    encoder: str = "default"


@dataclass(frozen=True)
class Run:
    """How to learn: everything random comes from `seed`; results don't depend on `jobs`."""

    seed: int = 0
    folds: int = 4
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    recipe: Recipe = Recipe()
    weighting: Weighting = Weighting()
    cache: Path | None = None
    uses_dev: bool = False


def train(inputs: Inputs, output: str | os.PathLike[str], run: Run, report: Report) -> Path:
    """Train a bundle, prove its graph's parity, measure it, and write it to `output`, whole or not at all.

    Raises:
        InvalidOutcomes, InvalidFile: what came in can't be used; nothing is written.
        ParityError: the exported graph disagrees with Python; nothing is written.
    """
    check_target(output)
    stage = _Stages(report)
    prices = read_prices(inputs.prices)
    outcomes, tasks, held_out = (
        read_outcomes(inputs.outcomes),
        read_tasks(inputs.tasks),
        read_tasks(inputs.held_out_tasks),
    )
    stage(f"read {len(outcomes):,} prompts, {int(np.isfinite(outcomes.scores).sum()):,} outcomes, {len(tasks):,} tasks")

    encoder = encoder_of_bundle(read_bundle()) if inputs.encoder == "default" else build_encoder(inputs.encoder)
    features = _features_of(outcomes, encoder, run.cache)
    dataset = assemble(outcomes, features, tasks, encoder.features(tasks.texts, cache=run.cache), run.weighting)
    stage(f"encoded with {encoder.spec.model}, layer {encoder.spec.layer}")

    check_no_leak(dataset.groups, np.flatnonzero(dataset.is_train), np.flatnonzero(~dataset.is_train))
    with threadpool_limits(1):  # the matrices are small: several threads would only wait for each other
        learned = learn(dataset, prices, run, stage)
    metrics = measure(dataset, learned, held_out, encoder.features(held_out.texts))
    if run.uses_dev:
        dataset = replace(dataset, is_train=np.ones(len(dataset), dtype=bool))
        with threadpool_limits(1):
            learned = learn(dataset, prices, run, stage)
        metrics = measured_without_dev(metrics, measure(dataset, learned, held_out, encoder.features(held_out.texts)))

    novelty = fit_novelty(dataset.features.fast[dataset.is_train])
    graph, showing = (
        build_graph(encoder.graph, learned.heads, learned.complexity, novelty, shows_embedding=shows)
        for shows in (False, True)
    )
    stage(f"exported one graph of {len(graph) / 1e6:.1f} MB")

    texts, text_features = _parity_texts(outcomes, tasks, dataset, encoder)
    parity = prove_parity(showing, graph, encoder, texts, text_features, learned.heads, learned.complexity, novelty)
    stage(f"proved parity on {len(texts):,} texts: largest difference {parity:.1g}")

    metrics["parity"] = {"texts": len(texts), "largest_difference": parity}
    manifest, contents = bundle_contents(
        graph, encoder, dataset, learned, novelty, metrics, _origin(outcomes, tasks, run)
    )
    path = write_bundle(output, manifest, contents)
    stage(f"wrote {path}")
    return path


def learn(
    dataset: Dataset, prices: Mapping[str, Price], run: Run, stage: Callable[[str], None] = lambda what: None
) -> Learned:
    """Return everything learned from the training rows of a dataset, calibrated on held-out folds of them."""
    rows = np.flatnonzero(dataset.is_train)
    abilities, lengths = fit_abilities(
        dataset.features.deep[rows],
        dataset.examples.take(rows),
        dataset.columns,
        run.recipe,
        np.random.default_rng(run.seed),
    )
    stage(f"learned abilities of {len(abilities.models)} models in {run.recipe.demands} demands")
    folds = grouped_folds([dataset.groups[row] for row in rows], run.folds, run.seed)
    if len(np.unique(folds)) < run.folds:
        raise InvalidOutcomes(
            f"The training rows have too few groups for {run.folds} folds; use fewer folds, or more prompts."
        )
    fitted = cross_fit(
        dataset,
        rows,
        folds,
        abilities,
        lengths,
        run.recipe,
        seed=run.seed,
        jobs=run.jobs,
        progress=lambda done, of: stage(f"boosted and trained heads {done} of {of}, {run.folds} folds held out"),
    )
    return calibrate(dataset, fitted, abilities, lengths, prices)


def _features_of(outcomes: Outcomes, encoder: Encoder, cache: Path | None) -> Features:
    if outcomes.features is None:
        return encoder.features(outcomes.texts or (), cache=cache)
    if outcomes.encoder != (encoder.spec.model, encoder.spec.layer):
        raise InvalidOutcomes(
            f"The feature rows were made with the encoder {outcomes.encoder}; this run uses "
            f"{(encoder.spec.model, encoder.spec.layer)}. Use that encoder, or train from texts."
        )
    return outcomes.features


def _parity_texts(
    outcomes: Outcomes, tasks: LabelledTasks, dataset: Dataset, encoder: Encoder
) -> tuple[Sequence[str], Features]:
    """Return texts of the tasks, else of the outcomes, else (feature rows alone have none) a few of our own."""
    texts = tasks.texts or outcomes.texts
    if not texts:
        return PROBE_TEXTS, encoder.features(PROBE_TEXTS)
    start = len(outcomes) if len(tasks) else 0
    chosen = np.linspace(0, len(texts) - 1, min(PARITY_TEXTS, len(texts))).astype(np.int64)
    return [texts[index] for index in chosen], dataset.features.take(start + chosen)


def _origin(outcomes: Outcomes, tasks: LabelledTasks, run: Run) -> dict[str, object]:
    return {
        "outcome_files": outcomes.digests,
        "task_files": tasks.digests,
        "prompts": len(outcomes),
        "outcomes": int(np.isfinite(outcomes.scores).sum()),
        "tasks": len(tasks),
        "seed": run.seed,
        "folds": run.folds,
        "uses_dev": run.uses_dev,
    }


class _Stages:
    """Reports each finished stage with the seconds since the start."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._start = time.monotonic()

    def __call__(self, what: str) -> None:
        self._report(f"[{time.monotonic() - self._start:5.1f} s] {what}")
