"""The cache over HTTP: what it saved, clearing it, and answers given beforehand."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from pointsman.budget.books import microseconds
from pointsman.errors import InvalidInput
from pointsman.gateway.answers import Answers
from pointsman.gateway.seeding import seed_entries, seed_from_dict
from pointsman.http.bodies import decode, json_response, reply
from pointsman.http.operations import operation
from pointsman.http.principals import principal_of


class CacheCleared(msgspec.Struct, frozen=True):
    """How many answers were forgotten."""

    cleared: int


class CacheSeeded(msgspec.Struct, frozen=True):
    """How many questions have an answer beforehand."""

    seeded: int


def cache_api(answers: Answers, clock: Callable[[], datetime]) -> APIRouter:
    """Return the routes of the cache; each reaches the answers of the caller's tenant only."""
    api = APIRouter(tags=["cache"])

    @api.get("/v1/cache", openapi_extra=operation("CacheStatistics", refusals=(503,)))
    async def cache_statistics(request: Request) -> Response:
        """Say how many answers are kept, how many requests they answered, and what that saved."""
        tenant = principal_of(request).tenant
        return json_response(msgspec.json.encode(await to_thread.run_sync(answers.stats, tenant)))

    @api.delete("/v1/cache", openapi_extra=operation("CacheCleared", refusals=(503,)))
    async def clear_cache(request: Request) -> Response:
        """Forget all answers, in every process within a second or so."""
        cleared = await to_thread.run_sync(answers.clear, principal_of(request).tenant)
        return json_response(msgspec.json.encode(CacheCleared(cleared)))

    refusals = (400, 413, 422, 503)

    @api.post("/v1/cache/seed", openapi_extra=operation("CacheSeeded", body="SeedRequest", refusals=refusals))
    async def seed_cache(request: Request) -> Response:
        """Give answers beforehand; with one seed that can't be used, none is kept."""
        work = partial(_seeded, answers, principal_of(request).tenant, clock)
        return await reply(request, work, is_long=True)

    return api


def _seeded(answers: Answers, tenant: str, clock: Callable[[], datetime], body: bytes) -> bytes:
    data = decode(body)
    listed = data.get("seeds") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not listed:
        raise InvalidInput('seeds is missing or empty; expected {"seeds": [{"prompt", "answer"}, ...]}.', field="seeds")
    seeds = [seed_from_dict(one, f"seeds[{place}]") for place, one in enumerate(listed)]
    for entry in seed_entries(seeds, tenant, microseconds(clock())):
        answers.add(entry)
    answers.flush()
    return msgspec.json.encode(CacheSeeded(len(seeds)))
