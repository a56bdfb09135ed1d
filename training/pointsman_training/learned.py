"""Everything learned, calibrated on held-out outputs: what the bundle is made of and what the report measures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidOutcomes
from pointsman.prediction.bundle import PricePrior
from pointsman.prediction.predictor import Depth
from pointsman.registry import Price, load_fleet
from pointsman.types import COMPLEXITIES
from pointsman_training.ability import Abilities, Lengths
from pointsman_training.crossfit import DEPTHS, Fitted
from pointsman_training.dials import margin_for_deep, worth_of_quality
from pointsman_training.examples import Dataset
from pointsman_training.gate.constant import DRAWS, Worth, worth_of_routing
from pointsman_training.gate.draws import draws_of
from pointsman_training.heads import Heads, Outputs
from pointsman_training.network import Floats, Integers
from pointsman_training.stack import (
    TYPICAL_TOKENS,
    ComplexityStack,
    LengthStack,
    QualityStack,
    fit_complexity,
    fit_lengths,
    fit_quality,
    reference_columns,
)

Doubles = npt.NDArray[np.float64]
_USD_PER_NANOUSD_MTOK = 1e-15


@dataclass(frozen=True)
class FleetView:
    """The models that routing is measured on: priced, and known in the main source.

    `columns` are theirs in the scores, `models` their places in the quality stacks; prices (m,) in USD per token.
    """

    names: tuple[str, ...]
    columns: Integers
    models: Integers
    input_usd: Doubles
    output_usd: Doubles

    def costs(self, input_tokens: Floats, output_tokens: Floats) -> Doubles:
        """Return USD for prompts (n,) and outputs (n, m)."""
        return input_tokens[:, np.newaxis].astype(np.float64) * self.input_usd + output_tokens * self.output_usd


@dataclass(frozen=True)
class Learned:
    """Heads and stacks of both depths, the reference column of every model, the dials, and what routing is worth."""

    heads: dict[Depth, Heads]
    held_out: dict[Depth, Outputs]
    abilities: Abilities
    reference: dict[str, int]
    quality: dict[Depth, QualityStack]
    complexity: dict[Depth, ComplexityStack]
    length: LengthStack
    fleet: FleetView
    price_prior: PricePrior
    trade_usd: float
    deep_margin: float
    deep_share: float
    worth: Worth | None = None

    def chances(self, depth: Depth, outputs: Outputs) -> Floats:
        """Return the calibrated quality of the fleet's models, (n, m)."""
        logits = self.quality[depth].logits(outputs)[:, self.fleet.models]
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)

    def predicted_costs(self, outputs: Outputs, input_tokens: Floats) -> Doubles:
        """Return the expected cost of the fleet's models in USD, (n, m)."""
        return self.fleet.costs(input_tokens, self.length.tokens(outputs)[:, self.fleet.models])


def calibrate(
    dataset: Dataset, fitted: Fitted, abilities: Abilities, lengths: Lengths, prices: Mapping[str, Price]
) -> Learned:
    """Return everything learned, stacks fitted on held-out outputs of the training rows."""
    scores = np.where(dataset.is_train[:, np.newaxis], dataset.examples.scores, np.nan)
    logs = np.where(dataset.is_train[:, np.newaxis], dataset.examples.log_tokens, np.nan)
    reference = reference_columns(abilities, scores, dataset.main_source)
    labelled = np.flatnonzero(dataset.is_task if dataset.is_task.any() else dataset.is_train)
    labels = dataset.examples.complexity[labelled].argmax(axis=1)
    if missing := sorted(set(COMPLEXITIES) - {COMPLEXITIES[label] for label in labels}):
        raise InvalidOutcomes(
            f"No example is {' or '.join(missing)}; complexity needs tasks of all three labels. Add --tasks."
        )
    quality, complexity = {}, {}
    for depth in DEPTHS:
        held_out = fitted.held_out[depth]
        quality[depth] = fit_quality(held_out, scores, abilities, reference, dataset.main_source)
        complexity[depth] = fit_complexity(held_out.take(labelled), labels)
    length = fit_lengths(fitted.held_out["deep"], logs, lengths, reference)
    fleet = _fleet_view(dataset, reference, prices)
    draft = Learned(
        fitted.heads, fitted.held_out, abilities, reference, quality, complexity, length, fleet,
        _price_prior(dataset, quality["deep"], fitted.held_out["deep"], prices), 0.0, 0.0, 0.0,
    )  # fmt: skip
    return _with_dials(draft, dataset)


def _fleet_view(dataset: Dataset, reference: dict[str, int], prices: Mapping[str, Price]) -> FleetView:
    known = [m for m in reference if m in prices and dataset.columns[reference[m]][0] == dataset.main_source]
    preferred = [model for model in load_fleet("default").ids if model in known]
    names = tuple(preferred if len(preferred) >= 2 else known)
    if len(names) < 2:
        raise InvalidOutcomes(
            f"Only {len(names)} models have both a price and outcomes in {dataset.main_source!r}; routing needs two. "
            "Add prices for the models of your outcomes."
        )
    order = list(reference)
    return FleetView(
        names,
        np.array([reference[name] for name in names]),
        np.array([order.index(name) for name in names]),
        np.array([prices[name].input_nanousd_per_mtok for name in names]) * _USD_PER_NANOUSD_MTOK,
        np.array([prices[name].output_nanousd_per_mtok for name in names]) * _USD_PER_NANOUSD_MTOK,
    )


def _price_prior(dataset: Dataset, quality: QualityStack, held_out: Outputs, prices: Mapping[str, Price]) -> PricePrior:
    rows = np.flatnonzero(dataset.is_train & (dataset.sources == dataset.main_source))
    mean_logits = quality.logits(held_out.take(rows)).mean(axis=0)
    points = [
        (np.log((prices[model].input_nanousd_per_mtok + prices[model].output_nanousd_per_mtok) / 2e9), logit)
        for model, logit in zip(quality.models, mean_logits, strict=True)
        if model in prices
    ]
    log_price, logit = np.array(points).T
    varies = np.ptp(log_price) > 0
    slope, intercept = np.polyfit(log_price, logit, 1) if varies else (0.0, logit.mean())
    residual = float(np.std(logit - slope * log_price - intercept))
    return PricePrior(float(intercept), float(slope), residual)


def _with_dials(draft: Learned, dataset: Dataset) -> Learned:
    rows = np.flatnonzero(dataset.is_train & (dataset.sources == dataset.main_source))
    scores, costs = fleet_outcomes(dataset, draft.fleet, rows)
    if not np.isfinite(scores).all(axis=1).any():
        raise InvalidOutcomes(
            f"No prompt of {dataset.main_source!r} has outcomes of all of {', '.join(draft.fleet.names)}; the dial is "
            "read off prompts that all priced models did. Add outcomes, or leave the price of a sparse model empty."
        )
    chances, expected = {}, {}
    for depth in DEPTHS:
        held_out = draft.held_out[depth].take(rows)
        chances[depth] = draft.chances(depth, held_out)
        expected[depth] = draft.predicted_costs(held_out, dataset.input_tokens[rows])
    trade_usd = worth_of_quality(chances["deep"], scores, costs, expected["deep"])
    utilities = {depth: chances[depth] - expected[depth] / trade_usd for depth in DEPTHS}
    margin, share = margin_for_deep(utilities["fast"], utilities["deep"])
    draws = draws_of(np.array(dataset.groups)[rows], DRAWS, np.random.default_rng(0))
    worth = worth_of_routing(draft.fleet.names, utilities["deep"], scores - costs / trade_usd, draws)
    dials = {"trade_usd": trade_usd, "deep_margin": margin, "deep_share": share, "worth": worth}
    return Learned(**{**draft.__dict__, **dials})


def fleet_outcomes(dataset: Dataset, fleet: FleetView, rows: Integers) -> tuple[Floats, Doubles]:
    """Return scores and real costs (USD) of the fleet on these rows, (n, m); unknown lengths are the model's median."""
    scores = dataset.examples.scores[np.ix_(rows, fleet.columns)]
    tokens = np.exp(dataset.examples.log_tokens[np.ix_(rows, fleet.columns)])
    tokens = np.where(np.isfinite(tokens), tokens, _medians(tokens))
    return scores, fleet.costs(dataset.input_tokens[rows], tokens)


def _medians(tokens: Floats) -> Floats:
    """Return each column's median, that of all where a column is empty, `TYPICAL_TOKENS` where all are."""
    known = np.isfinite(tokens)
    overall = np.median(tokens[known]) if known.any() else TYPICAL_TOKENS
    return np.array(
        [np.median(column[seen]) if seen.any() else overall for column, seen in zip(tokens.T, known.T, strict=True)]
    )
