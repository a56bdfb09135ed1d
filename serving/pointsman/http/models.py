"""The models of the fleet, in the shape in which OpenAI's API lists models."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Response

from pointsman.http.bodies import json_response
from pointsman.http.operations import operation
from pointsman.registry import ModelCard
from pointsman.registry.parsing import price_to_dict
from pointsman.router import Router
from pointsman.tenants import Tenants

_NO_OWNER: Final = "unspecified"


class ModelEntry(msgspec.Struct, frozen=True):
    """One model that may be chosen.

    `price_usd_per_mtok` is in USD per million tokens: input, output, cached reads and writes, tiers by prompt size.
    `task_types` null means any. `is_measured` is false where the ability is a prior and not learned from this model's
    outcomes; `note` then says where it comes from. Savings are counted against the baseline.
    """

    id: str
    object: str
    owned_by: str
    name: str
    price_usd_per_mtok: dict[str, Any]
    context_tokens: int
    max_output_tokens: int
    capabilities: tuple[str, ...]
    task_types: tuple[str, ...] | None
    latency_ms: float
    availability: float
    is_measured: bool
    is_baseline: bool
    note: str | None


class ModelList(msgspec.Struct, frozen=True):
    """The models of the fleet, in its order."""

    object: str
    data: tuple[ModelEntry, ...]


def models_api(tenants: Tenants) -> APIRouter:
    """Return the route that lists the fleet."""
    api = APIRouter(tags=["models"])

    @api.get("/v1/models", openapi_extra=operation("ModelList"))
    async def models() -> Response:
        """List the models that may be chosen."""
        router = tenants.router
        return json_response(
            msgspec.json.encode(ModelList("list", tuple(_entry(card, router) for card in router.fleet.cards)))
        )

    return api


def _entry(card: ModelCard, router: Router) -> ModelEntry:
    return ModelEntry(
        id=card.id,
        object="model",
        owned_by=card.provider or _NO_OWNER,
        name=card.name,
        price_usd_per_mtok=price_to_dict(card.price),
        context_tokens=card.context_tokens,
        max_output_tokens=card.max_output_tokens,
        capabilities=card.capabilities,
        task_types=card.task_types,
        latency_ms=card.latency_ms,
        availability=card.availability,
        is_measured=card.id in router.bundle.manifest.abilities,
        is_baseline=card.id == router.fleet.baseline,
        note=card.is_prior_note,
    )
