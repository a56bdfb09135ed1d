import socket
import threading

import httpx
import pytest
import uvicorn

from pointsman.http import create_app
from pointsman.http.bodies import MAX_BODY_BYTES


@pytest.fixture(scope="module")
def url(router):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(router), log_level="warning", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


def test_a_real_server_routes_predicts_and_counts(client, router):
    assert client.get("/readyz").json()["bundle"] == router.bundle.digest
    decision = client.post("/v1/route", json={"text": "Fix the login bug"}).json()
    assert decision["model"] == router.route("Fix the login bug").model
    batch = client.post("/v1/route/batch", json={"tasks": [{"text": "Fix the login bug"}] * 1_000}).json()
    assert {result["model"] for result in batch["results"]} == {decision["model"]}
    assert len(batch["results"]) == 1_000
    predictions = client.post("/v1/predict", json={"tasks": [{"id": "a", "text": "x"}]}).json()["predictions"]
    assert [record["id"] for record in predictions] == ["a"]
    assert 'pointsman_requests_total{path="/v1/route/batch",status="200"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_real_server_refuses_a_body_that_is_too_large_and_goes_on(client, is_chunked):
    part = b" " * (1 << 20)
    parts = [part] * ((MAX_BODY_BYTES >> 20) + 2)
    response = client.post("/v1/route", content=iter(parts) if is_chunked else b"".join(parts))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    assert client.post("/v1/route", json={"text": "x"}).status_code == 200


def test_a_real_server_outlives_a_client_that_hangs_up(client, url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert client.get("/livez").status_code == 200
