"""Keys and users over HTTP: an admin's key makes, lists, rotates and ends the keys of its own tenant."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from pointsman.access import ANONYMOUS, KeyRecord, Principal, UserRecord, terms_of
from pointsman.errors import Forbidden, InvalidInput
from pointsman.http.bodies import decode, json_response, reply
from pointsman.http.guard import PRINCIPAL
from pointsman.http.operations import operation
from pointsman.task_json import NAME, NUMBER, Kind, read_object

if TYPE_CHECKING:
    from pointsman.store import StoredKeys

_COUNT: Final = Kind("a whole number, not in quotes", lambda value: type(value) is int)
_KEY_KINDS: Final[Mapping[str, Kind]] = {
    "user": NAME,
    "team": NAME,
    "role": NAME,
    "name": NAME,
    "expires_days": NUMBER,
    "requests_per_minute": _COUNT,
    "tokens_per_minute": _COUNT,
}
_ROTATION_KINDS: Final[Mapping[str, Kind]] = {"overlap_s": NUMBER}
_USER_KINDS: Final[Mapping[str, Kind]] = {"user": NAME, "team": NAME, "role": NAME}


class KeyList(msgspec.Struct, frozen=True):
    """The keys of a tenant, without their secrets."""

    keys: list[KeyRecord]


class UserList(msgspec.Struct, frozen=True):
    """The users of a tenant: their teams, and the most that their keys may do."""

    users: list[UserRecord]


def keys_api(keys: "StoredKeys") -> APIRouter:
    """Return the routes of keys and users; all of their work is done in threads, since it waits for the database."""
    api = APIRouter(tags=["keys"])
    refusals = (400, 401, 403, 413, 422, 503)

    @api.get("/v1/keys", openapi_extra=operation("KeyList", refusals=(401, 403, 503)))
    async def list_keys(request: Request) -> Response:
        """List the keys of the tenant, the revoked too; no secret is among them."""
        found = await to_thread.run_sync(keys.listed, _admin(request).tenant)
        return json_response(msgspec.json.encode(KeyList(found)))

    @api.post("/v1/keys", openapi_extra=operation("IssuedKey", body="KeyRequest", refusals=refusals))
    async def create_key(request: Request) -> Response:
        """Make a key of the admin's tenant; `token` is shown here and never again."""
        return await _private(request, partial(_create, keys, _admin(request)))

    @api.post(
        "/v1/keys/{id}/rotate", openapi_extra=operation("IssuedKey", body="RotationRequest", refusals=(*refusals, 404))
    )
    async def rotate_key(id: str, request: Request) -> Response:
        """Give a key another secret, with the same id and limits; the one before counts for `overlap_s` more."""
        return await _private(request, partial(_rotate, keys, _admin(request), id))

    @api.delete("/v1/keys/{id}", openapi_extra=operation("KeyRecord", refusals=(401, 403, 404, 503)))
    async def revoke_key(id: str, request: Request) -> Response:
        """End a key for good; every process refuses it within a second."""
        return await reply(request, partial(_revoke, keys, _admin(request), id), is_long=True)

    @api.get("/v1/users", openapi_extra=operation("UserList", refusals=(401, 403, 503)))
    async def list_users(request: Request) -> Response:
        """List the users that were put into teams."""
        found = await to_thread.run_sync(keys.users, _admin(request).tenant)
        return json_response(msgspec.json.encode(UserList(found)))

    @api.put("/v1/users", openapi_extra=operation("UserRecord", body="UserRequest", refusals=refusals))
    async def set_user(request: Request) -> Response:
        """Put a user into a team, and say the most that the user's keys may do; counts within a second."""
        return await reply(request, partial(_set_user, keys, _admin(request)), is_long=True)

    return api


def _admin(request: Request) -> Principal:
    """Return who asks; without a key nobody manages keys, even where none is required."""
    principal: Principal = request.scope.get("state", {}).get(PRINCIPAL, ANONYMOUS)
    if principal.key is None:
        raise Forbidden(
            "keys are managed with an admin's key, also where requests need none; make the first on the server with: "
            "pointsman keys create --role admin"
        )
    return principal


def _by(principal: Principal) -> str:
    return f"key:{principal.key}"


async def _private(request: Request, work: Any) -> Response:
    """Return the reply, with word to every cache on the way not to keep it."""
    response = await reply(request, work, is_long=True)
    response.headers["cache-control"] = "no-store"
    return response


def _create(keys: "StoredKeys", admin: Principal, body: bytes) -> bytes:
    terms = terms_of(read_object(decode(body), _KEY_KINDS), keys.now())
    return msgspec.json.encode(keys.create(terms, changed_by=_by(admin), tenant=admin.tenant))


def _rotate(keys: "StoredKeys", admin: Principal, key_id: str, body: bytes) -> bytes:
    seconds = read_object(decode(body or b"{}"), _ROTATION_KINDS).get("overlap_s", 0)
    if not 0 <= seconds <= timedelta.max.total_seconds():
        raise InvalidInput(f"overlap_s is {seconds:g}; expected seconds from 0 on.", field="overlap_s")
    overlap = timedelta(seconds=seconds)
    return msgspec.json.encode(keys.rotate(key_id, changed_by=_by(admin), tenant=admin.tenant, overlap=overlap))


def _revoke(keys: "StoredKeys", admin: Principal, key_id: str, body: bytes) -> bytes:
    return msgspec.json.encode(keys.revoke(key_id, changed_by=_by(admin), tenant=admin.tenant))


def _set_user(keys: "StoredKeys", admin: Principal, body: bytes) -> bytes:
    fields = read_object(decode(body), _USER_KINDS)
    if "user" not in fields:
        raise InvalidInput("user is missing; expected the name of a user.", field="user")
    team, role = fields.get("team"), fields.get("role", "member")
    record = keys.set_user(fields["user"], team=team, role=role, changed_by=_by(admin), tenant=admin.tenant)
    return msgspec.json.encode(record)
