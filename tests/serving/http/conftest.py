import anyio
import httpx
import pytest

from pointsman.http import create_app


@pytest.fixture
def app(router):
    return create_app(router)


@pytest.fixture(scope="session")
def call():
    """Send one request to an application, in process: call(app, "POST", "/v1/route", json={...})."""

    def send(app, method, path, **request):
        async def sent():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://pointsman") as client:
                return await client.request(method, path, **request)

        return anyio.run(sent)

    return send


@pytest.fixture
def post(app, call):
    def send(path, data=None, **request):
        return call(app, "POST", path, **({"json": data} if data is not None else {}), **request)

    return send
