"""A model that a bundle wasn't trained with: what is expected of it, and what scored prompts make of that.

Expectations come from its price, its published scores, or a similar model. The statistics are those of `cold_start`.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidInput, UnknownModel
from pointsman.prediction.bundle import Ability, Manifest
from pointsman.prediction.cold_start import (
    LIKENESS,
    Belief,
    Doubles,
    Expectation,
    design_of,
    evidence,
    likeliest_length,
    observed,
    population,
    posterior,
    similar,
)
from pointsman.prediction.predictor import Depth

Floats = npt.NDArray[np.floating]

_DEPTHS: Final[tuple[Depth, Depth]] = ("fast", "deep")
_DIGITS: Final = 6
_CHEAPEST_USD_PER_MTOK: Final = 1e-3


class Facts(msgspec.Struct, frozen=True):
    """What is known of a model beside outcomes; all of it is optional.

    `like` names a model of the bundle, `usd_per_mtok` is the mean of its input and output price, `benchmarks` maps
    names of the bundle's benchmark priors to published scores in (0, 1).
    """

    like: str | None = None
    usd_per_mtok: float | None = None
    benchmarks: Mapping[str, float] = {}


class Scored(msgspec.Struct, frozen=True):
    """n prompts that the model was scored on, as the bundle's graph reads them.

    `demand` (n, k) a depth, `length` (n, l) read deep, `scores` (n,) in [0, 1], `output_tokens` (n,) NaN where unknown.
    """

    demand: dict[Depth, Floats]
    length: Floats
    scores: Floats
    output_tokens: Floats
    sources: tuple[str, ...] = ()


class Level(msgspec.Struct, frozen=True):
    """Mean logit of P(done well) on typical tasks, give or take `deviation` for what isn't known of the model."""

    logit: float
    deviation: float

    @property
    def quality(self) -> float:
        """The chance on a typical task."""
        return 1 / (1 + math.exp(-self.logit))

    @property
    def margin(self) -> float:
        """One deviation of that chance."""
        return self.deviation * self.quality * (1 - self.quality)

    @property
    def words(self) -> str:
        """The chance with its deviation, such as "0.789 ± 0.136"; without where none is stated."""
        return f"{self.quality:.3f}" + (f" ± {self.margin:.3f}" if self.deviation else "")


class Newcomer(msgspec.Struct, frozen=True):
    """A fitted model, and its level before and after its outcomes."""

    ability: Ability
    before: Level
    after: Level


def fit_newcomer(manifest: Manifest, model: str, facts: Facts, scored: Scored | None = None) -> Newcomer:
    """Return the ability of a model given facts and scored prompts.

    Typical tasks are these prompts, where there are any, else the main source's. An ability that the bundle has for the
    model already is left aside.

    Raises:
        UnknownModel: the model it is said to be like isn't in the bundle.
        InvalidInput: a benchmark that the bundle knows nothing of, or a score that isn't between 0 and 1.
    """
    prior = {depth: prior_belief(manifest, model, facts, depth) for depth in _DEPTHS}
    length = _length_belief(manifest, model, facts)
    length_weights = length.mean
    typical = typical_design(manifest, "deep") if scored is None else design_of(scored.demand["deep"])
    fitted = prior
    if scored is not None:
        scores = scored.scores.astype(np.float64)
        fitted = {depth: posterior(prior[depth], design_of(scored.demand[depth]), scores) for depth in _DEPTHS}
        seen = scored.output_tokens > 1
        tokens = scored.output_tokens[seen].astype(np.float64)
        length_weights = likeliest_length(length, design_of(scored.length[seen]), tokens)
    before, after = (Level(*beliefs["deep"].of(typical)) for beliefs in (prior, fitted))
    ability = Ability(
        *_numbers(fitted["fast"].mean),
        *_numbers(fitted["deep"].mean),
        *_numbers(length_weights),
        outcomes=0 if scored is None else len(scored.scores),
        sources=() if scored is None else scored.sources,
        deviation=round(after.deviation, _DIGITS),
    )
    return Newcomer(ability, before, after)


def prior_belief(manifest: Manifest, model: str, facts: Facts, depth: Depth) -> Belief:
    """Return what is believed of a model's [bias | vector] before any outcome of it.

    Raises:
        UnknownModel, InvalidInput: as `fit_newcomer` says.
    """
    known = population(_abilities(manifest, model, depth))
    belief = known
    if facts.like is not None:
        belief = similar(known, _vector(_like(manifest, facts.like), depth), LIKENESS)
    task = typical_design(manifest, depth)[0]
    for fact in _expectations(manifest, facts):
        if told := evidence(known, task, fact):
            belief = observed(belief, task, told)
    return belief


def level_of(manifest: Manifest, ability: Ability) -> Level:
    """Return the level of a model of the bundle on typical tasks; none stated where it was trained with the others."""
    logit = float(typical_design(manifest, "deep")[0] @ _vector(ability, "deep"))
    return Level(logit, ability.deviation or 0.0)


def typical_design(manifest: Manifest, depth: Depth) -> Doubles:
    """Return [1 | mean demand] of the main source's prompts, (1, k + 1); older bundles don't say, then demand is 0."""
    typical = manifest.typical_demand
    demand = np.zeros(manifest.layout.demand) if typical is None else np.array(getattr(typical, depth))
    return design_of(demand[np.newaxis])


def _expectations(manifest: Manifest, facts: Facts) -> list[Expectation]:
    found = []
    if facts.usd_per_mtok is not None:
        price = manifest.price_prior
        log_price = math.log(max(facts.usd_per_mtok, _CHEAPEST_USD_PER_MTOK))
        found.append(Expectation(price.intercept + price.slope * log_price, price.residual))
    for name, score in facts.benchmarks.items():
        if (benchmark := manifest.benchmark_priors.get(name)) is None:
            known = ", ".join(sorted(manifest.benchmark_priors)) or "none: train it again to have some"
            raise InvalidInput(f"The bundle knows nothing of the benchmark {name!r}; it knows {known}.", field=name)
        if not 0 < score < 1:
            raise InvalidInput(f"Benchmark {name!r}: score is {score:g}; expected a share above 0 and below 1.")
        logit = math.log(score / (1 - score))
        found.append(Expectation(benchmark.intercept + benchmark.slope * logit, benchmark.residual))
    return found


def _like(manifest: Manifest, name: str) -> Ability:
    if name not in manifest.abilities:
        raise UnknownModel(
            f"--like names {name!r}, which the bundle has no ability of; it knows "
            f"{', '.join(sorted(manifest.abilities))}.",
            field="like",
        )
    return manifest.abilities[name]


def _trained(manifest: Manifest, model: str) -> list[Ability]:
    """Return the abilities that a prior rests on: those trained together, else any; never the model's own."""
    others = [ability for name, ability in manifest.abilities.items() if name != model]
    return [ability for ability in others if ability.deviation is None] or others or list(manifest.abilities.values())


def _abilities(manifest: Manifest, model: str, depth: Depth) -> Doubles:
    return np.array([_vector(ability, depth) for ability in _trained(manifest, model)])


def _vector(ability: Ability, depth: Depth) -> Doubles:
    bias, vector = (
        (ability.fast_bias, ability.fast_vector) if depth == "fast" else (ability.deep_bias, ability.deep_vector)
    )
    return np.array([bias, *vector], dtype=np.float64)


def _length_belief(manifest: Manifest, model: str, facts: Facts) -> Belief:
    def numbers(ability: Ability) -> Doubles:
        return np.array([ability.length_bias, *ability.length_vector], dtype=np.float64)

    known = population(np.array([numbers(ability) for ability in _trained(manifest, model)]))
    return known if facts.like is None else similar(known, numbers(_like(manifest, facts.like)), LIKENESS)


def _numbers(weights: Doubles) -> tuple[float, tuple[float, ...]]:
    bias, *vector = (round(float(weight), _DIGITS) for weight in weights)
    return bias, tuple(vector)
