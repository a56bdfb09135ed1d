"""The application: every route by its subject, around one router."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

import pointsman
from pointsman.http.budgets import budgets_api
from pointsman.http.decisions import decisions_api
from pointsman.http.errors import Boundary, install_error_replies
from pointsman.http.health import health_api
from pointsman.http.metrics import Metered, Metrics
from pointsman.http.models import models_api
from pointsman.http.predictions import predictions_api
from pointsman.http.schema import install_schema
from pointsman.http.upkeep import Post, upkeep
from pointsman.http.webhook import Sender
from pointsman.router import Router

if TYPE_CHECKING:
    from pointsman.gateway import Executor
    from pointsman.store import EventLog

_DESCRIPTION: Final = """\
Predicts how hard a task is and how well each model would do it, and picks the cheapest that is good enough.

Every refusal has the same shape: `{"error": {"code", "message", "field"}}`. Money is in nano-USD (integers), with
dollars beside it. `confidence` is the calibrated chance that the chosen model does the task well.
"""


def create_app(
    router: Router,
    *,
    clock: Callable[[], float] = time.perf_counter,
    alerts: Sender | None = None,
    executor: "Executor | None" = None,
    log: "EventLog | None" = None,
) -> FastAPI:
    """Return the server of one router; `clock` gives seconds and times the requests.

    A router with a treasury gets the routes of budgets; holds expire and alerts are told while the application runs,
    which closes the treasury in the end. `alerts` delivers them as a webhook too. An `executor` on the same router
    gives the routes of the gateway, which runs while the application does.

    With a `log` there are the routes of statistics; its lines expire while the application runs, which closes it in the
    end.

    Metrics are the application's own: of several worker processes each counts what it answered itself.
    """
    app = FastAPI(
        title="Pointsman",
        version=pointsman.__version__,
        description=_DESCRIPTION,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    metrics = Metrics()
    apis = [decisions_api(router, metrics), predictions_api(router), models_api(router), health_api(router, metrics)]
    if router.treasury is not None:
        apis.append(budgets_api(router, router.treasury, metrics))
    if log is not None:
        from pointsman.http.statistics import statistics_api

        apis.append(statistics_api(log, router.treasury))
    if executor is not None:
        from pointsman.http.chats import Chats
        from pointsman.http.executions import executions_api

        apis.append(executions_api(executor, metrics))
        app.add_middleware(Chats, executor=executor, metrics=metrics)
    for api in apis:
        app.include_router(api)
    app.router.lifespan_context = lambda _: _alive(router, metrics, alerts, executor, log)
    install_schema(
        app, has_budgets=router.treasury is not None, has_log=log is not None, has_gateway=executor is not None
    )
    install_error_replies(app, metrics)
    app.add_middleware(Boundary)
    app.add_middleware(Metered, metrics=metrics, clock=clock)
    return app


@contextlib.asynccontextmanager
async def _alive(
    router: Router, metrics: Metrics, alerts: Sender | None, executor: "Executor | None", log: "EventLog | None"
) -> AsyncIterator[None]:
    """Keep what runs beside the requests going while the application runs; the treasury is closed last."""
    async with contextlib.AsyncExitStack() as stack:
        if router.treasury is not None:
            post = None if alerts is None else Post(alerts)
            await stack.enter_async_context(upkeep(router.treasury, metrics, post))
        if log is not None:
            from pointsman.http.log_upkeep import log_upkeep

            await stack.enter_async_context(log_upkeep(log))
        if executor is not None:
            from pointsman.gateway.running import running

            await stack.enter_async_context(running(executor))
        yield
