"""The application: every route by its subject, around one router."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.types import ASGIApp

import pointsman
from pointsman.http.budgets import budgets_api
from pointsman.http.decisions import decisions_api
from pointsman.http.errors import Boundary, install_error_replies
from pointsman.http.guard import Gate, Guard, open_gate
from pointsman.http.health import health_api
from pointsman.http.keys import keys_api
from pointsman.http.metrics import Metered, Metrics
from pointsman.http.models import models_api
from pointsman.http.predictions import predictions_api
from pointsman.http.schema import install_schema
from pointsman.http.upkeep import Post, refreshing, upkeep
from pointsman.http.webhook import Sender
from pointsman.router import Router
from pointsman.tenants import Tenants

if TYPE_CHECKING:
    from pointsman.gateway import Executor
    from pointsman.gateway.answers import Answers
    from pointsman.gateway.reloading import Reloading
    from pointsman.store import EventLog, StoredKeys

_DESCRIPTION: Final = """\
Predicts how hard a task is and how well each model would do it, and picks the cheapest that is good enough.

Every refusal has the same shape: `{"error": {"code", "message", "field"}}`. Money is in nano-USD (integers), with
dollars beside it. `confidence` is the calibrated chance that the chosen model does the task well.
"""


def create_app(
    router: Router | Tenants,
    *,
    clock: Callable[[], float] = time.perf_counter,
    alerts: Sender | None = None,
    executor: "Executor | None" = None,
    reloading: "Reloading | None" = None,
    answers: "Answers | None" = None,
    log: "EventLog | None" = None,
    gate: Gate | None = None,
    keys: "StoredKeys | None" = None,
) -> FastAPI:
    """Return the server of one router, or of one for each tenant; `clock` gives seconds and times the requests.

    A router with a treasury gets the routes of budgets; holds expire and alerts are told while the application runs,
    which closes the treasury in the end. `alerts` delivers them as a webhook too. An `executor` on the same router
    gives the routes of the gateway, which runs while the application does; `reloading` the one that has it take on its
    configuration anew, which a signal SIGHUP does too.

    With `answers`, the cache, its routes are there; whoever opened it closes it. With a `log` there are the routes of
    statistics; its lines expire while the application runs, which closes it in the end.

    `gate` says who may ask what, and what a request may be; None: anyone, within the default limits. With `keys` there
    are routes that manage them; the gate's ring is refreshed while the application runs, which closes them in the end.

    Metrics are the application's own: of several worker processes each counts what it answered itself.
    """
    app = FastAPI(
        title="Pointsman",
        version=pointsman.__version__,
        description=_DESCRIPTION,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    metrics, gate = Metrics(), open_gate() if gate is None else gate
    tenants = router if isinstance(router, Tenants) else Tenants(router)
    router = tenants.router
    apis = [
        decisions_api(tenants, metrics),
        predictions_api(tenants),
        models_api(tenants, is_gateway=executor is not None),
        health_api(tenants, metrics),
    ]
    if router.treasury is not None:
        apis.append(budgets_api(tenants, metrics))
    if log is not None:
        from pointsman.http.statistics import statistics_api

        apis.append(statistics_api(log, tenants, lambda: _circuits(executor)))
    if keys is not None:
        apis.append(keys_api(keys))
    if answers is not None:
        from pointsman.http.cache import cache_api

        apis.append(cache_api(answers, lambda: datetime.now(UTC)))
    if executor is not None:
        from pointsman.http.counting import counting_api
        from pointsman.http.evaluations import evaluations_api
        from pointsman.http.executions import executions_api

        apis += [
            executions_api(executor, metrics, gate.limiter),
            evaluations_api(executor, gate.limiter),
            counting_api(metrics),
        ]
        if reloading is not None:
            from pointsman.http.configuring import configuring_api

            apis.append(configuring_api(reloading))
    for api in apis:
        app.include_router(api)
    app.router.lifespan_context = lambda _: _alive(tenants, metrics, alerts, executor, reloading, log, gate, keys)
    present: dict[str, object] = {
        "budgets": router.treasury,
        "log": log,
        "gateway": executor,
        "keys": keys,
        "cache": answers,
    }
    present["configuration"] = reloading
    install_schema(app, {subject for subject, part in present.items() if part is not None})
    install_error_replies(app, metrics)
    app.add_middleware(Boundary)  # within Starlette's own, which would answer first
    _stand_before(app, lambda rest: _front(rest, executor, metrics, gate, clock))
    return app


def _front(
    rest: ASGIApp, executor: "Executor | None", metrics: Metrics, gate: Gate, clock: Callable[[], float]
) -> ASGIApp:
    """Return what every request meets first, around the rest of the application."""
    if executor is not None:
        from pointsman.http.chats import Chats

        rest = Chats(rest, executor, metrics, gate.limiter)
    return Metered(Boundary(Guard(rest, gate, metrics.refused)), metrics, clock)


def _stand_before(app: FastAPI, front: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put something before all of an application's own layers, where `add_middleware` would put it within them.

    A chat is answered there, and so goes through none of the six layers that FastAPI and Starlette lay around routes.
    """
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: front(build())  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def _alive(
    tenants: Tenants,
    metrics: Metrics,
    alerts: Sender | None,
    executor: "Executor | None",
    reloading: "Reloading | None",
    log: "EventLog | None",
    gate: Gate,
    keys: "StoredKeys | None",
) -> AsyncIterator[None]:
    """Keep what runs beside the requests going while the application runs; what is opened first is closed last."""
    async with contextlib.AsyncExitStack() as stack:
        if tenants.router.treasury is not None:
            post = None if alerts is None else Post(alerts)
            await stack.enter_async_context(upkeep(tenants, metrics, post))
        if gate.ring is not None:
            await stack.enter_async_context(refreshing(gate.ring, keys))
        if log is not None:
            from pointsman.http.log_upkeep import log_upkeep

            await stack.enter_async_context(log_upkeep(log))
        if executor is not None:
            from pointsman.gateway.running import running

            await stack.enter_async_context(running(executor))
        if reloading is not None:
            from pointsman.http.configuring import on_signal

            stack.enter_context(on_signal(reloading))
        yield


def _circuits(executor: "Executor | None") -> Mapping[str, str]:
    """Return the state of each model's circuit; nothing where no model is called."""
    if executor is None:
        return {}
    return {model: health.state for model, health in executor.parts.health.snapshot().items()}
