"""Who is left out of a bundle: every model of a fleet in turn, with what remains known without it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from pointsman.prediction import Bundle, Manifest
from pointsman.prediction.bundle import PricePrior
from pointsman.prediction.newcomers import Facts, level_of
from pointsman.prediction.predictor import Depth
from pointsman.registry import Price
from pointsman_training.crossfit import DEPTHS
from pointsman_training.encode import encoder_of_bundle
from pointsman_training.evaluation.left_out import LeftOut, expected_tokens, logits_of
from pointsman_training.evaluation.reading import features_of, read_features
from pointsman_training.evaluation.rows import Fleet, taken
from pointsman_training.examples import assemble
from pointsman_training.manifest import abilities_of
from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes
from pointsman_training.pipeline import Run, learn
from pointsman_training.priors import mean_scores, regression, typical_demand
from pointsman_training.stack import all_demands, all_lengths
from pointsman_training.tasks import LabelledTasks

NOTHING = "nothing known"
PRICE = "price known"
_NANOUSD_PER_USD = 1e9
_FEWEST_MODELS = 3


@dataclass(frozen=True)
class Setting:
    """A bundle, all outcomes, prices, the models to leave out in turn, and the rows to fit and measure on."""

    bundle: Bundle
    outcomes: Outcomes
    prices: Mapping[str, Price]
    fleet: Fleet
    rows: Integers


@dataclass(frozen=True)
class Rest:
    """What is known without a model, and how its graph reads the rows: `demand` (n, k) a depth, `length` (n, l)."""

    manifest: Manifest
    demand: dict[Depth, Floats]
    length: Floats


Learn = Callable[[str], Rest]
"""Learns everything again without a model."""


def cases(setting: Setting, depth: Depth, learn_without: Learn | None = None) -> Iterator[LeftOut]:
    """Yield the models of the fleet, each left out; without `learn_without`, graph and demands stay the bundle's."""
    outcomes, rows, whole = setting.outcomes, setting.rows, setting.bundle.manifest
    features = features_of(setting.bundle, taken(outcomes, rows))
    readings = {name: read_features(setting.bundle, features, name) for name in DEPTHS}
    demand: dict[Depth, Floats] = {name: reading.demand for name, reading in readings.items()}
    length, train = readings["deep"].length, outcomes.splits == "train"
    for model, column in zip(setting.fleet.models, setting.fleet.columns, strict=True):
        ability = whole.abilities[model]
        if learn_without is None:
            rest = Rest(without(whole, model, setting.prices), demand, length)
        else:
            rest = learn_without(model)
        manifest, facts = _with_benchmark(setting, rest.manifest, model)
        yield LeftOut(
            model=model,
            depth=depth,
            manifest=manifest,
            facts=facts,
            demand=rest.demand,
            length=rest.length,
            embedding=getattr(features, depth),
            scores=outcomes.scores[rows, column],
            output_tokens=outcomes.output_tokens[rows, column],
            full_logits=logits_of(ability, demand[depth], depth),
            full_tokens=expected_tokens(ability, length),
            constant=float(np.nanmean(outcomes.scores[train, column])),
        )


def without(manifest: Manifest, model: str, prices: Mapping[str, Price]) -> Manifest:
    """Return the manifest as if the bundle had never known a model, save for its graph; benchmarks are left out."""
    abilities = {name: ability for name, ability in manifest.abilities.items() if name != model}
    priced = [name for name in abilities if name in prices]
    prior = manifest.price_prior
    if len(priced) >= _FEWEST_MODELS:
        levels = np.array([level_of(manifest, abilities[name]).logit for name in priced])
        line = regression(np.log([usd_per_mtok(prices[name]) for name in priced]), levels)
        prior = PricePrior(line.intercept, line.slope, line.residual)
    return msgspec.structs.replace(manifest, abilities=abilities, price_prior=prior, benchmark_priors={})


def usd_per_mtok(price: Price) -> float:
    """Return the mean of input and output price."""
    return (price.input_nanousd_per_mtok + price.output_nanousd_per_mtok) / 2 / _NANOUSD_PER_USD


def relearner(setting: Setting, tasks: LabelledTasks, run: Run, progress: Callable[[str], None]) -> Learn:
    """Return the function that learns from all train rows without a model's outcomes, with the bundle's encoder."""
    encoder, outcomes, rows = encoder_of_bundle(setting.bundle), setting.outcomes, setting.rows
    features = features_of(setting.bundle, outcomes)
    task_features = encoder.features(tasks.texts, cache=run.cache)

    def learn_without(model: str) -> Rest:
        progress(f"learning without {model}")
        part, kept = _outcomes_without(outcomes, model)
        dataset = assemble(part, features.take(kept), tasks, task_features, run.weighting)
        with threadpool_limits(1):
            learned = learn(dataset, setting.prices, run)
        outputs = {
            depth: learned.heads[depth](getattr(features, depth)[rows], features.counts[rows]) for depth in DEPTHS
        }
        manifest = msgspec.structs.replace(
            setting.bundle.manifest,
            abilities=abilities_of(dataset, learned),
            price_prior=learned.price_prior,
            typical_demand=typical_demand(dataset, learned),
            benchmark_priors={},
        )
        return Rest(
            manifest,
            {depth: all_demands(found) for depth, found in outputs.items()},
            all_lengths(outputs["deep"]),
        )

    return learn_without


def _outcomes_without(outcomes: Outcomes, model: str) -> tuple[Outcomes, Integers]:
    """Return the outcomes of all other models, and the rows that have one."""
    others = [place for place, (_, name) in enumerate(outcomes.columns) if name != model]
    kept = np.flatnonzero(np.isfinite(outcomes.scores[:, others]).any(axis=1))
    part = replace(
        outcomes,
        columns=tuple(outcomes.columns[place] for place in others),
        scores=outcomes.scores[:, others],
        output_tokens=outcomes.output_tokens[:, others],
    )
    return taken(part, kept), kept


def _with_benchmark(setting: Setting, rest: Manifest, model: str) -> tuple[Manifest, dict[str, Facts]]:
    """Return the rest with one benchmark, regressed without the model, and the facts to start from by name.

    The benchmark is the kind of task of the main source that most models did, the score the model's own on train rows.
    """
    outcomes, usd = setting.outcomes, usd_per_mtok(setting.prices[model])
    facts = {NOTHING: Facts(), PRICE: Facts(usd_per_mtok=usd)}
    kinds = {name: prior for name, prior in setting.bundle.manifest.benchmark_priors.items() if ":" in name}
    if not kinds:
        return rest, facts
    name = max(kinds, key=lambda kind: kinds[kind].models)
    source, _, kind = name.partition(":")
    rows = (outcomes.sources == source) & (outcomes.task_types == kind) & (outcomes.splits == "train")
    scores = mean_scores(outcomes.columns, source, outcomes.scores[rows])
    known = [other for other in scores if other in rest.abilities]
    if model not in scores or len(known) < _FEWEST_MODELS:
        return rest, facts
    share = np.array([scores[other] for other in known])
    levels = np.array([level_of(rest, rest.abilities[other]).logit for other in known])
    line = regression(np.log(share / (1 - share)), levels)
    facts[f"price and {name} known"] = Facts(usd_per_mtok=usd, benchmarks={name: scores[model]})
    return msgspec.structs.replace(rest, benchmark_priors={name: line}), facts
