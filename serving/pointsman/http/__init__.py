"""The HTTP server: the router's decisions and predictions as JSON, with metrics and OpenAPI documentation."""

from pointsman.errors import MissingExtra

try:
    from pointsman.http.app import create_app
except ModuleNotFoundError as error:
    if error.name not in ("fastapi", "prometheus_client"):
        raise
    raise MissingExtra("The HTTP server", "serve") from None

__all__ = ["create_app"]
