"""A fleet as arrays, for policy: capabilities as masks, prices as integers."""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.policy import ModelTable
from pointsman.prediction import AbilityTable, Manifest, Unmeasured, ability_table
from pointsman.registry import Fleet, ModelCard
from pointsman.types import CAPABILITIES, TASK_TYPES, Call

Integers = npt.NDArray[np.int64]

CHARACTERS_PER_TOKEN: Final = 4
"""The estimate of input tokens that the outcome data uses too."""

_MTOK: Final = 1_000_000


class FleetTable(msgspec.Struct, frozen=True):
    """A fleet ready to be scored: who can do what (`models`), how well (`abilities`), at which price (`cards`)."""

    fleet: Fleet
    models: ModelTable
    abilities: AbilityTable
    input_prices: Integers
    output_prices: Integers
    batch_percents: Integers
    first_tier_tokens: int
    availability: tuple[float, ...]

    @property
    def prices(self) -> dict[str, tuple[int, int]]:
        """Nano-USD per million input and output tokens of each model."""
        rates = zip(self.input_prices.tolist(), self.output_prices.tolist(), strict=True)
        return dict(zip(self.models.models, rates, strict=True))

    def cost_nanousd(self, input_tokens: Integers, output_tokens: Integers) -> Integers:
        """Return the expected cost, int64 (n_tasks, n_models), rounded up to whole nano-USD.

        `input_tokens` (n_tasks,) count the prompt; `output_tokens` (n_tasks, n_models) are expectations.
        """
        bill = input_tokens[:, np.newaxis] * self.input_prices + output_tokens * self.output_prices
        costs: Integers = -(-bill // _MTOK)
        if input_tokens.max(initial=0) >= self.first_tier_tokens:
            self._bill_tiers(costs, input_tokens, output_tokens)
        return costs

    def with_availability(self, availability: Mapping[str, float]) -> "FleetTable":
        """Return the table with other shares of availability, by model; models that aren't named keep theirs."""
        shares = tuple(
            availability.get(name, own) for name, own in zip(self.models.models, self.availability, strict=True)
        )
        models = msgspec.structs.replace(self.models, availability=np.array(shares, dtype=np.float32))
        return msgspec.structs.replace(self, models=models, availability=shares)

    def called(self, call: Call, cost_nanousd: Integers) -> Integers:
        """Return what a task costs each model, int64 (n_models,), where one answer alone costs `cost_nanousd`.

        Several answers count as whole calls, the prompt included: a bound that is simple, and rarely needed.
        """
        costs: Integers = cost_nanousd * call.answers
        if call.is_batch:
            costs = -(-costs * self.batch_percents // 100)
        elif call.batch_models:
            asked = np.isin(self.models.models, call.batch_models)
            costs = np.where(asked, -(-costs * self.batch_percents // 100), costs)
        if call.cost_changes_nanousd:
            changes = [call.cost_changes_nanousd.get(name, 0) for name in self.models.models]
            costs = np.maximum(costs + np.array(changes, dtype=np.int64), 0)
        return costs

    def _bill_tiers(self, costs: Integers, input_tokens: Integers, outputs: Integers) -> None:
        for row in np.flatnonzero(input_tokens >= self.first_tier_tokens):
            costs[row] = [
                card.price.cost_nanousd(int(input_tokens[row]), int(tokens))
                for card, tokens in zip(self.fleet.cards, outputs[row], strict=True)
            ]


def fleet_table(fleet: Fleet, manifest: Manifest) -> FleetTable:
    """Return the table of a fleet under the abilities of a bundle; models without outcomes get priors."""
    cards = fleet.cards
    abilities = ability_table(manifest, {card.id: _unmeasured(card) for card in cards})
    tiers = [tier.from_tokens for card in cards for tier in card.price.tiers]
    return FleetTable(
        fleet=fleet,
        models=_model_table(cards, abilities),
        abilities=abilities,
        input_prices=np.array([card.price.input_nanousd_per_mtok for card in cards], dtype=np.int64),
        output_prices=np.array([card.price.output_nanousd_per_mtok for card in cards], dtype=np.int64),
        batch_percents=np.array([card.price.batch_percent for card in cards], dtype=np.int64),
        availability=tuple(card.availability for card in cards),
        first_tier_tokens=min(tiers, default=np.iinfo(np.int64).max),
    )


def _unmeasured(card: ModelCard) -> Unmeasured:
    blended = (card.price.input_nanousd_per_mtok + card.price.output_nanousd_per_mtok) / 2e9
    return Unmeasured(kin=card.kin, kin_shift=card.kin_shift, usd_per_mtok=blended)


def _model_table(cards: tuple[ModelCard, ...], abilities: AbilityTable) -> ModelTable:
    return ModelTable(
        models=abilities.models,
        is_measured=abilities.is_measured,
        task_types=np.array([[card.task_types is None or t in card.task_types for t in TASK_TYPES] for card in cards]),
        capabilities=np.array([[name in card.capabilities for name in CAPABILITIES] for card in cards]),
        context_tokens=np.array([card.context_tokens for card in cards], dtype=np.int64),
        max_output_tokens=np.array([card.max_output_tokens for card in cards], dtype=np.int64),
        latency_ms=np.array([card.latency_ms for card in cards], dtype=np.float32),
        availability=np.array([card.availability for card in cards], dtype=np.float32),
    )
