"""Alerts as signed requests: the receiver checks who sent them, that nothing was changed, and that they are fresh.

The signature is HMAC-SHA256 over "<timestamp>.<body>", as Stripe's and GitHub's are in kind: headers
`Pointsman-Timestamp` (seconds since 1970), `Pointsman-Signature` ("v1=" and hex) and `Pointsman-Delivery` (the alert's
id: the receiver drops a second delivery of the same).
"""

import hashlib
import hmac
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from pointsman.budget.alerts import Alert
from pointsman.budget.windows import utc
from pointsman.errors import InvalidBudget

TOLERANCE_S: Final = 300
"""A signature older than this, or as far in the future, is refused: the window in which a copy could be replayed."""

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 3600.0
ATTEMPTS: Final = 8
LEAST_SECRET_BYTES: Final = 16
_RETRIED: Final = frozenset({408, 409, 425, 429})

Outcome = Literal["delivered", "refused", "gave_up"]


class Request(msgspec.Struct, frozen=True):
    """One HTTP POST: what to send, to be sent as it is."""

    url: str
    headers: dict[str, str]
    body: bytes


Transport = Callable[[Request], int]
"""Send a request, and return the HTTP status. Raises OSError where none came back."""


class Delivery(msgspec.Struct, frozen=True):
    """How it went: the outcome, how often it was tried, and the last status (None: no answer)."""

    outcome: Outcome
    attempts: int
    status: int | None


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """Return the value of `Pointsman-Signature`.

    Raises:
        InvalidBudget: a secret so short that it can be guessed.
    """
    if len(secret) < LEAST_SECRET_BYTES:
        raise InvalidBudget(
            f"the webhook's secret has {len(secret)} bytes; expected at least {LEAST_SECRET_BYTES}, such as those of "
            "python -c 'import secrets; print(secrets.token_hex())'.",
            field="secret",
        )
    return "v1=" + hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def signed_request(url: str, secret: bytes, alert: Alert, now: datetime) -> Request:
    """Return the request that tells an alert: JSON, signed at this moment.

    Raises:
        InvalidBudget: the URL isn't http or https, or the secret is too short.
    """
    if not url.startswith(("https://", "http://")) or not url.isprintable() or " " in url:
        raise InvalidBudget(f"the webhook's url is {url!r:.200}; expected http:// or https://.", field="url")
    body, timestamp = msgspec.json.encode(alert), int(utc(now).timestamp())
    headers = {
        "Content-Type": "application/json",
        "Pointsman-Delivery": hashlib.sha256(alert.id.encode()).hexdigest(),
        "Pointsman-Timestamp": str(timestamp),
        "Pointsman-Signature": signature(secret, timestamp, body),
    }
    return Request(url, headers, body)


def is_authentic(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Return whether a request was signed with the secret within `TOLERANCE_S` of now: for receivers."""
    by_name = {name.lower(): value for name, value in headers.items()}
    stamp, given = by_name.get("pointsman-timestamp", ""), by_name.get("pointsman-signature", "")
    if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > 12:
        return False
    is_fresh = abs(utc(now).timestamp() - int(stamp)) <= TOLERANCE_S
    is_signed = hmac.compare_digest(signature(secret, int(stamp), body).encode(), given.encode("utf-8", "replace"))
    return is_fresh and is_signed


def send(request: Request, timeout_s: float = 10.0) -> int:
    """Send a request over the network and return the status; redirects aren't followed.

    Raises:
        OSError: no answer.
    """
    target = urlsplit(request.url)
    connect = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = connect(target.hostname or "", target.port, timeout=timeout_s)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    try:
        connection.request("POST", path, body=request.body, headers=request.headers)
        return connection.getresponse().status
    except HTTPException as error:
        raise OSError(f"{request.url} didn't answer in HTTP: {error!r}") from error
    finally:
        connection.close()


def retry_delay_s(attempt: int, rng: random.Random) -> float:
    """Return how long to wait after a failed attempt (from 1): doubling to an hour, spread by half so none coincide."""
    return min(FIRST_RETRY_S * 2.0 ** (attempt - 1), LAST_RETRY_S) * rng.uniform(0.5, 1.0)


class Sender:
    """Delivers alerts to one URL, signed anew at each attempt."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        transport: Transport,
        *,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
        rng: random.Random,
    ) -> None:
        self._url, self._secret, self._transport = url, secret, transport
        self._clock, self._wait, self._rng = clock, wait, rng

    def deliver(self, alert: Alert) -> Delivery:
        """Send until a status of 2xx, at most `ATTEMPTS` times; other statuses below 500 won't change, so end it."""
        status: int | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status = self._transport(signed_request(self._url, self._secret, alert, self._clock()))
            except OSError:
                status = None
            if status is not None and 200 <= status < 300:
                return Delivery("delivered", attempt, status)
            if status is not None and status < 500 and status not in _RETRIED:
                return Delivery("refused", attempt, status)
            if attempt < ATTEMPTS:
                self._wait(retry_delay_s(attempt, self._rng))
        return Delivery("gave_up", ATTEMPTS, status)
