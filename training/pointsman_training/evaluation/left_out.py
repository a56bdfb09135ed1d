"""One model left out: what the rest of a bundle says of it before and after a few of its scores.

Fitted and measured on different prompts, all of them unseen by the graph, as a user's are.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from pointsman.prediction import Manifest
from pointsman.prediction.bundle import Ability
from pointsman.prediction.cold_start import Doubles, design_of
from pointsman.prediction.newcomers import Facts, Scored, fit_newcomer
from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.learners import neighbours
from pointsman_training.evaluation.scores import token_error
from pointsman_training.metrics import auc, log_loss
from pointsman_training.network import Floats, Integers

COUNTS: Final = (0, 20, 50, 200)
"""How many scored prompts a model is fitted on."""
MEAN: Final = "mean of its scores"
NEIGHBOURS: Final = "kNN"
NEAREST: Final = "likeliest known model"
_NEIGHBOURS: Final = 10


@dataclass(frozen=True)
class LeftOut:
    """A model left out, and n prompts with its scores.

    `manifest` knows nothing of the model; `demand` and `length` are what the graph beside it reads, `embedding` is for
    kNN. `full_logits` and `full_tokens` (n,) are predictions of the ability learned from all its outcomes;
    `constant` is its mean score on the train rows. `facts` are starts by name.
    """

    model: str
    depth: Depth
    manifest: Manifest
    facts: Mapping[str, Facts]
    demand: dict[Depth, Floats]
    length: Floats
    embedding: Floats
    scores: Floats
    output_tokens: Floats
    full_logits: Doubles
    full_tokens: Doubles
    constant: float


class Trial(msgspec.Struct, frozen=True):
    """How one predictor, fitted on `prompts` scores, does on the measured rows; NaN where it says nothing.

    `deviation` is what it states of its logits, `logit_error` how far they are from the full-data ones (root mean
    square); `level_error` is |mean chance − mean score|, `token_error` the median |ln(expected / real tokens)|.
    """

    predictor: str
    prompts: int
    auc: float
    log_loss: float
    level_error: float
    deviation: float = math.nan
    logit_error: float = math.nan
    token_error: float = math.nan


def logits_of(ability: Ability, demand: Floats, depth: Depth) -> Doubles:
    """Return the logits of a learned ability on demand (n, k)."""
    bias, vector = (
        (ability.fast_bias, ability.fast_vector) if depth == "fast" else (ability.deep_bias, ability.deep_vector)
    )
    return np.asarray(design_of(demand) @ np.array([bias, *vector]))


def expected_tokens(ability: Ability, length: Floats) -> Doubles:
    """Return the output tokens that an ability expects on length numbers (n, l)."""
    return np.asarray(np.exp(design_of(length) @ np.array([ability.length_bias, *ability.length_vector])))


def full_trial(left: LeftOut, rows: Integers) -> Trial:
    """Return how the ability learned from all outcomes does on these rows."""
    chance = _chance(left.full_logits[rows])
    return msgspec.structs.replace(
        _trial("all outcomes", 0, left, rows, chance),
        token_error=token_error(left.full_tokens[rows], left.output_tokens[rows]),
    )


def constant_trial(left: LeftOut, rows: Integers) -> Trial:
    """Return how the model's mean score on the train rows does on these rows."""
    return _trial("its mean on the train rows", 0, left, rows, np.full(len(rows), left.constant))


def trials(left: LeftOut, pool: Integers, rows: Integers) -> Iterator[Trial]:
    """Yield every predictor at every count that `pool` is large enough for, measured on `rows`."""
    for count in (count for count in COUNTS if count <= len(pool)):
        seen = pool[:count]
        for start, facts in left.facts.items():
            yield _fitted(left, start, facts, seen, rows)
        if count:
            yield from _baselines(left, seen, rows)


def _fitted(left: LeftOut, start: str, facts: Facts, seen: Integers, rows: Integers) -> Trial:
    scored = Scored(
        {depth: demand[seen] for depth, demand in left.demand.items()},
        left.length[seen],
        left.scores[seen],
        left.output_tokens[seen],
    )
    ability = fit_newcomer(left.manifest, left.model, facts, scored if len(seen) else None).ability
    logits = logits_of(ability, left.demand[left.depth][rows], left.depth)
    return msgspec.structs.replace(
        _trial(start, len(seen), left, rows, _chance(logits)),
        deviation=ability.deviation or 0.0,
        logit_error=float(np.sqrt(np.mean((logits - left.full_logits[rows]) ** 2))),
        token_error=token_error(expected_tokens(ability, left.length[rows]), left.output_tokens[rows]),
    )


def _baselines(left: LeftOut, seen: Integers, rows: Integers) -> Iterator[Trial]:
    scores, count = left.scores[seen], len(seen)
    yield _trial(MEAN, count, left, rows, np.full(len(rows), (scores.sum() + 0.5) / (count + 1)))
    nearest = neighbours(left.embedding[seen], scores[:, np.newaxis], _NEIGHBOURS)
    yield _trial(NEIGHBOURS, count, left, rows, nearest(left.embedding[rows])[:, 0])
    demand = left.demand[left.depth]
    known = left.manifest.abilities.values()
    best = min(known, key=lambda ability: _loss(logits_of(ability, demand[seen], left.depth), scores))
    yield _trial(NEAREST, count, left, rows, _chance(logits_of(best, demand[rows], left.depth)))


def _trial(predictor: str, prompts: int, left: LeftOut, rows: Integers, chance: Doubles) -> Trial:
    scores = left.scores[rows]
    return Trial(
        predictor,
        prompts,
        auc(chance.astype(np.float32), scores),
        log_loss(chance.astype(np.float32), scores),
        abs(float(chance.mean()) - float(scores.mean())),
    )


def _chance(logits: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _loss(logits: Doubles, scores: Floats) -> float:
    return log_loss(_chance(logits).astype(np.float32), scores)
