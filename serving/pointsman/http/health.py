"""Whether the server lives, what it serves, and its metrics."""

import msgspec
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from pointsman.http.bodies import json_response
from pointsman.http.metrics import Metrics
from pointsman.http.operations import operation
from pointsman.tenants import Tenants


class Liveness(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """What is served: `bundle` is its digest, `models` the number in the fleet."""

    status: str
    bundle: str
    fleet: str
    models: int
    profile: str
    strategy: str


def health_api(tenants: Tenants, metrics: Metrics) -> APIRouter:
    """Return the routes for whoever operates the server."""
    api = APIRouter(tags=["health"])
    alive = msgspec.json.encode(Liveness("ok"))

    @api.get("/livez", openapi_extra=operation("Liveness"))
    async def livez() -> Response:
        """Say that the process answers."""
        return json_response(alive)

    @api.get("/readyz", openapi_extra=operation("Readiness"))
    async def readyz() -> Response:
        """Say what is served; a server that listens has loaded its bundle and is ready."""
        router = tenants.router
        fleet = router.fleet
        found = Readiness(
            "ok", router.bundle.digest, fleet.name, len(fleet.cards), router.profile, router.policy.strategy
        )
        return json_response(msgspec.json.encode(found))

    @api.get("/metrics", openapi_extra=operation(None))
    async def metrics_text() -> Response:
        """Return Prometheus metrics of this process."""
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    return api
