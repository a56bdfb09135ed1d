"""The models that may be asked for, in the shape in which OpenAI's API lists models."""

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
_AUTO: Final = "auto"


class ModelEntry(msgspec.Struct, frozen=True):
    """One model that may be chosen, or `auto`, the name under which a gateway chooses.

    Of `auto` the tokens are the most that any model takes or writes, and the capabilities all that there are; what
    depends on the choice is null.

    `price_usd_per_mtok` is in USD per million tokens: input, output, cached reads and writes, tiers by prompt size.
    `task_types` null means any. `is_measured` is false where the ability is a prior and not learned from this model's
    outcomes; `note` then says where it comes from. Savings are counted against the baseline.
    """

    id: str
    object: str
    owned_by: str
    name: str
    price_usd_per_mtok: dict[str, Any] | None
    context_tokens: int
    max_output_tokens: int
    capabilities: tuple[str, ...]
    task_types: tuple[str, ...] | None
    latency_ms: float | None
    availability: float | None
    is_measured: bool
    is_baseline: bool
    note: str | None


class ModelList(msgspec.Struct, frozen=True):
    """The models of the fleet, in its order; `auto` first where chats are answered."""

    object: str
    data: tuple[ModelEntry, ...]


def models_api(tenants: Tenants, *, is_gateway: bool = False) -> APIRouter:
    """Return the route that lists the fleet, and `auto` where it is a gateway's."""
    api = APIRouter(tags=["models"])

    @api.get("/v1/models", openapi_extra=operation("ModelList"))
    async def models() -> Response:
        """List the models that may be chosen."""
        router = tenants.router
        entries = tuple(_entry(card, router) for card in router.fleet.cards)
        return json_response(
            msgspec.json.encode(ModelList("list", (_auto(router), *entries) if is_gateway else entries))
        )

    return api


def _auto(router: Router) -> ModelEntry:
    cards = router.fleet.cards
    return ModelEntry(
        id=_AUTO,
        object="model",
        owned_by="pointsman",
        name="The cheapest model that is good enough",
        price_usd_per_mtok=None,
        context_tokens=max(card.context_tokens for card in cards),
        max_output_tokens=max(card.max_output_tokens for card in cards),
        capabilities=tuple(dict.fromkeys(name for card in cards for name in card.capabilities)),
        task_types=None,
        latency_ms=None,
        availability=None,
        is_measured=False,
        is_baseline=False,
        note="Chosen anew for each request.",
    )


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
