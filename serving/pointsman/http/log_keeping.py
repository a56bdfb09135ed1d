"""What is done with the log over HTTP: health, exports, resets and erasure, each of the caller's tenant."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from pointsman.access.words import ANONYMOUS, Principal
from pointsman.errors import Forbidden, LedgerUnavailable
from pointsman.http.bodies import decode, json_response, read_body
from pointsman.http.operations import operation
from pointsman.insight import Period, exported, parse_moment, period, statistics
from pointsman.store.events import EventLog
from pointsman.task_json import NAME, Kind, read_object

_EXPORT_KINDS: Final[Mapping[str, Kind]] = {"format": NAME, "since": NAME, "until": NAME}
_RESET_KINDS: Final[Mapping[str, Kind]] = {"reason": NAME}
_MEDIA: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8"}


class Reset(msgspec.Struct, frozen=True):
    """From when on statistics count; what was before stays in the log."""

    since: datetime


class Erased(msgspec.Struct, frozen=True):
    """How many lines of the log were about the user."""

    lines: int


class Health(msgspec.Struct, frozen=True):
    """Whether the server does its work: "ok", "losing events" or "database unavailable".

    `requests` and `error_rate` are of the last hour. `lost_events` couldn't be written since the process began,
    `waiting_events` will be. `circuits` has the state of each model's circuit, where calls are made here.
    """

    status: str
    uptime_s: float
    requests: int | None
    error_rate: float | None
    lost_events: int
    waiting_events: int
    circuits: Mapping[str, str] = {}


Circuits = Callable[[], Mapping[str, str]]


def add_keeping(api: APIRouter, log: EventLog, circuits: Circuits) -> None:
    """Add the routes; exports, resets and erasure are for admins."""

    @api.get("/v1/health", openapi_extra=operation("Health"))
    @api.get("/health", name="health_at_root", openapi_extra=operation("Health"))
    async def health(request: Request) -> Response:
        """Say whether the server does its work: uptime, the last hour's errors, events that were lost."""
        return json_response(
            msgspec.json.encode(await to_thread.run_sync(_health, log, principal_of(request).tenant, circuits()))
        )

    @api.post("/v1/export/analytics", openapi_extra=_exporting())
    @api.post("/export/analytics", name="export_at_root", openapi_extra=_exporting())
    async def export(request: Request) -> Response:
        """Stream the log's lines as JSON or CSV (`{"format": "csv", "since": "7d"}`); for admins."""
        who = _admin(request)
        fields: dict[str, Any] = read_object(decode(await read_body(request) or b"{}"), _EXPORT_KINDS)
        form = fields.get("format", "json")
        span = await to_thread.run_sync(span_of, log, who.tenant, fields.get("since"), fields.get("until"))
        lines = exported(log, span, form)
        headers = {"content-disposition": f'attachment; filename="pointsman-log.{form}"'}
        return StreamingResponse(_ended(lines), media_type=_MEDIA[form], headers=headers)

    @api.post("/v1/reset", openapi_extra=operation("Reset", body="ResetRequest", refusals=(400, 403, 413, 422, 503)))
    @api.post(
        "/reset",
        name="reset_at_root",
        openapi_extra=operation("Reset", body="ResetRequest", refusals=(400, 403, 413, 422, 503)),
    )
    async def reset(request: Request) -> Response:
        """Let statistics begin anew; nothing is deleted. For admins."""
        who = _admin(request)
        fields: dict[str, Any] = read_object(decode(await read_body(request) or b"{}"), _RESET_KINDS)
        done = await to_thread.run_sync(
            lambda: log.reset(who.tenant, made_by=_name(who), reason=fields.get("reason", ""))
        )
        return json_response(msgspec.json.encode(Reset(done)))

    @api.delete("/v1/users/{user:path}/data", openapi_extra=operation("Erased", refusals=(403, 422, 503)))
    async def erase_user(request: Request, user: str) -> Response:
        """Take a user out of the log: name, key, agent, tags, text and features; the money stays. For admins."""
        who = _admin(request)
        count = await to_thread.run_sync(lambda: log.erase(who.tenant, user, made_by=_name(who)))
        return json_response(msgspec.json.encode(Erased(count)))


def principal_of(request: Request) -> Principal:
    """Return who asks, as the access middleware found; ANONYMOUS where there is none."""
    found = request.scope.get("state", {}).get("principal", ANONYMOUS)
    return found if isinstance(found, Principal) else ANONYMOUS


def span_of(log: EventLog, tenant: str, since: str | None, until: str | None) -> Period:
    """Return the period that a query names.

    Raises:
        InvalidInput: a moment that can't be read.
        LedgerUnavailable: the log can't be read.
    """
    now = log.clock()
    return period(
        log,
        tenant,
        since=None if since is None else parse_moment(since, now, "since"),
        until=None if until is None else parse_moment(until, now, "until"),
    )


def _admin(request: Request) -> Principal:
    who = principal_of(request)
    if who.role != "admin":
        raise Forbidden(f"this key's role is {who.role}; expected admin. Ask with the key of an admin.")
    return who


def _name(who: Principal) -> str:
    return who.user or who.key or "http"


def _health(log: EventLog, tenant: str, circuits: Mapping[str, str]) -> Health:
    now = log.clock()
    uptime = (now - log.opened_at).total_seconds()
    try:
        figures = statistics(log, period(log, tenant, since=parse_moment("1h", now, "since"), until=now))
    except LedgerUnavailable:
        return Health("database unavailable", uptime, None, None, log.lost, log.waiting, circuits)
    status = "losing events" if log.lost else "ok"
    return Health(status, uptime, figures.requests, figures.error_rate, log.lost, log.waiting, circuits)


def _exporting() -> dict[str, Any]:
    found = operation(None, body="ExportRequest", refusals=(400, 403, 413, 422, 503))
    found["responses"]["200"]["content"] = {
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        "text/csv": {"schema": {"type": "string"}},
    }
    return found


def _ended(lines: Iterator[bytes]) -> Iterator[bytes]:
    return (line + b"\n" for line in lines)
