"""No key and no prompt reaches a log, and no caller sends the gateway anywhere: real servers, canary strings."""

import json
import socket
import threading

import httpx
import pytest
from gateways import PATIENCE_S, document, running_gateway
from processes import served
from provider import Provider
from provider_acts import HTML, Act

from pointsman.access import KeyTerms
from pointsman.store import open_keys

SECRET = "canary-secret-of-the-keys-0123456789"
PROVIDER_KEY = "sk-canary-provider-key-0123456789"
PROMPT = "canary prompt: the merger with Initech is on the ninth of May"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SAY = [{"role": "user", "content": PROMPT}]


@pytest.fixture
def provider():
    with Provider(keys=(PROVIDER_KEY,)) as started:
        yield started


class Canary:
    """A port that counts who comes."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.visits = 0
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self):
        self._socket.close()


@pytest.fixture
def canary():
    made = Canary()
    yield made
    made.close()


def providers(provider):
    return {
        "openai": {"base_url": provider.openai_url, "api_key": PROVIDER_KEY},
        "anthropic": {"base_url": provider.url, "api_key": PROVIDER_KEY},
    }


def test_neither_keys_nor_prompts_are_printed_or_logged_whatever_goes_wrong(provider, tmp_path):
    url = f"sqlite:///{tmp_path}/pointsman.db"
    with open_keys(url, SECRET) as keys:
        token = keys.create(KeyTerms(role="admin"), changed_by="eve").token
    told = document(provider.url, url, keys={"required": True, "secret": SECRET}, providers=providers(provider))
    told |= {"cache": {"enabled": True, "semantic": True}, "privacy": {"text": "full"}, "retries": {"base_delay_s": 0}}
    quoting = Act(
        status=400, code="invalid_request_error", message=f"I can't read: {PROMPT!r} sent with {PROVIDER_KEY}"
    )
    with served(tmp_path, told, debug=True) as server, httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        answers = []

        def ask(path, body, key=token, **headers):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answers.append(client.post(path, content=content, headers={"authorization": f"Bearer {key}", **headers}))

        for path in (CHAT, MESSAGES):
            body = {"model": "auto", "messages": SAY, "max_tokens": 60, "temperature": 0}
            ask(path, body)
            ask(path, body)
            ask(path, {**body, "stream": True})
            ask(path, {**body, "model": "gpt-9"})
            ask(path, {**body, "tools": PROMPT})
            ask(path, {**body, "api_key": "sk-canary-of-the-caller-0123456789"})
            ask(path, {**body, "messages": [{"role": PROMPT, "content": PROMPT}]})
            ask(path, json.dumps(body).encode()[:-9])
            ask(path, body, key=f"{token}x")
            ask(path, body, key=token, **{"x-pointsman-type": "rocketry"})
            for act in (
                quoting,
                HTML,
                Act(status=401, message=f"Incorrect API key: {PROVIDER_KEY}"),
                Act(at=2, then="reset"),
            ):
                provider.script(*[act] * 8)
                ask(path, {**body, "temperature": 1, "stream": act.at is not None})
                provider.reset()
        ask("/v1/execute", {"description": PROMPT, "max_output_tokens": -1})
        ask("/v1/execute", {"description": PROMPT})
        server.terminate()
        words = server.words
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 422, 502}
    assert "INFO:sqlalchemy.engine.Engine:" in words
    said = words + "".join(answer.text for answer in answers if answer.status_code >= 400)
    said += "".join(str(answer.headers) for answer in answers)
    for secret in (
        token,
        token[8:],
        PROVIDER_KEY,
        "canary-of-the-caller",
        SECRET,
        "merger with Initech",
        "canary prompt",
    ):
        assert secret not in said, said[max(0, said.index(secret) - 300) :][:600]
    assert "Traceback" not in words


def test_no_caller_sends_the_gateway_anywhere(provider, canary, tmp_path):
    there = f"{canary.url}/v1"
    fields = ["base_url", "api_base", "url", "endpoint", "proxy", "proxies", "callback", "webhook", "api_version"]
    bodies = [{field: there} for field in fields]
    bodies += [{outer: {field: there}} for outer in ("metadata", "extra_body", "litellm_params") for field in fields]
    bodies += [{"extra_headers": {"Host": canary.url}}, {"default_headers": {"x": there}}, {"model": there}]
    bodies += [{"model": f"openai/{there}"}, {"fallbacks": [there]}, {"mcp_servers": [{"type": "url", "url": there}]}]
    bodies += [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"{there}/x.png"}}]}]}
    ]
    bodies += [
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": there}}]}]}
    ]
    names = [
        "x-base-url",
        "x-forwarded-host",
        "forwarded",
        "x-original-url",
        "x-rewrite-url",
        "x-api-base",
        "openai-organization",
    ]
    names += [
        "x-pointsman-base-url",
        "x-litellm-api-base",
        "helicone-target-url",
        "x-portkey-custom-host",
        "origin",
        "referer",
    ]
    with running_gateway(tmp_path, provider.url, providers=providers(provider)) as gateway:
        with httpx.Client(timeout=PATIENCE_S) as client:
            for path in (CHAT, MESSAGES):
                good = {"model": "auto", "messages": SAY, "max_tokens": 9}
                for body in bodies:
                    client.post(gateway.url + path, json={**good, **body})
                for name in names:
                    client.post(gateway.url + path, json=good, headers={name: there})
                client.post(gateway.url + path, json=good, headers={"host": canary.url.removeprefix("http://")})
            client.post(f"{gateway.url}/v1/execute", json={"description": PROMPT, "model": there})
            for status in (301, 302, 303, 307, 308):
                provider.script(*[Act(status=status, headers={"location": f"{there}/chat/completions"})] * 8)
                assert client.post(gateway.url + CHAT, json={**good, "stream": status == 302}).status_code == 502
                provider.reset()
                for model in gateway.router.fleet.ids:
                    gateway.executor.parts.health.succeeded(model)
        host, port = gateway.url.removeprefix("http://").split(":")
        for target in (f"{there}/chat/completions", f"//{canary.url.removeprefix('http://')}/v1/chat/completions"):
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
                content = json.dumps(good).encode()
                wire.sendall(
                    f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
                )
                assert wire.recv(100).startswith(b"HTTP/1.1 ")
    assert canary.visits == 0
    sent = [{**call.headers, "path": call.path} for call in provider.calls]
    assert sent and not any(canary.url.removeprefix("http://") in str(value) for one in sent for value in one.values())
