"""The configuration of a running gateway: read again when asked to, or at a signal."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator

import msgspec
from fastapi import APIRouter, Response

from pointsman.gateway.reloading import Reloading
from pointsman.http.bodies import json_response
from pointsman.http.operations import operation


class Reloaded(msgspec.Struct, frozen=True):
    """What is served from here on."""

    models: tuple[str, ...]
    providers: tuple[str, ...]


def configuring_api(reloading: Reloading) -> APIRouter:
    """Return the route that reads the configuration again."""
    api = APIRouter(tags=["configuration"])

    @api.post("/v1/config/reload", openapi_extra=operation("Reloaded", refusals=(422, 503)))
    async def reload_configuration() -> Response:
        """Take on what the configuration's file says, its bundle included: all of it, or nothing.

        422 names every mistake, and what only a start can change; the server goes on as it was. Requests under way end
        as they began. The other processes of the server follow.
        """
        fresh = await reloading.reload()
        reloading.tell_others()
        return json_response(msgspec.json.encode(Reloaded(fresh.fleet.ids, tuple(fresh.providers))))

    return api


@contextlib.contextmanager
def on_signal(reloading: Reloading) -> Iterator[None]:
    """Read the configuration again at each SIGHUP while the block runs; only the main thread hears signals."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "SIGHUP"):
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reloading.reload_later)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
