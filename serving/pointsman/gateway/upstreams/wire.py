"""One provider over HTTP: a pool of its own, its headers built once, each call bounded in time and in bytes."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, istr
from yarl import URL

from pointsman.errors import InvalidConfig, UpstreamError, UpstreamTimeout
from pointsman.gateway.upstreams.answers import MAX_REPLY_BYTES, Answer, Clock, Stream
from pointsman.gateway.upstreams.failures import MAX_ERROR_BYTES, Wording, read_error, rejection
from pointsman.settings import Provider

ANTHROPIC_VERSION: Final = "2023-06-01"
PASSED_HEADERS: Final = frozenset({"anthropic-version", "anthropic-beta", "openai-beta"})
"""What of a caller's headers reaches a provider: versions and beta features, never keys, hosts or addresses."""

KEEPALIVE_S: Final = 15.0
"""Shorter than any provider's own, so that a call isn't sent over a connection that is just being closed."""

_SMALL_BODY: Final = 1 << 20
_REQUEST_IDS: Final = ("x-request-id", "request-id")


class HttpWire:
    """One provider that speaks OpenAI's protocol or Anthropic's; `body` is sent as it is, and bytes come back so.

    It has its own connections, so that a provider that hangs can't take those of others.
    """

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._name = provider.name
        self._clock = clock
        self._url = endpoint(provider)
        self._headers = _headers(provider)
        self._wording = Wording([provider.api_key, *provider.headers.values(), _password(provider)])
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the pool; connections are made when they are needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._provider.max_connections, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._provider.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT_ENCODING, hdrs.ACCEPT),
            trust_env=False,
            proxy=self._provider.proxy,
        )

    async def close(self) -> None:
        """End all connections; calls under way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def complete(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and return the whole answer.

        Raises:
            UpstreamError: it was refused, broke off, or answered what isn't a JSON object.
            UpstreamTimeout: it took longer than the provider's timeouts allow.

        """
        started = self._clock()
        response = await self._send(body, headers)
        try:
            first = self._clock()
            reply = b"".join([chunk async for chunk in self._chunks(response, started)])
            self._check_object(response, reply, body)
        except BaseException:
            response.close()
            raise
        first_ms, total_ms = (first - started) * 1000, (self._clock() - started) * 1000
        return Answer(response.status, reply, first_ms, total_ms, _request_id(response))

    async def stream(self, body: bytes, headers: Mapping[str, str]) -> "HttpStream":
        """Send a request and return once the headers of a stream are there; raises as `complete` does."""
        started = self._clock()
        response = await self._send(body, headers)
        kind = response.headers.get(hdrs.CONTENT_TYPE, "")
        if kind.startswith(("application/json", "text/html")):
            reply = await self._error_body(response)
            self._check_object(response, reply, body)
            raise self._error(f"answered {kind.partition(';')[0]} where a stream was asked for", response.status)
        chunks = self._chunks(response, started)
        stream = Stream(
            chunks, status=response.status, request_id=_request_id(response), clock=self._clock, started=started
        )
        return HttpStream(stream, response)

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Return the response of status 2xx, its body unread."""
        if self._session is None:
            raise RuntimeError(f"{self._name} isn't open; call Upstreams.open() first.")
        data = body if len(body) <= _SMALL_BODY else io.BytesIO(body)
        try:
            async with asyncio.timeout(self._provider.first_byte_timeout_s):
                response = await self._session.post(
                    self._url, data=data, headers=self._merged(headers), allow_redirects=False
                )
        except aiohttp.ConnectionTimeoutError:
            raise UpstreamTimeout(
                f"{self._name} has no free connection after {self._provider.connect_timeout_s:g} s: it can't be "
                f"reached, or {self._provider.max_connections} calls are under way (max_connections).",
                is_retryable=True,
                is_unbilled=True,
            ) from None
        except TimeoutError:
            raise UpstreamTimeout(
                f"{self._name} answered nothing for {self._provider.first_byte_timeout_s:g} s (first_byte_timeout_s)."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error) from None
        if not 200 <= response.status < 300:
            reply = await self._error_body(response)
            raise rejection(self._name, response.status, response.headers, reply, self._wording.of(body))
        return response

    def _merged(self, headers: Mapping[str, str]) -> CIMultiDict[str]:
        if not headers:
            return self._headers
        merged = self._headers.copy()
        merged.update({name: value for name, value in headers.items() if name.lower() in PASSED_HEADERS})
        return merged

    async def _chunks(self, response: aiohttp.ClientResponse, started: float) -> AsyncIterator[bytes]:
        """Yield the body as it comes, within the provider's idle and total timeouts and `MAX_REPLY_BYTES`."""
        content, size = response.content, 0
        try:
            while True:
                chunk = content.read_nowait() or (b"" if content.at_eof() else await self._next(content, started))
                if not chunk:
                    if content.at_eof():
                        return
                    continue
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise self._error(f"answered more than {MAX_REPLY_BYTES >> 20} MB", response.status)
                yield chunk
        except TimeoutError:
            limit = self._provider
            raise UpstreamTimeout(
                f"{self._name} stopped answering after {size:,} bytes: {limit.idle_timeout_s:g} s without a byte "
                f"(idle_timeout_s) or {limit.total_timeout_s:g} s in all (total_timeout_s).",
                status=response.status,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error, response.status, size) from None

    async def _next(self, content: aiohttp.StreamReader, started: float) -> bytes:
        left = self._provider.total_timeout_s - (self._clock() - started)
        async with asyncio.timeout(max(0.0, min(self._provider.idle_timeout_s, left))):
            return await content.readany()

    async def _error_body(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the start of a body that is only read for its words; what can't be read is left out."""
        parts, size = [], 0
        try:
            async for chunk in self._chunks(response, self._clock()):
                parts.append(chunk)
                size += len(chunk)
                if size >= MAX_ERROR_BYTES:
                    break
        except UpstreamError:
            pass
        finally:
            response.close()
        return b"".join(parts)[:MAX_ERROR_BYTES]

    def _check_object(self, response: aiohttp.ClientResponse, reply: bytes, sent: bytes) -> None:
        """Refuse an answer that isn't a JSON object, or is an error in one, though its status is 2xx."""
        start = reply[:64].lstrip()
        if start[:1] != b"{":
            kind = response.headers.get(hdrs.CONTENT_TYPE, "no content type").partition(";")[0]
            raise self._error(f"answered {kind} of {len(reply):,} bytes, not a JSON object", response.status)
        if start[1:].lstrip().startswith((b'"error"', b'"type":"error"')):
            code, message = read_error(reply)
            error = self._error(f"answered an error: {self._wording.of(sent).clean(message)}", response.status)
            error.upstream_code = code
            raise error

    def _error(self, what: str, status: int | None) -> UpstreamError:
        return UpstreamError(f"{self._name} {what}; what it billed isn't known.", status=status)

    def _broken(self, error: Exception, status: int | None = None, size: int = 0) -> UpstreamError:
        if isinstance(error, aiohttp.ClientConnectorError):
            return UpstreamError(
                f"{self._name} can't be reached at {self._url.host}:{self._url.port}: "
                f"{self._wording.clean(str(error.os_error))}. Nothing was sent.",
                is_retryable=True,
                is_unbilled=True,
            )
        where = "before it answered" if status is None else f"after {size:,} bytes"
        return self._error(f"broke off {where} ({type(error).__name__})", status)


class HttpStream:
    """A stream and its connection."""

    def __init__(self, stream: Stream, response: aiohttp.ClientResponse) -> None:
        self.stream = stream
        self._response = response

    async def close(self) -> None:
        """End the connection, unless the answer was read to its end: then it went back to the pool by itself."""
        self._response.close()


def endpoint(provider: Provider) -> URL:
    """Return where a provider's calls go, joined as its own clients join it.

    OpenAI's add /chat/completions to base_url; Anthropic's add /v1/messages, and a base_url that ends in /v1 is taken
    as meant. A query (?api-version=) stays.

    Raises:
        InvalidConfig: base_url is missing, or isn't an absolute http(s) URL without user, password and fragment.

    """
    shown = f'providers.{provider.name}.base_url is {provider.base_url!r:.200}; expected one such as "https://'
    shown += 'api.anthropic.com".' if provider.protocol == "anthropic" else 'api.openai.com/v1".'
    try:
        url = URL(provider.base_url or "")
    except ValueError:
        raise InvalidConfig(shown, field="base_url") from None
    if url.scheme not in ("http", "https") or not url.host or url.user or url.password or url.fragment:
        raise InvalidConfig(shown, field="base_url")
    path = url.raw_path.rstrip("/")
    if provider.protocol == "anthropic":
        path = path.removesuffix("/v1") + "/v1/messages"
    else:
        path += "/chat/completions"
    return url.with_path(path, encoded=True, keep_query=True)


def _headers(provider: Provider) -> CIMultiDict[str]:
    """Return what is sent with every call; the provider's configured headers come last, and so win."""
    headers: CIMultiDict[str] = CIMultiDict(
        {
            istr("Content-Type"): "application/json",
            istr("Accept"): "application/json, text/event-stream",
            istr("Accept-Encoding"): "identity",
            istr("User-Agent"): "pointsman",
        }
    )
    if provider.protocol == "anthropic":
        headers[istr("anthropic-version")] = ANTHROPIC_VERSION
    if provider.api_key is not None and provider.protocol == "anthropic":
        headers[istr("x-api-key")] = provider.api_key
    elif provider.api_key is not None:
        headers[istr("Authorization")] = f"Bearer {provider.api_key}"
    for name, value in provider.headers.items():
        headers[istr(name)] = value
    return headers


def _password(provider: Provider) -> str | None:
    """Return the password in the proxy's URL.

    Raises:
        InvalidConfig: the URL isn't one.

    """
    try:
        proxy = URL(provider.proxy or "http://none")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise InvalidConfig(
            f'providers.{provider.name}.proxy isn\'t a URL; expected one such as "http://proxy:3128".', field="proxy"
        )
    return proxy.password


def _request_id(response: aiohttp.ClientResponse) -> str | None:
    return next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), None)
