"""What every request passes before any route sees it: headers, key, role, rate, queue, body."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointsman.access import ANONYMOUS, KeyRing, Principal, RateLimiter, Rates, check_reach
from pointsman.access.rates import headers_of
from pointsman.access.roles import CALLING, METRICS, is_open, subject_of
from pointsman.access.tokens import PREFIX
from pointsman.access.words import NO_LIMITS
from pointsman.errors import InvalidConfig, PointsmanError, Unauthenticated
from pointsman.http.bodies import BODY, MAX_INLINE_BYTES, BodyTimeout, received
from pointsman.http.credentials import singles, token_in
from pointsman.http.nesting import check_depth
from pointsman.http.queueing import PLACE, Queue, until_gone
from pointsman.http.refusals import refusal
from pointsman.settings import KeySettings, RequestLimits

if TYPE_CHECKING:
    from pointsman.store import StoredKeys

PRINCIPAL: Final = "principal"
"""Where the scope's state has who asks."""
ADMISSION: Final = "admission"
"""Where it has what the rate limiter counted.

Whoever understands the body puts there what `RateLimiter.expect` returns for the tokens that it may use; whoever learns
what it used calls `RateLimiter.true_up`.
"""

_AT_LEAST: Final = 1
"""The tokens of a request that calls a model, until its body is understood: a size in bytes says little of images."""
_NO_KEY: Final = (
    "There is no key; send one of this deployment as Authorization: Bearer pm-..., or as x-api-key. "
    "An admin makes them with: pointsman keys create"
)
_KEYS: Final = KeySettings()
_LIMITS: Final = RequestLimits()


@dataclass(frozen=True, slots=True)
class Gate:
    """What a guard goes by. Without a `ring` nobody has a key, and none may be required."""

    limiter: RateLimiter
    ring: KeyRing | None = None
    keys: KeySettings = _KEYS
    limits: RequestLimits = _LIMITS

    def __post_init__(self) -> None:
        """Refuse a gate that nobody could pass.

        Raises:
            InvalidConfig: keys are required, and there is nothing to check them by.
        """
        if self.keys.required and self.ring is None:
            raise InvalidConfig(
                "keys are required, and there is no database that has any; name one as database_url.",
                field="keys.required",
            )


def open_gate(
    stored: "StoredKeys | None" = None,
    keys: KeySettings = _KEYS,
    limits: RequestLimits = _LIMITS,
    *,
    processes: int = 1,
) -> Gate:
    """Return the gate of one process of so many, by the machine's clocks; `stored` None: there are no keys.

    Raises:
        InvalidConfig: keys are required, and there are none.
    """
    limiter = RateLimiter(time.monotonic, processes=processes)
    if stored is None:
        return Gate(limiter, None, keys, limits)
    defaults = Rates(keys.requests_per_minute, keys.tokens_per_minute)
    ring = KeyRing(stored, stored.secret, now=lambda: datetime.now(UTC), clock=time.monotonic, defaults=defaults)
    return Gate(limiter, ring, keys, limits)


class Guard:
    """Lets a request through to the application, or answers why not in the caller's protocol.

    The principal, the admission and the body are in the scope's state. `refused` is told the code of each refusal.
    """

    def __init__(self, app: ASGIApp, gate: Gate, refused: Callable[[str], None]) -> None:
        self.app = app
        self._gate = gate
        self._refused = refused
        self._queue = Queue(gate.limits.max_running, gate.limits.max_waiting)
        rates = Rates(gate.keys.requests_per_minute, gate.keys.tokens_per_minute)
        self._anonymous = Principal(role=ANONYMOUS.role, rates=rates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = _Passage(scope, receive, send, self._gate.limiter)
        try:
            await self._pass(passage)
        except PointsmanError as error:
            if passage.has_started:
                raise
            self._refused(error.code)
            await refusal(passage.path, error)(scope, receive, passage.send)

    async def _pass(self, passage: "_Passage") -> None:
        scope, state = passage.scope, passage.state
        headers = singles(scope["headers"])
        if is_open(passage.method, passage.path) or self._is_open_metrics(passage):
            state[PRINCIPAL] = self._anonymous
            await self.app(scope, passage.receive, passage.send)
            return
        passage.principal = state[PRINCIPAL] = self._principal(headers)
        check_reach(passage.principal, passage.method, passage.path)
        if subject_of(passage.path) not in CALLING:
            state[ADMISSION] = self._gate.limiter.admit(passage.principal)
            await self.app(scope, await self._read(passage, headers), passage.send)
            return
        with self._queue.place() as place:
            state[ADMISSION] = self._gate.limiter.admit(passage.principal, _AT_LEAST)
            receive = await self._read(passage, headers)
            if not await self._turn(passage.receive):
                return
            place.has_turn = True
            state[PLACE] = place
            await self.app(scope, receive, passage.send)

    def _is_open_metrics(self, passage: "_Passage") -> bool:
        return self._gate.keys.open_metrics and passage.path == METRICS and passage.method == "GET"

    def _principal(self, headers: dict[bytes, bytes]) -> Principal:
        """Return who asks; where no key is required, what doesn't look like one of ours is passed over."""
        token, ring = token_in(headers), self._gate.ring
        if ring is not None and token is not None and (self._gate.keys.required or token.startswith(PREFIX)):
            return ring.principal(token)
        if self._gate.keys.required:
            raise Unauthenticated(_NO_KEY)
        return self._anonymous

    async def _read(self, passage: "_Passage", headers: dict[bytes, bytes]) -> Receive:
        """Return the receive that gives the body again, once it is known to be one that may be decoded."""
        if passage.method == "GET":
            return passage.receive
        limits = self._gate.limits
        try:
            async with asyncio.timeout(limits.body_timeout_s):
                body = await received(passage.receive, headers.get(b"content-length", b""), limits.max_body_bytes)
        except TimeoutError:
            raise BodyTimeout(f"The body didn't come within {limits.body_timeout_s:g} s; send it again.") from None
        if len(body) > MAX_INLINE_BYTES:
            await to_thread.run_sync(check_depth, body, limits.max_depth)
        else:
            check_depth(body, limits.max_depth)
        passage.state[BODY] = body
        return _again(body, passage.receive)

    async def _turn(self, receive: Receive) -> bool:
        """Wait for a turn; return False where the caller hung up meanwhile, which is all that may come after a body."""
        if self._queue.try_turn():
            return True
        turn, gone = asyncio.ensure_future(self._queue.turn()), asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait((turn, gone), return_when=asyncio.FIRST_COMPLETED)
            has_turn = turn.done()
        except asyncio.CancelledError:
            if turn.done():
                self._queue.give_back()
            raise
        finally:
            gone.cancel()
            if not turn.done():
                turn.cancel()
        return has_turn


class _Passage:
    """One request on its way through: what it asks, what is learnt of it, and whether its answer has begun."""

    __slots__ = ("_limiter", "_send", "has_started", "method", "path", "principal", "receive", "scope", "state")

    def __init__(self, scope: Scope, receive: Receive, send: Send, limiter: RateLimiter) -> None:
        root = scope.get("root_path", "")
        path: str = scope["path"]
        self.scope = scope
        self.receive = receive
        self.state: dict[str, Any] = scope.setdefault("state", {})
        self.path = path[len(root) :] if root and path.startswith(f"{root}/") else path
        self.method = "GET" if scope["method"] == "HEAD" else scope["method"]
        self.principal: Principal | None = None
        self.has_started = False
        self._send = send
        self._limiter = limiter

    async def send(self, message: Message) -> None:
        """Send a part of the answer; its headers say how the key stands to its limits."""
        if message["type"] == "http.response.start":
            self.has_started = True
            principal = self.principal
            if principal is not None and principal.rates != NO_LIMITS:
                standing = headers_of(self._limiter.standing(principal))
                message = {**message, "headers": [*message.get("headers", ()), *standing]}
        await self._send(message)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives a body that was read, then whatever comes after it."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given
