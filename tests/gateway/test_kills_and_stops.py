"""A server is killed, or stopped, while answers are on their way: no bill is lost, and no money stays held."""

import signal
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from gateways import document
from processes import PATIENCE_S, served
from provider import Provider
from provider_acts import HANG, Act

from pointsman.budget import GLOBAL
from pointsman.store import open_ledger

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Fix the login bug"}], "max_tokens": 400}
SLOW = Act(words=60, every_s=0.01)


@pytest.fixture
def provider():
    with Provider() as started:
        yield started


@pytest.fixture
def config(provider, tmp_path):
    return document(provider.url, f"sqlite:///{tmp_path}/pointsman.db")


def ask(url, **more):
    return httpx.post(f"{url}/v1/chat/completions", json={**ASK, **more}, timeout=PATIENCE_S)


def ask_in_vain(url):
    with pytest.raises(httpx.HTTPError):
        ask(url)


def later(config):
    """Return the ledger as it is tomorrow."""
    return open_ledger(config["database_url"], clock=lambda: datetime.now(UTC) + timedelta(days=1))


def begun(client, url):
    """Return a stream of which the first piece came, and what is left of it."""
    stream = client.stream("POST", f"{url}/v1/chat/completions", json={**ASK, "stream": True})
    pieces = stream.__enter__().iter_raw()
    next(pieces)
    return stream, pieces


def test_after_a_kill_what_was_under_way_is_presumed_at_its_expiry_and_nothing_else_is_lost(config, provider, tmp_path):
    with served(tmp_path, config) as server, httpx.Client(timeout=PATIENCE_S) as client:
        assert ask(server.url).status_code == 200
        provider.script(Act(at=3, then="hang"), HANG)
        stream, _ = begun(client, server.url)  # between its first piece and its last
        waiting = threading.Thread(target=ask_in_vain, args=(server.url,))
        waiting.start()  # between its hold and its answer
        provider.wait_for_calls(3)
        server.kill()
        waiting.join(PATIENCE_S)
        stream.__exit__(None, None, None)
    with served(tmp_path, config) as server:
        assert ask(server.url).status_code == 200
        assert server.terminate() in (0, -signal.SIGTERM)
    with later(config) as ledger:
        left = ledger.usage(GLOBAL, "total").held.nanousd
        bills = [line.cost_nanousd for line in provider.settled().invoice]
        assert ledger.usage(GLOBAL, "total").posted.nanousd == sum(bills[:1] + bills[-1:])
        assert ledger.expire() == 2
        used = ledger.usage(GLOBAL, "total")
        assert (used.posted.nanousd, used.held.nanousd) == (sum(bills[:1] + bills[-1:]) + left, 0)
        assert left > sum(bills[1:-1])
        assert ledger.reconcile() == []


def test_a_kill_right_after_an_answer_never_loses_its_bill(config, provider, tmp_path):
    with served(tmp_path, config) as server:
        assert ask(server.url).status_code == 200
        server.kill()
    with later(config) as ledger:
        ledger.expire()
        used = ledger.usage(GLOBAL, "total")
        assert (used.posted.nanousd >= provider.settled().billed_nanousd > 0, used.held.nanousd) == (True, 0)


def test_a_server_that_is_stopped_ends_its_answers_and_posts_their_bills(config, provider, tmp_path):
    provider.rule(SLOW)
    with served(tmp_path, config) as server, httpx.Client(timeout=PATIENCE_S) as client:
        heard, pieces = begun(client, server.url)
        with httpx.Client(timeout=PATIENCE_S) as leaving:
            left, _ = begun(leaving, server.url)
            left.__exit__(None, None, None)
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(ask(server.url)))
        waiting.start()
        provider.wait_for_calls(3)
        server.process.send_signal(signal.SIGTERM)
        assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
        waiting.join(PATIENCE_S)
        heard.__exit__(None, None, None)
        assert server.wait() in (0, -signal.SIGTERM)
    assert [answer.status_code for answer in answers] == [200]
    with later(config) as ledger:
        used = ledger.usage(GLOBAL, "total")
        assert (used.posted.nanousd, used.held.nanousd) == (provider.settled().billed_nanousd, 0)
    assert [line.end for line in provider.invoice] == ["whole"] * 3
    assert "Traceback" not in server.words
