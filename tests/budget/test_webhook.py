import json
import random
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pointsman.budget import GLOBAL, Limit
from pointsman.budget.alerts import threshold_alerts
from pointsman.errors import InvalidBudget
from pointsman.http.webhook import (
    ATTEMPTS,
    Delivery,
    Sender,
    is_authentic,
    retry_delay_s,
    send,
    signature,
    signed_request,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = b"0123456789abcdef"
[ALERT] = threshold_alerts(Limit(GLOBAL, "day", 100), 0, 60, NOON)


@pytest.fixture
def receiver():
    """Return a server that answers with the next of `statuses`, and what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            self.send_response(server.statuses.pop(0))
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.statuses = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def deliver(url, transport=send):
    waits = []
    sender = Sender(url, SECRET, transport, clock=lambda: NOON, wait=waits.append, rng=random.Random(0))
    return sender.deliver(ALERT), waits


def test_an_alert_arrives_signed_and_whole(receiver):
    receiver.statuses = [204]
    delivery, waits = deliver(f"http://127.0.0.1:{receiver.server_port}/hook?team=a")
    [(headers, body)] = receiver.got
    assert (delivery, waits) == (Delivery("delivered", 1, 204), [])
    assert is_authentic(SECRET, headers, body, NOON)
    told = json.loads(body)
    assert (told["scope"], told["percent"], told["words"]) == ("global", 50, ALERT.words)


def test_a_server_in_trouble_is_tried_again_ever_later(receiver):
    receiver.statuses = [500, 503, 429, 200]
    delivery, waits = deliver(f"http://127.0.0.1:{receiver.server_port}/")
    assert delivery == Delivery("delivered", 4, 200)
    assert [0.5 <= wait / 2**n <= 1 for n, wait in enumerate(waits)] == [True] * 3
    assert len({headers["Pointsman-Delivery"] for headers, _ in receiver.got}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_what_will_not_change_is_not_tried_again(receiver, status):
    receiver.statuses = [status]
    assert deliver(f"http://127.0.0.1:{receiver.server_port}/") == (Delivery("refused", 1, status), [])


def test_a_receiver_that_is_gone_is_given_up_after_all_attempts():
    def gone(request):
        raise ConnectionRefusedError

    delivery, waits = deliver("https://example.invalid/", gone)
    assert delivery == Delivery("gave_up", ATTEMPTS, None)
    assert len(waits) == ATTEMPTS - 1


def test_waits_double_to_an_hour_and_differ():
    delays = [retry_delay_s(attempt, random.Random(attempt)) for attempt in range(1, 20)]
    assert max(delays) <= 3600
    assert all(0.5 <= delay / min(2 ** (n), 3600) <= 1 for n, delay in enumerate(delays))


def test_changed_old_or_foreign_requests_are_not_authentic():
    request = signed_request("https://example.com/", SECRET, ALERT, NOON)
    late, early = NOON + timedelta(seconds=301), NOON - timedelta(seconds=301)
    stamp = {"Pointsman-Timestamp": str(int(late.timestamp()))}
    assert is_authentic(SECRET, request.headers, request.body, NOON + timedelta(seconds=299))
    for secret, headers, body, now in [
        (SECRET, request.headers, request.body, late),
        (SECRET, request.headers, request.body, early),
        (SECRET, request.headers, request.body + b" ", NOON),
        (b"another secret, same length", request.headers, request.body, NOON),
        (SECRET, request.headers | stamp, request.body, late),
        (SECRET, {}, request.body, NOON),
        (SECRET, request.headers | {"Pointsman-Timestamp": "²"}, request.body, NOON),
        (SECRET, request.headers | {"Pointsman-Signature": "v1=é"}, request.body, NOON),
    ]:
        assert not is_authentic(secret, headers, body, now)


def test_the_signature_is_what_other_tools_compute():
    # printf '1795262400.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
    assert signature(SECRET, 1795262400, b"{}") == "v1=80ec7297d52808d866b73c780e49966e16b68b8a000e6d353405eee4a6f105ab"


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "https://a b", "http://a\nb"])
def test_a_url_that_cannot_be_posted_to_is_refused(url):
    with pytest.raises(InvalidBudget, match="expected http"):
        signed_request(url, SECRET, ALERT, NOON)


def test_a_short_secret_is_refused():
    with pytest.raises(InvalidBudget, match="has 5 bytes; expected at least 16"):
        signed_request("https://example.com/", b"short", ALERT, NOON)
