"""The recipe: two bundles and outcomes in, one verdict out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from pointsman.prediction import Bundle, read_bundle
from pointsman_training.evaluation.baselines import Examples
from pointsman_training.evaluation.evaluate import Choice, trial_of, unseen
from pointsman_training.evaluation.learners import column_means
from pointsman_training.evaluation.slices import kinds_of
from pointsman_training.evaluation.trial import Trial
from pointsman_training.gate.claims import DIALS, Served, contest
from pointsman_training.gate.draws import draws_of
from pointsman_training.gate.field import SOURCE, Field, Terms, column_of, train_costs
from pointsman_training.gate.opponents import CHAMPION, CONSTANT, baselines, best_constants, bundle_served, fixed
from pointsman_training.gate.verdict import Bounds, Evidence, Verdict, equal_bundles, judge
from pointsman_training.metrics import Doubles
from pointsman_training.outcomes import read_outcomes
from pointsman_training.prices import read_prices


@dataclass(frozen=True)
class Inputs:
    """Paths: candidate, champion (None: the bundle that comes along), outcomes, and prices."""

    candidate: str | os.PathLike[str]
    champion: str | os.PathLike[str] | None
    outcomes: Sequence[str | os.PathLike[str]]
    prices: str | os.PathLike[str]


@dataclass(frozen=True)
class Setup:
    """What was measured, and on which rows; `dials_usd` is the span of dollars for quality 1.0 compared at."""

    candidate: str
    champion: str
    profile: str
    source: str
    split: str
    prompts: int
    groups: int
    left_out: int
    models: tuple[str, ...]
    constant: str
    dials_usd: tuple[float, float]
    bounds: Bounds
    draws: int
    seed: int


@dataclass(frozen=True)
class GateReport:
    """The verdict and what it rests on; `setup` is None where the bundles are one and nothing was measured."""

    promotes: bool
    setup: Setup | None
    verdict: Verdict

    def to_json(self) -> bytes:
        """Return the report as indented JSON; what is undefined is null."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def gate(inputs: Inputs, terms: Terms, draws: int = 2_000, seed: int = 0) -> GateReport:
    """Return whether the candidate may take the champion's place; the same inputs and seed give the same report.

    Raises:
        PointsmanError: inputs can't be read, or the terms don't fit them; the message says how.
    """
    candidate, champion = read_bundle(inputs.candidate), read_bundle(inputs.champion)
    if candidate.digest == champion.digest:
        return GateReport(False, None, equal_bundles(candidate.digest))
    outcomes = read_outcomes(inputs.outcomes, contributor=column_of(terms.contributor))
    field = Field.of((candidate, champion), outcomes, read_prices(inputs.prices), terms)
    with threadpool_limits(1):  # the arrays are small: more threads wait for each other, and change last digits
        evidence = _evidence(candidate, champion, field, terms, seed)
        groups = outcomes.groups[field.selection.measured]
        verdict = judge(evidence, terms.bounds, draws_of(groups, draws, np.random.default_rng(seed)))
    dials = DIALS * champion.manifest.trade_usd
    setup = Setup(
        candidate=candidate.digest,
        champion=champion.digest,
        profile=terms.profile,
        source=field.selection.source,
        split=terms.split,
        prompts=len(field.selection.measured),
        groups=len(np.unique(groups)),
        left_out=field.selection.left_out,
        models=field.fleet.models,
        constant=evidence.constant,
        dials_usd=(float(dials[0]), float(dials[-1])),
        bounds=terms.bounds,
        draws=draws,
        seed=seed,
    )
    return GateReport(verdict.promotes, setup, verdict)


def _evidence(candidate: Bundle, champion: Bundle, field: Field, terms: Terms, seed: int) -> Evidence:
    """Return the evidence; both bundles pay the same real costs, also where the outcomes don't tell a length."""
    choice = Choice(models=field.fleet.models, split=terms.split, profile=terms.profile)
    (ours, train, _), (theirs, _, _) = (
        trial_of(bundle, field.outcomes, field.fleet, field.selection, choice) for bundle in (candidate, champion)
    )
    ours = replace(ours, costs=theirs.costs)
    trade_usd, dials = candidate.manifest.trade_usd, DIALS * champion.manifest.trade_usd
    served, incumbent = bundle_served(ours, candidate.manifest, dials), bundle_served(theirs, champion.manifest, dials)
    place, constant = _constant(ours, train, train_costs(field, ours), trade_usd, dials)
    opponents = {CHAMPION: incumbent, CONSTANT: constant} | dict(baselines(ours, train, trade_usd, dials, seed))
    return Evidence(
        contests=tuple(contest(name, served, other, dials) for name, other in opponents.items()),
        incumbent=contest(CONSTANT, incumbent, constant, dials),
        constant=ours.models[place],
        candidate_chance=ours.chance,
        champion_chance=theirs.chance,
        scores=ours.scores,
        kinds=dict(kinds_of(ours)) | {SOURCE: field.sources},
        contributors=field.contributors,
        unseen=tuple(unseen(bundle.manifest, field.outcomes, terms.split) for bundle in (candidate, champion)),
    )


def _constant(trial: Trial, train: Examples, costs: Doubles, trade_usd: float, dials: Doubles) -> tuple[int, Served]:
    """Return the best constant at the candidate's dial, and what the best constant at every dial scores and costs.

    Models are compared on the train rows that all of them did, where there are any: others did other prompts.
    """
    whole = np.flatnonzero(np.isfinite(train.scores).all(axis=1))
    rows = whole if len(whole) else np.arange(len(train.scores))
    means = column_means(train.scores[rows]), costs[rows].mean(axis=0)
    first, *others = best_constants(*means, np.append(trade_usd, dials)).tolist()
    return first, fixed(trial, first, np.array(others))
