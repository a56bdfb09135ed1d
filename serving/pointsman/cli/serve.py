"""`pointsman serve`: answer over HTTP, with one process or several."""

import argparse
import errno
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from pointsman.cli.options import add_router_options, add_treasury_options, load_router
from pointsman.cli.starting import starting
from pointsman.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Config
    from uvicorn.supervisors import Multiprocess

    from pointsman.configuration import Configuration
    from pointsman.http.webhook import Sender
    from pointsman.router import Router
    from pointsman.settings import ServerSettings

_SECRET: Final = "POINTSMAN_WEBHOOK_SECRET"
_BACKLOG: Final = 2048
_SETTINGS: Final = (
    *("config", "fleet", "bundle", "profile", "strategy", "trade_usd", "confidence", "target_quality", "policy"),
    *("budgets", "database_url", "tenant", "hold_for", "alert_webhook"),
)
"""Options that worker processes read from the environment, as POINTSMAN_FLEET and so on."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser("serve", help="answer over HTTP")
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="be a gateway: a pointsman.yaml (pointsman init writes one)")
    parser.add_argument("--host", help="the address to listen on (default: the configuration's, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes a free one (default: the configuration's, else 8000)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: the configuration's, else 1)")
    add_router_options(parser)
    add_treasury_options(parser)
    parser.add_argument(
        "--alert-webhook", metavar="URL", help=f"where budget alerts are posted, signed with the secret in ${_SECRET}"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; what can't be used is refused before any worker starts."""
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise MissingExtra("The HTTP server", "serve") from None
    with starting():
        configuration = _configuration(args)
        server = _server(args, configuration)
        site = _site(args, configuration)
        listener = _bound(server.host, server.port)
    port = listener.getsockname()[1]
    if server.workers == 1:
        listener.listen(_BACKLOG)
        _announce(site, server.host, port)
        uvicorn.Server(uvicorn.Config(site.app, log_level="warning")).run(sockets=[listener])
        return 0
    site.close()  # each worker opens its own
    _announce(site, server.host, port)
    _export_settings(args, server.workers)
    config = uvicorn.Config(
        f"{__name__}:app_from_environment", factory=True, workers=server.workers, log_level="warning"
    )
    _supervisor(config, listener).run()
    return 0


def _supervisor(config: "Config", listener: socket.socket) -> "Multiprocess":
    """Return what keeps the worker processes; at SIGHUP each of them reads the configuration again."""
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        def handle_hup(self) -> None:
            for process in self.processes:
                if process.pid is not None:
                    os.kill(process.pid, signal.SIGHUP)

    listener.listen(_BACKLOG)
    return Workers(config, sockets=[listener])


def app_from_environment() -> "FastAPI":
    """Return the app that the POINTSMAN_* environment variables describe: the factory of worker processes."""
    parser = argparse.ArgumentParser()
    _add_options(parser)
    wanted = _SETTINGS[:1] if "POINTSMAN_CONFIG" in os.environ else _SETTINGS
    names = {name: f"POINTSMAN_{name.upper()}" for name in wanted}
    given = {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    args = parser.parse_args(words)
    with starting():
        return _site(args, _configuration(args), tell_others=_tell_supervisor).app


def _tell_supervisor() -> None:
    """Have the process that started this worker tell all workers to read the configuration again."""
    os.kill(os.getppid(), signal.SIGHUP)


def _nothing() -> None:
    """Close nothing, where nothing was opened."""


class Site(NamedTuple):
    """What is served."""

    app: "FastAPI"
    router: "Router"
    close: Callable[[], None]
    is_gateway: bool


def _configuration(args: argparse.Namespace) -> "Configuration | None":
    if args.config is None:
        return None
    from pointsman.configuration import read_configuration

    return read_configuration(args.config, os.environ)


def _server(args: argparse.Namespace, configuration: "Configuration | None") -> "ServerSettings":
    """Return where to listen: the options, else the configuration, else the defaults."""
    from pointsman.settings import ServerSettings

    base = ServerSettings() if configuration is None else configuration.server
    given = {name: value for name in ("host", "port", "workers") if (value := getattr(args, name)) is not None}
    server = msgspec.structs.replace(base, **given)
    if server.workers < 1:
        raise InvalidInput(f"workers is {server.workers}; expected at least 1.", field="workers")
    return server


def _site(
    args: argparse.Namespace,
    configuration: "Configuration | None",
    tell_others: Callable[[], None] = _nothing,
) -> Site:
    if configuration is not None:
        from pointsman.configuration import Source
        from pointsman.http.opening import opened_app

        alerts = _alerts(args.alert_webhook or configuration.alert_webhook, configuration.tenant)
        source = Source(args.config, dict(os.environ))
        opened = opened_app(configuration, source, alerts=alerts, tell_others=tell_others)
        return Site(opened.app, opened.router, opened.close, True)
    if args.alert_webhook is not None and args.budgets is None and args.database_url is None:
        raise InvalidInput("--alert-webhook tells of budgets, and none are kept; add --budgets.", field="alert_webhook")
    from pointsman.http import create_app

    router = load_router(args)
    app = create_app(router, alerts=_alerts(args.alert_webhook, args.tenant))
    return Site(app, router, router.treasury.close if router.treasury is not None else _nothing, False)


def _alerts(url: str | None, tenant: str) -> "Sender | None":
    """Return who posts alerts; its secret comes from the environment, where process lists don't show it."""
    if url is None:
        return None
    from pointsman.budget.alerts import Alert
    from pointsman.http.webhook import Sender, send, signed_request

    secret, now = os.environ.get(_SECRET, "").encode(), datetime.now(UTC)
    trial = Alert("trial", "threshold", tenant, "global", "day", "nanousd", 0, 0, None, now, None, "")
    signed_request(url, secret, trial, now)  # refuses a URL or a secret that can't be used
    return Sender(url, secret, send, clock=lambda: datetime.now(UTC), wait=time.sleep, rng=random.Random())


def _announce(site: Site, host: str, port: int) -> None:
    where, fleet, digest = _url(host, port), site.router.fleet.name, site.router.bundle.digest
    words = f"Pointsman serves the fleet {fleet} with bundle {digest} at {where}. API docs: {where}/docs\n"
    if site.is_gateway:
        words += f'OpenAI clients: base_url="{where}/v1", model="auto". Anthropic clients: base_url="{where}".\n'
    sys.stdout.write(words)
    sys.stdout.flush()


def _export_settings(args: argparse.Namespace, workers: int) -> None:
    """Tell the workers what to serve; a configuration says all but how many they are."""
    if args.config is not None:
        os.environ |= {"POINTSMAN_CONFIG": args.config, "POINTSMAN_SERVER_WORKERS": str(workers)}
        return
    os.environ.pop("POINTSMAN_CONFIG", None)
    for name in _SETTINGS[1:]:
        value, variable = getattr(args, name), f"POINTSMAN_{name.upper()}"
        if value is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = str(value)


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InvalidInput(f"port is {port}; expected 0 to 65535.", field="port")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if sys.platform != "win32":  # there, this option would share a port that is taken
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except socket.gaierror:
        listener.close()
        raise InvalidInput(f"host is {host!r}; expected an address of this machine.", field="host") from None
    except OSError as error:
        listener.close()
        is_taken = error.errno == errno.EADDRINUSE
        advice = "Choose another with --port, or stop what uses it." if is_taken else "Choose other --host or --port."
        raise InvalidInput(f"Can't listen on {host} port {port}: {error.strerror}. {advice}", field="port") from None
    return listener


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
