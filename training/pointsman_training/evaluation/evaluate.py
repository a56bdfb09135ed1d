"""The recipe: a bundle and outcomes in, one report out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidInput
from pointsman.prediction import Bundle, Manifest, measured_table, read_bundle
from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.baselines import Baseline, Examples
from pointsman_training.evaluation.bootstrap import FEWEST_DRAWS
from pointsman_training.evaluation.complexity import against_labels, against_outcomes
from pointsman_training.evaluation.escalation import escalation_figures
from pointsman_training.evaluation.figures import compare, line, model_figures, prediction, router_figures
from pointsman_training.evaluation.peers import NO_TEXTS, Peer, installed_peers, peer_baselines, peer_complexity
from pointsman_training.evaluation.reading import features_of, read_features
from pointsman_training.evaluation.report import Bin, Confusion, Report, Setup
from pointsman_training.evaluation.rows import (
    ALL,
    Fleet,
    Selection,
    fleet_of,
    main_source,
    real_output_tokens,
    select,
    taken,
)
from pointsman_training.evaluation.scores import reliability, spearman, token_error
from pointsman_training.evaluation.slices import default_policy, slices
from pointsman_training.evaluation.sources import source_figures
from pointsman_training.evaluation.trial import Trial, cheapest_beside, routes
from pointsman_training.metrics import Doubles
from pointsman_training.outcomes import Outcomes, read_outcomes
from pointsman_training.prices import read_prices
from pointsman_training.promise import Predicted
from pointsman_training.tasks import read_tasks

SPLIT_CHOICES: Final = ("dev", "train", ALL)
_FEW_PROMPTS: Final = 500


@dataclass(frozen=True)
class Inputs:
    """Paths: the bundle (None: the one that comes along), outcomes, prices, and labelled tasks.

    Complexity is measured on the held-out ones; peers' tiers are read as complexities as is best on the other ones.
    """

    bundle: str | os.PathLike[str] | None
    outcomes: Sequence[str | os.PathLike[str]]
    prices: str | os.PathLike[str]
    held_out_tasks: Sequence[str | os.PathLike[str]] = ()
    tasks: Sequence[str | os.PathLike[str]] = ()


@dataclass(frozen=True)
class Choice:
    """What to measure; None takes the default: the bundle's source, its fleet, best against cheapest."""

    models: tuple[str, ...] | None = None
    reference: str | None = None
    pair: tuple[str, str] | None = None
    source: str | None = None
    split: str = "dev"
    profile: Depth = "deep"


def evaluate(inputs: Inputs, choice: Choice, draws: int = FEWEST_DRAWS, seed: int = 0) -> Report:
    """Return the report; the same inputs and seed give the same report.

    Raises:
        PointsmanError: inputs can't be read, or the choice doesn't fit them; the message says how.
    """
    bundle, outcomes, fleet, selection = _opened(inputs, choice)
    trial, train, without_tokens = trial_of(bundle, outcomes, fleet, selection, choice)
    peers, absence = installed_peers()

    with threadpool_limits(1):  # the arrays are small: more threads wait for each other, and change last digits
        routers = list(routes(trial, train, seed, _peers(peers, outcomes, selection, train)))
        standing, differences = compare(trial, routers, draws, np.random.default_rng(seed))
    flat_chance, flat_scores = trial.chance.ravel(), trial.scores.ravel()
    bins = reliability(flat_chance, flat_scores)
    is_unseen = unseen(bundle.manifest, outcomes, choice.split)
    return Report(
        setup=Setup(
            bundle=bundle.digest,
            profile=choice.profile,
            source=selection.source,
            split=choice.split,
            prompts=len(selection.measured),
            groups=len(set(trial.examples.groups.tolist())),
            left_out=selection.left_out,
            learned_rows=len(selection.learned),
            is_unseen=is_unseen,
            models=fleet.models,
            reference=fleet.models[trial.reference],
            pair=(fleet.models[trial.strong], fleet.models[trial.weak]),
            draws=draws,
            seed=seed,
            trade_usd=bundle.manifest.trade_usd,
            notes=(
                *_notes(selection, choice.split, is_unseen, without_tokens),
                *([NO_TEXTS] if outcomes.texts is None else [absence] if absence else []),
            ),
        ),
        pooled=prediction(flat_chance, flat_scores),
        token_error=token_error(trial.expected_tokens.ravel(), trial.output_tokens.ravel()),
        difficulty_spearman=spearman(1 - trial.chance.mean(axis=1), 1 - trial.scores.mean(axis=1)),
        models=model_figures(trial),
        reliability=tuple(map(Bin, bins.predicted.tolist(), bins.observed.tolist(), bins.share.tolist())),
        routers=router_figures(trial, routers),
        lines=tuple(map(line, routers)),
        slices=slices(trial, bundle.manifest.trade_usd),
        policy=default_policy(trial, bundle.manifest.trade_usd),
        escalation=escalation_figures(
            Predicted(trial.chance, trial.expected_costs).candidates(),
            trial.scores,
            trial.costs,
            bundle.manifest.trade_usd,
        ),
        complexity=(
            *against_outcomes(outcomes, selection.measured, trial.reading.complexity),
            *_complexity(bundle, inputs, choice.profile, peers),
        ),
        sources=tuple(source_figures(bundle, outcomes, choice.split, choice.profile)),
        standing=standing,
        differences=differences,
    )


def trial_on(inputs: Inputs, choice: Choice) -> Trial:
    """Return the rows that `evaluate` measures on as arrays: chances, scores and costs, prompt by prompt.

    Raises:
        PointsmanError: inputs can't be read, or the choice doesn't fit them; the message says how.
    """
    return trial_of(*_opened(inputs, choice), choice)[0]


def _opened(inputs: Inputs, choice: Choice) -> tuple[Bundle, Outcomes, Fleet, Selection]:
    bundle, outcomes = read_bundle(inputs.bundle), read_outcomes(inputs.outcomes)
    source = main_source(bundle.manifest, outcomes, choice.source)
    fleet = fleet_of(bundle.manifest, outcomes, read_prices(inputs.prices), source, choice.models)
    return bundle, outcomes, fleet, select(outcomes, fleet, source, choice.split)


def _peers(peers: Sequence[Peer], outcomes: Outcomes, selection: Selection, train: Examples) -> Iterable[Baseline]:
    if outcomes.texts is None:
        return ()
    learned, fresh = ([outcomes.texts[row] for row in rows] for rows in (selection.learned, selection.measured))
    return peer_baselines(peers, (learned, train.scores), fresh)


def _complexity(bundle: Bundle, inputs: Inputs, depth: Depth, peers: Sequence[Peer]) -> Iterator[Confusion]:
    """Yield how the bundle labels the held-out tasks, and how peers do where there are tasks to read their tiers by."""
    if inputs.held_out_tasks:
        held_out = read_tasks(inputs.held_out_tasks)
        yield against_labels(bundle, held_out, depth)
        if inputs.tasks:
            yield from peer_complexity(peers, read_tasks(inputs.tasks), held_out)


def unseen(manifest: Manifest, outcomes: Outcomes, split: str) -> bool | None:
    """Return whether the bundle learned nothing from these rows, as far as its manifest tells; None if it doesn't."""
    known_files = set(manifest.training.get("outcome_files", {}).values())
    if not known_files & set(outcomes.digests.values()):
        return None
    if split != "dev":
        return False
    uses_dev = manifest.training.get("uses_dev")
    return None if uses_dev is None else not uses_dev


def trial_of(
    bundle: Bundle, outcomes: Outcomes, fleet: Fleet, selection: Selection, choice: Choice
) -> tuple[Trial, Examples, tuple[str, ...]]:
    """Return the measured rows, the rows that baselines learn from, and the models whose tokens nobody observed."""
    used = np.union1d(selection.measured, selection.learned)
    home = taken(outcomes, used)
    features = features_of(bundle, home)
    everything = Examples(
        getattr(features, choice.profile), features.counts, home.task_types, home.groups, home.scores[:, fleet.columns]
    )
    fresh, learned = (np.searchsorted(used, rows) for rows in (selection.measured, selection.learned))
    examples, train = everything.take(fresh), everything.take(learned)

    reading = read_features(bundle, features.take(fresh), choice.profile)
    abilities = measured_table(bundle.manifest, fleet.models)
    expected_tokens = abilities.output_tokens(reading)
    observed = home.output_tokens[np.ix_(fresh, fleet.columns)]
    input_tokens = home.input_tokens[fresh]
    real_tokens, without = real_output_tokens(observed, expected_tokens)
    costs = fleet.costs(input_tokens, real_tokens)
    reference, strong, weak = _places(fleet.models, costs, examples, choice)
    trial = Trial(
        models=fleet.models,
        examples=examples,
        reading=reading,
        chance=abilities.quality(reading),
        costs=costs,
        expected_costs=fleet.costs(input_tokens, expected_tokens),
        output_tokens=observed,
        expected_tokens=expected_tokens,
        reference=reference,
        strong=strong,
        weak=weak,
        texts=None if home.texts is None else tuple(home.texts[row] for row in fresh),
    )
    return trial, train, tuple(fleet.models[place] for place in without)


def _places(models: tuple[str, ...], costs: Doubles, examples: Examples, choice: Choice) -> tuple[int, int, int]:
    """Return where the reference, the strong and the weak model stand; the wanted ones, else best and cheapest."""
    quality = examples.scores.mean(axis=0, dtype=np.float64)
    named = [] if choice.reference is None else [("--baseline", choice.reference)]
    named += [("--pair", name) for name in choice.pair or ()]
    for option, name in named:
        if name not in models:
            raise InvalidInput(f"{option} names {name!r}, which isn't in the fleet; it has {', '.join(models)}.")
    reference = int(quality.argmax()) if choice.reference is None else models.index(choice.reference)
    if choice.pair:
        strong, weak = map(models.index, choice.pair)
    else:
        strong, weak = reference, cheapest_beside(reference, costs)
    if strong == weak or quality[strong] <= quality[weak]:
        raise InvalidInput(
            f"The pair is {models[strong]} (mean score {quality[strong]:.3f}) against {models[weak]} "
            f"({quality[weak]:.3f}) on these rows; the first must be the better one. Name another with --pair."
        )
    return reference, strong, weak


def _notes(selection: Selection, split: str, is_unseen: bool | None, without_tokens: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if is_unseen is False:
        notes.append(
            "The bundle learned from these very rows: its figures say how well it remembers, not how it does on new "
            "prompts. For those, evaluate a bundle trained without --use-dev on the dev split, or other outcomes."
        )
    elif is_unseen is None:
        notes.append(
            "The manifest doesn't say whether the bundle learned from these rows; if it did, figures flatter it."
        )
    if split != "dev":
        notes.append("The baselines learned from these rows too, where they are of the train split.")
    notes.append(
        f"Baselines learned from {len(selection.learned):,} train rows of {selection.source}; the bundle may have "
        "learned from other sources and from labelled tasks as well."
    )
    notes.append(
        "All routers weigh quality against the bundle's expected costs; what they pay is the rows' real costs."
    )
    if selection.left_out:
        notes.append(f"{selection.left_out:,} prompts were left out: some model has no score on them.")
    if without_tokens:
        notes.append(
            f"No output tokens of {', '.join(without_tokens)} were observed; their costs rest on the expected ones."
        )
    if len(selection.measured) < _FEW_PROMPTS:
        notes.append(f"{len(selection.measured)} prompts are too few to rank routers by: read the intervals.")
    notes.append("Intervals hold for one comparison at a time; they aren't widened for the number of baselines.")
    return tuple(notes)
