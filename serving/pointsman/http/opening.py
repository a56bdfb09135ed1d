"""A gateway's application from its configuration: everything opened, in the order in which it depends on each other."""

from collections.abc import Callable
from typing import NamedTuple

from fastapi import FastAPI

from pointsman.configuration import Configuration, Source
from pointsman.gateway import Executor
from pointsman.gateway.opening import opened_parts, opened_router, opened_treasury
from pointsman.gateway.reloading import Reloading
from pointsman.http.app import create_app
from pointsman.http.guard import open_gate
from pointsman.http.webhook import Sender
from pointsman.router import Router
from pointsman.store import StoredKeys, open_keys
from pointsman.tenants import Tenants


class Opened(NamedTuple):
    """An application and what it runs on; the application closes all of it when it ends."""

    app: FastAPI
    router: Router
    executor: Executor
    keys: StoredKeys

    def close(self) -> None:
        """Let go of everything, where the application never ran."""
        parts = self.executor.parts
        for one in (parts.log, parts.answers, self.keys, parts.router.treasury):
            if one is not None:
                one.close()


def nobody() -> None:
    """Tell no other process: there is none."""


def opened_app(
    configuration: Configuration,
    source: Source | None = None,
    *,
    alerts: Sender | None = None,
    tell_others: Callable[[], None] = nobody,
) -> Opened:
    """Return the application of a gateway; with a `source` it can take on its configuration anew.

    Raises:
        PointsmanError: bundle, policy, secret or database can't be used; nothing stays open.
    """
    treasury = opened_treasury(configuration)
    try:
        router = opened_router(configuration, treasury)
        keys = open_keys(configuration.database_url, configuration.keys.secret)
        gate = open_gate(keys, configuration.keys, configuration.limits, processes=configuration.server.workers)
        tenants = Tenants(router)
        executor = Executor(opened_parts(configuration, tenants))
        parts = executor.parts
        app = create_app(
            tenants,
            alerts=alerts,
            executor=executor,
            reloading=None if source is None else Reloading(source, configuration, executor, tell_others),
            answers=parts.answers,
            log=parts.log,
            gate=gate,
            keys=keys,
        )
    except BaseException:
        treasury.close()
        raise
    return Opened(app, router, executor, keys)
