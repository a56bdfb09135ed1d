"""Which role may ask what: one table, and nothing that stands in none of its lines but for admins."""

from collections.abc import Mapping
from typing import Final

from pointsman.access.words import AccessRole, Principal
from pointsman.errors import Forbidden

OPEN: Final = frozenset({"/livez", "/readyz", "/health", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
"""What anyone may GET: whether the server lives, and its documentation, which says nothing of this deployment."""

METRICS: Final = "/metrics"
_RANK: Final[Mapping[AccessRole, int]] = {"read-only": 0, "member": 1, "admin": 2}

_EXACT: Final[Mapping[tuple[str, str], AccessRole]] = {
    ("GET", METRICS): "read-only",
    ("GET", "/models"): "read-only",
    ("GET", "/budgets"): "read-only",
    ("GET", "/budgets/forecast"): "read-only",
    ("GET", "/cache"): "read-only",
    ("GET", "/stats"): "read-only",
    ("GET", "/status"): "read-only",
    ("GET", "/api/optimization-metrics"): "read-only",
    ("POST", "/export/analytics"): "read-only",
    ("POST", "/route"): "member",
    ("POST", "/route/batch"): "member",
    ("POST", "/predict"): "member",
    ("POST", "/outcomes"): "member",
    ("POST", "/chat/completions"): "member",
    ("POST", "/messages"): "member",
    ("POST", "/messages/count_tokens"): "member",
    ("POST", "/execute"): "member",
    ("POST", "/execute/batch"): "member",
    ("POST", "/evaluate"): "member",
    ("POST", "/evaluate-script"): "member",
    ("GET", "/keys"): "admin",
    ("POST", "/keys"): "admin",
    ("GET", "/users"): "admin",
    ("PUT", "/users"): "admin",
    ("DELETE", "/cache"): "admin",
    ("POST", "/cache/seed"): "admin",
    ("POST", "/config/reload"): "admin",
    ("POST", "/reset"): "admin",
}
_BELOW: Final[tuple[tuple[str, str, AccessRole], ...]] = (
    ("GET", "/stats/", "read-only"),
    ("GET", "/analytics/", "read-only"),
    ("GET", "/models/", "read-only"),
    ("PUT", "/budgets/", "admin"),
    ("DELETE", "/keys/", "admin"),
    ("POST", "/keys/", "admin"),
    ("DELETE", "/users/", "admin"),
)
"""What stands below an address, such as PUT /v1/budgets/user:ann."""

CALLING: Final = frozenset(
    {"/chat/completions", "/messages", "/execute", "/execute/batch", "/evaluate", "/evaluate-script"}
)
"""What calls models: these wait in the queue, and their tokens are counted."""


def subject_of(path: str) -> str:
    """Return an address without its version: every one with "/v1" before it may also go without."""
    return path[3:] if path.startswith("/v1/") else path


def rule_of(method: str, path: str) -> AccessRole | None:
    """Return the least role that the table asks for; None where it says nothing, which leaves it to admins."""
    subject = subject_of(path)
    found = _EXACT.get((method, subject))
    if found is not None:
        return found
    for verb, start, role in _BELOW:
        if method == verb and subject.startswith(start):
            return role
    return None


def is_open(method: str, path: str) -> bool:
    """Whether no key is asked for."""
    return path in OPEN and method in ("GET", "HEAD")


def reaches(role: AccessRole, least: AccessRole) -> bool:
    """Whether a role may do what takes at least another."""
    return _RANK[role] >= _RANK[least]


def lesser(one: AccessRole, other: AccessRole) -> AccessRole:
    """Return the role that may do less."""
    return one if _RANK[one] <= _RANK[other] else other


def check_reach(principal: Principal, method: str, path: str) -> None:
    """Refuse what a principal's role doesn't reach.

    Raises:
        Forbidden: the message names the role that it takes.
    """
    least = rule_of(method, path)
    if reaches(principal.role, least or "admin"):
        return
    of_a_key = f"the key {principal.key} has" if principal.key else "you have"
    unknown = "" if least else ", as does every address that doesn't exist"
    raise Forbidden(
        f"{method} {path:.200} takes the role {least or 'admin'}{unknown}; {of_a_key} the role {principal.role}. "
        "Ask an admin for a key that may."
    )


_OWN: Final = ("tenant", "team", "user", "key")


def payers(principal: Principal, stated: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a request: what the caller stated, and who pays, which the key alone says.

    A key's tenant, team, user and id can't be stated otherwise. What it leaves open stays open, but that an admin's key
    without a user may name one. Other tags (project, agent) are the caller's. Without keys all is as stated.

    Raises:
        Forbidden: a payer that the key doesn't name; `field` is its tag.
    """
    if principal.key is None:
        return dict(stated)
    named = principal.tags() | {"tenant": principal.tenant}
    for kind in _OWN:
        value = stated.get(kind)
        if value in (None, "", named.get(kind)):
            continue
        if kind == "user" and principal.user is None and principal.role == "admin":
            continue
        raise Forbidden(
            f"tags.{kind} is {value!r:.80}; the key {principal.key} says who pays, and that isn't it. "
            "Leave the tag out, or use a key of that payer.",
            field=f"tags.{kind}",
        )
    others = {kind: value for kind, value in stated.items() if kind != "tenant"}
    return others | principal.tags()
