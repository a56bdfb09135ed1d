import asyncio
import gzip
import json
import logging
import re
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import anthropic
import anyio
import httpx
import openai
import pytest
import uvicorn
from fastapi.routing import APIRoute

from pointsman import Router
from pointsman.access import ANONYMOUS, KeyTerms, RateLimiter, Rates
from pointsman.access.roles import is_open, rule_of
from pointsman.errors import InvalidConfig
from pointsman.http import create_app, upkeep
from pointsman.http.guard import ADMISSION, PRINCIPAL, Gate, Guard, open_gate
from pointsman.settings import KeySettings, RequestLimits
from pointsman.store import open_keys, open_ledger
from pointsman.treasury import Treasury

REQUIRED = KeySettings(required=True)
TASK = {"text": "Fix the login bug"}


@pytest.fixture
def keys(tmp_path):
    with open_keys(f"sqlite:///{tmp_path}/pm.db") as opened:
        yield opened


@pytest.fixture
def token_of(keys):
    """Return a new key with these terms."""
    return lambda **terms: keys.create(KeyTerms(**terms), changed_by="eve").token


@pytest.fixture
def keyed(router, keys):
    """Return an application that requires keys, and its gate, whose ring a test refreshes."""

    def make(settings=REQUIRED, limits=None):
        gate = open_gate(keys, settings, limits or RequestLimits())
        return create_app(router, gate=gate, keys=keys), gate

    return make


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Echo:
    """An application that answers with who asked and what; it keeps each request until it is let go."""

    def __init__(self, *, is_held=False):
        self.go = asyncio.Event()
        self.is_held = is_held
        self.began = 0
        self.most = 0
        self.running = 0

    async def __call__(self, scope, receive, send):
        self.began += 1
        self.running += 1
        self.most = max(self.most, self.running)
        body = (await receive()).get("body", b"")
        if self.is_held:
            await self.go.wait()
        self.running -= 1
        state = scope["state"]
        told = {"key": state[PRINCIPAL].key, "tokens": state[ADMISSION].tokens, "bytes": len(body)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def guarded(gate=None, app=None):
    refusals = []
    return Guard(app or Echo(), gate or Gate(RateLimiter(lambda: 1000.0)), refusals.append), refusals


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pointsman")


def operations(routes):
    """Yield (method, path) of every route, those of included routers too."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from operations(route.original_router.routes)
        else:
            yield from ((method, route.path) for method in route.methods)


def test_every_route_of_the_application_has_a_rule_or_is_open(router, keys, tmp_path):
    with open_ledger(f"sqlite:///{tmp_path}/pm.db") as ledger:
        complete = Router(router.bundle, router.fleet, treasury=Treasury(ledger, clock=lambda: datetime.now(UTC)))
        found = set(operations(create_app(complete, keys=keys).routes))
    assert {("GET", "/livez"), ("POST", "/route"), ("PUT", "/v1/budgets/{scope:path}"), ("GET", "/v1/keys")} < found
    for method, path in found:
        asked = re.sub(r"\{[^}]*\}", "x", path)
        assert is_open(method, asked) or rule_of(method, asked), f"{method} {path} has no rule in access/roles.py"


def test_a_route_without_a_rule_is_left_to_admins(keyed, token_of, call):
    app, gate = keyed()
    app.router.routes.append(APIRoute("/v1/forgotten", lambda: {"secret": 1}, methods=["GET"]))
    member, admin = token_of(role="member"), token_of(role="admin")
    gate.ring.refresh()
    assert call(app, "GET", "/v1/forgotten", headers=bearer(member)).status_code == 403
    assert call(app, "GET", "/v1/forgotten", headers=bearer(admin)).status_code == 200
    assert call(app, "GET", "/v1/nothing", headers=bearer(admin)).status_code == 404


def test_roles_reach_as_far_as_the_table_says(keyed, token_of, call):
    app, gate = keyed()
    tokens = {role: token_of(role=role) for role in ("read-only", "member", "admin")}
    gate.ring.refresh()

    def statuses(method, path, **request):
        return [call(app, method, path, headers=bearer(token), **request).status_code for token in tokens.values()]

    assert statuses("GET", "/v1/models") == [200, 200, 200]
    assert statuses("POST", "/v1/route", json=TASK) == [403, 200, 200]
    assert statuses("GET", "/v1/keys") == [403, 403, 200]


def test_without_a_key_only_what_is_open_is_answered(keyed, call):
    app, gate = keyed()
    gate.ring.refresh()
    assert [call(app, "GET", path).status_code for path in ("/livez", "/readyz", "/openapi.json")] == [200, 200, 200]
    refused = call(app, "POST", "/v1/route", json=TASK)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    error = refused.json()["error"]
    assert (error["code"], "pointsman keys create" in error["message"]) == ("unauthenticated", True)
    assert call(app, "GET", "/metrics").status_code == 401
    open_app, _ = keyed(KeySettings(required=True, open_metrics=True))
    assert call(open_app, "GET", "/metrics").status_code == 200


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "api-key"])
def test_a_key_is_taken_from_the_headers_of_each_client(keyed, token_of, call, name):
    app, gate = keyed()
    token = token_of()
    gate.ring.refresh()
    value = f"bearer  {token} " if name == "Authorization" else token
    assert call(app, "POST", "/v1/route", json=TASK, headers={name: value}).status_code == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/v1/chat/completions",
            {"error": {"message": ..., "type": "authentication_error", "param": None, "code": "unauthenticated"}},
        ),
        ("/v1/messages", {"type": "error", "error": {"type": "authentication_error", "message": ...}}),
        ("/v1/route", {"error": {"code": "unauthenticated", "message": ..., "field": None}}),
    ],
)
def test_a_refusal_has_the_shape_of_the_callers_protocol(keyed, call, path, expected):
    app, gate = keyed()
    gate.ring.refresh()
    found = call(app, "POST", path, json={}, headers=bearer("pm-aaaaaaaa-wrong")).json()
    expected["error"]["message"] = found["error"]["message"]
    assert found == expected


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer a"), ("Authorization", "Bearer a")],
        [("x-api-key", "a"), ("x-api-key", "a")],
        [("Authorization", "Bearer a"), ("x-api-key", "b")],
        [("x-other", "a\r\nx-api-key: b")],
        [("x-other", "a\x00")],
        [("content-length", "-1")],
        [("content-length", "9" * 5000)],
    ],
)
def test_headers_that_contradict_each_other_are_refused(headers):
    async def ask():
        guard, refusals = guarded()
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        sent = []

        async def send(message):
            sent.append(message)

        await guard({"type": "http", "method": "POST", "path": "/v1/route", "headers": raw}, None, send)
        return sent, refusals, guard.app.began

    sent, refusals, began = anyio.run(ask)
    assert (sent[0]["status"], refusals, began) == (400, ["invalid_headers"], 0)
    assert b"9999" not in sent[1]["body"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "identity, gzip", "x"])
def test_a_compressed_body_is_refused_unread(call, app, encoding):
    bomb = gzip.compress(b"[" * 1_000_000)
    response = call(app, "POST", "/v1/route", content=bomb, headers={"content-encoding": encoding})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_encoding")


def test_an_uncompressed_body_may_say_so(call, app):
    assert call(app, "POST", "/v1/route", json=TASK, headers={"content-encoding": "identity"}).status_code == 200


def test_the_size_and_the_depth_of_a_body_are_as_set(router, call):
    app = create_app(router, gate=open_gate(limits=RequestLimits(max_body_bytes=100, max_depth=3)))
    refused = call(app, "POST", "/v1/route", content=b'{"text": "%s"}' % (b"x" * 100))
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        413,
        "The body is larger than 100 bytes; send fewer tasks in each request.",
    )
    refused = call(app, "POST", "/v1/route", content=b'{"text": "x", "constraints": {"models": [[]]}}')
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")
    assert call(app, "POST", "/v1/route", content=b'{"text": "[[[[[[["}').status_code == 200


def test_a_body_that_never_comes_is_given_up():
    async def ask():
        guard, refusals = guarded(Gate(RateLimiter(lambda: 0.0), limits=RequestLimits(body_timeout_s=0.0)))

        async def stalled():
            yield b"{"
            await asyncio.Event().wait()

        async with client_of(guard) as client:
            return (await client.post("/v1/route", content=stalled())).status_code, refusals

    assert anyio.run(ask) == (408, ["body_timeout"])


def test_where_no_key_is_required_one_of_ours_counts_and_others_are_passed_over(keyed, token_of, call):
    app, gate = keyed(KeySettings(required=False))
    reader = token_of(role="read-only")
    gate.ring.refresh()
    assert call(app, "POST", "/v1/route", json=TASK).status_code == 200
    assert call(app, "POST", "/v1/route", json=TASK, headers=bearer("sk-anything")).status_code == 200
    assert call(app, "POST", "/v1/route", json=TASK, headers=bearer(reader)).status_code == 403
    assert call(app, "POST", "/v1/route", json=TASK, headers=bearer(reader[:-1] + "!")).status_code == 401


def test_the_principal_of_whoever_has_no_key_is_anonymous(app, call):
    seen = []

    async def noting(scope, receive, send):
        seen.append(scope["state"][PRINCIPAL])
        await app(scope, receive, send)

    guard, _ = guarded(app=noting)
    call(guard, "GET", "/v1/models")
    assert seen == [ANONYMOUS]


def test_the_secret_is_in_no_repr():
    settings = KeySettings(secret="0123456789abcdef", requests_per_minute=7)
    shown = repr(open_gate(keys=settings))
    assert "requests_per_minute=7" in shown
    assert "0123456789abcdef" not in shown


def test_keys_cannot_be_required_where_there_are_none():
    with pytest.raises(InvalidConfig, match="name one as database_url"):
        open_gate(None, REQUIRED)


def test_a_key_over_its_rate_is_told_when_to_come_back(keyed, token_of, call):
    app, gate = keyed()
    token = token_of(rates=Rates(requests_per_minute=2))
    gate.ring.refresh()
    found = [call(app, "POST", "/v1/route", json=TASK, headers=bearer(token)) for _ in range(3)]
    assert [one.status_code for one in found] == [200, 200, 429]
    names = ("limit", "remaining")
    shown = [[one.headers[f"x-ratelimit-{name}-requests"] for name in names] for one in found]
    assert shown == [["2", "1"], ["2", "0"], ["2", "0"]]
    assert found[2].headers["retry-after"] in ("60", "61")
    assert found[2].json()["error"]["code"] == "rate_limited"
    assert "x-ratelimit-limit-tokens" not in found[0].headers
    assert call(app, "GET", "/livez").status_code == 200


def test_callers_without_a_key_share_the_rates_of_the_settings(router, call):
    app = create_app(router, gate=open_gate(keys=KeySettings(requests_per_minute=1)))
    assert [call(app, "GET", "/v1/models").status_code for _ in range(2)] == [200, 429]


def test_a_chat_counts_as_a_token_until_it_is_understood_and_none_is_let_in_where_none_is_left():
    limiter = RateLimiter(lambda: 1000.0)
    gate = Gate(limiter, keys=KeySettings(tokens_per_minute=30))

    async def understood(scope, receive, send):
        state = scope["state"]
        state[ADMISSION] = limiter.expect(state[PRINCIPAL], state[ADMISSION], 20)
        limiter.true_up(state[ADMISSION], 30)
        await Echo()(scope, receive, send)

    async def ask():
        guard, refusals = guarded(gate, understood)
        async with client_of(guard) as client:
            found = [await client.post("/v1/chat/completions", content=b"x" * 4000) for _ in range(2)]
            return [one.status_code for one in found], found[0].json(), dict(found[0].headers), refusals

    statuses, told, headers, refusals = anyio.run(ask)
    assert (statuses, refusals) == ([200, 429], ["rate_limited"])
    assert told == {"key": None, "tokens": 20, "bytes": 4000}
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("30", "0")


def test_so_many_run_so_many_wait_and_one_more_is_refused_at_once():
    async def ask():
        echo = Echo(is_held=True)
        limits = RequestLimits(max_running=2, max_waiting=3)
        guard, refusals = guarded(Gate(RateLimiter(lambda: 0.0), limits=limits), echo)
        async with client_of(guard) as client:
            tasks = [asyncio.create_task(client.post("/v1/messages", content=b"{}")) for _ in range(5)]
            while guard._queue.inside < 5 or echo.began < 2:
                await asyncio.sleep(0)
            refused = await client.post("/v1/messages", content=b"{}")
            elsewhere = asyncio.create_task(client.get("/v1/models"))
            while echo.began < 3:
                await asyncio.sleep(0)
            echo.go.set()
            found = await asyncio.gather(*tasks, elsewhere)
        return refused, [one.status_code for one in found], echo.most, guard._queue.inside, refusals

    refused, statuses, most, inside, refusals = anyio.run(ask)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["type"] == "overloaded_error"
    assert (statuses, inside, refusals) == ([200] * 6, 0, ["overloaded"])
    assert most == 3


def test_whoever_hangs_up_while_waiting_is_never_run_and_leaves_its_place():
    async def ask():
        echo, sent = Echo(is_held=True), []
        limits = RequestLimits(max_running=1, max_waiting=1)
        guard, _ = guarded(Gate(RateLimiter(lambda: 0.0), limits=limits), echo)
        scope = {"type": "http", "method": "POST", "path": "/v1/execute", "headers": []}
        messages = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}]

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        async with client_of(guard) as client:
            running = asyncio.create_task(client.post("/v1/execute", content=b"{}"))
            while not echo.began:
                await asyncio.sleep(0)
            await guard(scope, receive, send)
            inside = guard._queue.inside
            echo.go.set()
            await running
            again = await client.post("/v1/execute", content=b"{}")
        return sent, inside, echo.began, again.status_code

    assert anyio.run(ask) == ([], 1, 2, 200)


def test_a_websocket_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    anyio.run(guarded()[0], {"type": "websocket", "path": "/v1/route"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_an_application_below_an_address_is_guarded_by_its_own_addresses(keyed, call):
    app, gate = keyed()
    gate.ring.refresh()

    async def mounted(scope, receive, send):
        await app({**scope, "root_path": "/llm", "path": "/llm" + scope["path"]}, receive, send)

    assert call(mounted, "GET", "/livez").status_code == 200
    assert call(mounted, "GET", "/v1/models").status_code == 401


def test_no_key_is_ever_logged_or_repeated(keyed, token_of, call, caplog):
    app, gate = keyed()
    token = token_of(rates=Rates(requests_per_minute=1))
    gate.ring.refresh()
    with caplog.at_level(logging.DEBUG):
        asked = [(token, TASK), (token, TASK), (token[:-1] + "x", TASK), (f"{token} {token}", TASK)]
        found = [call(app, "POST", "/v1/route", json=body, headers=bearer(one)) for one, body in asked]
    assert [one.status_code for one in found] == [200, 429, 401, 401]
    shown = caplog.text + "".join(one.text + str(one.headers) for one in found) + repr(gate)
    assert token[12:] not in shown
    assert token[3:11] not in found[2].text


def test_the_ring_is_refreshed_while_the_application_runs(keyed, token_of):
    app, _ = keyed()
    token = token_of()

    async def ask():
        async with app.router.lifespan_context(app), client_of(app) as client:
            return (await client.get("/v1/models", headers=bearer(token))).status_code

    assert anyio.run(ask) == 200


def test_a_ring_that_cannot_be_read_answers_503_in_the_shape_of_the_protocol(keyed, token_of, call):
    app, _ = keyed()
    refused = call(app, "POST", "/v1/messages", json={}, headers=bearer(token_of()))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["type"] == "error"


@contextmanager
def served(app):
    """Yield the address of the application on a real server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize(("shown", "error"), [("pm-aaaaaaaa-wrong", "AuthenticationError"), (None, "RateLimitError")])
def test_the_official_clients_know_the_refusals(keyed, token_of, shown, error):
    app, gate = keyed()
    spent = token_of(rates=Rates(tokens_per_minute=1))
    gate.ring.refresh()
    gate.limiter.admit(gate.ring.principal(spent), 1)
    settings = {"api_key": shown or spent, "max_retries": 0}
    messages = [{"role": "user", "content": "hi"}]
    with served(app) as url:
        with (
            openai.OpenAI(base_url=f"{url}/v1", **settings) as client,
            pytest.raises(getattr(openai, error)) as theirs,
        ):
            client.chat.completions.create(model="auto", messages=messages)
        with (
            anthropic.Anthropic(base_url=url, **settings) as claude,
            pytest.raises(getattr(anthropic, error)) as claudes,
        ):
            claude.messages.create(model="auto", messages=messages, max_tokens=1)
    assert set(theirs.value.body) == {"message", "type", "param", "code"}
    assert (claudes.value.body["type"], set(claudes.value.body["error"])) == ("error", {"type", "message"})


def test_a_key_that_is_revoked_ends_at_a_running_server(keyed, keys, token_of, monkeypatch):
    monkeypatch.setattr(upkeep, "REFRESH_S", 0.01)
    app, _ = keyed()
    with served(app) as url, httpx.Client(base_url=url, headers=bearer(token := token_of())) as client:
        assert client.get("/v1/models").status_code == 200
        keys.revoke(token[3:11], changed_by="eve")
        assert any(client.get("/v1/models").status_code == 401 for _ in range(5000))


def test_a_gzip_bomb_and_a_body_too_large_end_at_the_real_server(keyed, token_of):
    app, _ = keyed(limits=RequestLimits(max_body_bytes=1000))
    headers = bearer(token_of())
    with served(app) as url:
        bomb = httpx.post(
            f"{url}/v1/route", content=gzip.compress(bytes(10**7)), headers={**headers, "content-encoding": "gzip"}
        )
        large = httpx.post(f"{url}/v1/route", content=iter([b"x" * 600] * 2), headers=headers)
        after = httpx.post(f"{url}/v1/route", json=TASK, headers=headers)
    assert [one.status_code for one in (bomb, large, after)] == [415, 413, 200]
