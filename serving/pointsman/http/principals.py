"""Who asks, as the guard found out."""

from starlette.requests import Request

from pointsman.access import ANONYMOUS, Principal


def principal_of(request: Request) -> Principal:
    """Return who asks; anyone where no guard stands before the route."""
    found: Principal = request.scope.get("state", {}).get("principal", ANONYMOUS)
    return found
