"""Predictions: what a text demands and how every measured model would do, without a choice."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from pointsman.http.bodies import decode, reply, task_list
from pointsman.http.operations import operation
from pointsman.predictions import PredictionRecord, item_from_dict, prediction_records
from pointsman.router import Router
from pointsman.task_json import LIST, NAME, NAMES, Kind, read_object
from pointsman.tenants import Tenants

_KINDS: Final[Mapping[str, Kind]] = {"tasks": LIST, "models": NAMES, "profile": NAME}


class PredictReply(msgspec.Struct, frozen=True):
    """The records of the request's tasks, in order."""

    predictions: list[PredictionRecord]


def predictions_api(tenants: Tenants) -> APIRouter:
    """Return the route that predicts."""
    api = APIRouter(tags=["predictions"])
    refusals = (400, 404, 413, 422)

    @api.post("/v1/predict", openapi_extra=operation("PredictReply", body="PredictRequest", refusals=refusals))
    async def predict(request: Request) -> Response:
        """Predict complexity, type, quality and length without choosing.

        `models` defaults to all that the bundle has outcomes for, `profile` to the server's; "auto" reads deep.
        """
        return await reply(request, partial(_predict, tenants.router), is_long=True)

    return api


def _predict(router: Router, body: bytes) -> bytes:
    fields = read_object(decode(body), _KINDS)
    items = [item_from_dict(entry, f"tasks[{index}]") for index, entry in enumerate(task_list(fields))]
    records = prediction_records(
        router.bundle,
        router.predictor,
        items,
        models=fields.get("models"),
        profile=fields.get("profile", router.profile),
    )
    return msgspec.json.encode(PredictReply(records))
