"""A configuration that is read again while the gateway runs."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest
from gateways import PATIENCE_S, document, running_gateway

ASK = {"model": "auto", "messages": [{"role": "user", "content": "Fix the login bug"}]}


def rewritten(folder, **sections):
    path = folder / "pointsman.yaml"
    path.write_text(json.dumps(json.loads(path.read_text()) | sections))


def models_of(url):
    return {one["id"] for one in httpx.get(f"{url}/v1/models").json()["data"]}


def test_what_the_file_says_counts_from_the_reload_on_and_what_was_spent_stays(provider, tmp_path):
    with running_gateway(tmp_path, provider.url) as gateway:
        assert gateway.post("/v1/chat/completions", ASK).status_code == 200
        spent = gateway.settled().posted_nanousd
        data = json.loads((tmp_path / "pointsman.yaml").read_text())
        kept = {name: data["models"][name] for name in ("gpt-4o", "claude-haiku")}
        rewritten(tmp_path, models=kept, budgets={"daily_usd": 0.001, "tiers": False})
        found = gateway.post("/v1/config/reload", None)
        assert found.status_code == 200, found.text
        assert (found.status_code, found.json()["models"]) == (200, ["gpt-4o", "claude-haiku"])
        assert models_of(gateway.url) >= {"gpt-4o", "claude-haiku"}
        assert "gpt-4o-mini" not in models_of(gateway.url)
        refused = gateway.post("/v1/chat/completions", ASK)
        assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
        assert gateway.settled().posted_nanousd == spent > 0


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"models": {"gpt-4o": {"provider": "nobody"}}}, "nobody"),
        ({"database_url": "sqlite:///elsewhere.db"}, "database_url can't change while running"),
        ({"routing": {"strategy": "cheapest"}}, "cheapest"),
    ],
)
def test_a_configuration_that_cant_be_used_changes_nothing(provider, tmp_path, sections, words):
    with running_gateway(tmp_path, provider.url) as gateway:
        before = models_of(gateway.url)
        rewritten(tmp_path, **sections)
        refused = gateway.post("/v1/config/reload", None)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_config")
        assert words in refused.json()["error"]["message"]
        assert models_of(gateway.url) == before
        assert gateway.post("/v1/chat/completions", ASK).status_code == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_has_every_process_read_the_configuration_again(provider, tmp_path, workers):
    data = document(provider.url, f"sqlite:///{tmp_path}/pointsman.db", server={"port": 0, "workers": workers})
    (tmp_path / "pointsman.yaml").write_text(json.dumps(data))
    command = [sys.executable, "-m", "pointsman.cli", "serve", "--config", str(tmp_path / "pointsman.yaml")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as server:
        try:
            url = server.stdout.readline().split(" at ")[1].split(". API")[0]
            with httpx.Client(transport=httpx.HTTPTransport(retries=50), timeout=PATIENCE_S) as client:
                assert "gpt-4o" in {one["id"] for one in client.get(f"{url}/v1/models").json()["data"]}
            rewritten(tmp_path, models={"gpt-4o-mini": {"provider": "openai"}}, routing={"profile": "fast"})
            server.send_signal(signal.SIGHUP)
            for _ in range(400):  # each on a connection of its own, so that every process is asked
                if all("gpt-4o" not in models_of(url) for _ in range(4 * workers)):
                    break
            else:
                raise AssertionError("a process still serves the old fleet")
        finally:
            server.terminate()
