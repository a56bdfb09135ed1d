"""The HTTP of the provider that stands in: one connection, its requests in turn, written as its acts say."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import httptools
import msgspec
from provider_acts import Act
from provider_answers import (
    Answer,
    Event,
    anthropic_body,
    anthropic_events,
    openai_body,
    openai_events,
    write,
)
from provider_bill import End, Usage

if TYPE_CHECKING:
    from provider import Call, Provider

_decode = msgspec.json.decode
_NOTHING = Usage(0, 0)
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
_RST = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One connection; what it answers comes from the provider."""

    def __init__(self, provider: "Provider") -> None:
        self._provider = provider
        self._task: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._url = b""
        self._is_idle = True

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._provider.connected(self, is_open=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._provider.connected(self, is_open=False)
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_idle and self._provider.resets_unread():
            self.reset()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(_head(400, {"connection": "close"}, 0))
            self._transport.close()

    def on_message_begin(self) -> None:
        self._is_idle, self._parts, self._headers, self._url = False, [], {}, b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._is_idle = True
        raw, path, method = b"".join(self._parts), self._url.decode("latin-1"), self._parser.get_method()
        if method == b"GET" or path.startswith("/_"):
            self._reply(*_asked(self._provider, path, raw))
            return
        self._answer(path, raw)

    def abort(self) -> None:
        """End at once, whatever is still to be written."""
        self._transport.abort()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self._transport.abort()

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._transport.write(_head(status, headers, len(body)) + body)

    def _answer(self, path: str, raw: bytes) -> None:
        try:
            body = _decode(raw)
        except ValueError:
            body = None
        call = self._provider.opened(path, self._headers, body)
        refusal = _refusal(self._provider, call)
        act = refusal or self._provider.act_for(call, raw)
        if act.status >= 300 and act.body is None:
            act = msgspec.structs.replace(act, body=_error(act, is_anthropic=path.endswith("/messages")))
        performance = _Performance(self._provider, self._transport, call, act)
        if act.is_plain:
            performance.at_once()
        else:
            self._task = asyncio.get_running_loop().create_task(performance.in_time(self.reset))


class _Performance:
    """One call being answered, and what is billed of it."""

    def __init__(self, provider: "Provider", transport: Any, call: "Call", act: Act) -> None:
        self._provider, self._transport, self._call, self._act = provider, transport, call, act
        self._is_anthropic = call.path.endswith("/messages")
        self._id_header = "request-id" if self._is_anthropic else "x-request-id"
        self._is_rejected = act.status >= 300
        self._answer: Answer | None = None
        if not self._is_rejected:
            self._answer = write(call.call_id, call.body, act, is_anthropic=self._is_anthropic)
        self._is_stream = self._answer is not None and bool(call.body.get("stream")) and act.body is None
        self._tokens = 0

    def at_once(self) -> None:
        if not self._is_stream:
            headers, body = self._whole()
            self._close("whole")
            self._transport.write(_head(self._act.status, headers, len(body) + self._act.length_lie) + body)
            if self._act.length_lie > 0:
                self._transport.close()
            return
        events = list(self._events())
        self._tokens = sum(tokens for _, tokens, _ in events)
        self._close("whole")
        chunks = b"".join(_chunk(event) for event, _, _ in events)
        self._transport.write(_head(200, self._stream_headers(), None) + chunks + b"0\r\n\r\n")

    async def in_time(self, reset: Any) -> None:
        end: End = "hung_up"
        try:
            await asyncio.sleep(self._act.delay_s)
            end = await (self._stream_in_time(reset) if self._is_stream else self._whole_in_time(reset))
        finally:
            self._close(end)

    async def _whole_in_time(self, reset: Any) -> End:
        act = self._act
        headers, body = self._whole()
        if act.at == "answer" and not await self._depart(reset):
            return "cut"
        self._transport.write(_head(act.status, headers, len(body) + act.length_lie))
        stop = {"headers": 0, "usage": 0, "done": 0}.get(str(act.at), act.at)
        first = body[:stop] if isinstance(stop, int) else body
        await self._trickle(first)
        if isinstance(stop, int):
            if not await self._depart(reset):
                return "cut"
            await self._trickle(body[stop:])
        return "whole"

    async def _trickle(self, data: bytes) -> None:
        size = self._act.piece_bytes or max(1, len(data))
        for start in range(0, len(data), size):
            self._transport.write(data[start : start + size])
            await asyncio.sleep(self._act.every_s)

    async def _stream_in_time(self, reset: Any) -> End:
        act, pieces = self._act, 0
        has_departed = act.at == "answer"
        if has_departed and not await self._depart(reset):
            return "cut"
        self._transport.write(_head(200, self._stream_headers(), None))
        for event, tokens, mark in self._events():
            if not has_departed and _is_reached(act, mark, pieces, tokens):
                has_departed = True
                if not await self._depart(reset, event):
                    return "cut"
            pieces += tokens
            self._tokens += tokens
            await self._trickle(_chunk(event))
        self._transport.write(b"0\r\n\r\n")
        return "whole"

    async def _depart(self, reset: Any, event: bytes = b"") -> bool:
        """Do what the act says happens here; return whether the answer goes on."""
        then = self._act.then
        if then == "wait":
            await self._provider.released()
            return True
        if then == "hang":
            await asyncio.Event().wait()
        if then == "reset":
            reset()
            return False
        if then == "half" and event:
            self._transport.write(_chunk(event[: len(event) // 2]))
        if then == "error" and self._is_stream:
            self._transport.write(_chunk(_error_event(self._act, is_anthropic=self._is_anthropic)))
        if then in ("end", "error") and self._is_stream:
            self._transport.write(b"0\r\n\r\n")
        else:
            self._transport.close()
        return False

    def _whole(self) -> tuple[dict[str, str], bytes]:
        act = self._act
        headers = {"content-type": act.content_type, self._id_header: self._call.call_id, **act.headers}
        if act.body is not None:
            body = act.body
        else:
            assert self._answer is not None
            body = anthropic_body(self._answer) if self._is_anthropic else openai_body(self._answer)
        if act.gzip:
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body, 6)
        return headers, body

    def _events(self) -> Iterator[Event]:
        assert self._answer is not None
        if self._is_anthropic:
            return anthropic_events(self._answer)
        wanted = (self._call.body.get("stream_options") or {}).get("include_usage")
        return openai_events(self._answer, with_usage=bool(wanted))

    def _stream_headers(self) -> dict[str, str]:
        return {"content-type": "text/event-stream", self._id_header: self._call.call_id, **self._act.headers}

    def _close(self, end: End) -> None:
        billed = self._act.is_billed
        if self._answer is None:
            self._provider.closed(self._call, _NOTHING, bool(billed), "rejected")
            return
        usage = self._answer.usage
        if self._is_stream:
            usage = msgspec.structs.replace(usage, output=self._tokens + usage.reasoning)
        self._provider.closed(self._call, usage, billed is not False, end, self._answer.tier)


def _is_reached(act: Act, mark: str | None, pieces: int, tokens: int) -> bool:
    """Return whether what the act says happens before this event, `pieces` having been written."""
    if act.at is None or isinstance(act.at, str):
        return act.at == "headers" or (act.at is not None and act.at == mark)
    return act.at == pieces and (pieces > 0 or tokens > 0)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n{lines}{size}\r\n\r\n".encode("latin-1")


def _asked(provider: "Provider", path: str, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return what is answered to GET /v1/models and to the questions about itself."""
    headers = {"content-type": "application/json"}
    if path == "/_invoice":
        return 200, headers, msgspec.json.encode(provider.invoice)
    if path == "/_script":
        told = msgspec.json.decode(raw)
        provider.script(*msgspec.convert(told["acts"], list[Act]), model=told.get("model"))
        return 200, headers, b"{}"
    if path == "/_reset":
        provider.reset()
        return 200, headers, b"{}"
    if path == "/v1/models":
        models = [{"id": model, "object": "model", "created": 0, "owned_by": "test"} for model in provider.tariffs]
        return 200, headers, msgspec.json.encode({"object": "list", "data": models})
    return 404, headers, b'{"error": {"message": "no such path", "type": "invalid_request_error"}}'


def _refusal(provider: "Provider", call: "Call") -> Act | None:
    """Return the rejection that a real provider would give this request, None where it is in order."""
    headers, body = call.headers, call.body
    path = call.path.partition("?")[0]
    if path not in ("/v1/chat/completions", "/v1/messages"):
        return Act(status=404, code="not_found", message=f"no such path: {path}")
    is_anthropic = path == "/v1/messages"
    key = headers.get("authorization", "").removeprefix("Bearer ")
    key = headers.get("x-api-key", key) if is_anthropic else key  # Anthropic's client sends either, by its version
    if key not in provider.keys:
        return Act(status=401, code="invalid_api_key", message=f"Incorrect API key provided: {key}")
    if is_anthropic and "anthropic-version" not in headers:
        return Act(status=400, code="invalid_request_error", message="anthropic-version: header is required")
    if not (isinstance(body, dict) and isinstance(body.get("messages"), list) and body["messages"]):
        return Act(status=400, code="invalid_request_error", message="messages: field required")
    if is_anthropic and not isinstance(body.get("max_tokens"), int):
        return Act(status=400, code="invalid_request_error", message="max_tokens: field required")
    if body.get("model") not in provider.tariffs:
        return Act(status=404, code="model_not_found", message=f"The model `{body.get('model')}` does not exist")
    return None


_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def _error_words(act: Act, *, is_anthropic: bool) -> dict[str, Any]:
    message = act.message or f"The provider answered {act.status}."
    if is_anthropic:
        kind = _KINDS.get(act.status, "overloaded_error" if act.status == 529 else "api_error")
        kind = "invalid_request_error" if act.status in (400, 413, 422) else kind
        return {"type": "error", "error": {"type": kind, "message": message}}
    kind = "invalid_request_error" if act.status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": act.code}}


def _error(act: Act, *, is_anthropic: bool) -> bytes:
    return msgspec.json.encode(_error_words(act, is_anthropic=is_anthropic))


def _error_event(act: Act, *, is_anthropic: bool) -> bytes:
    error = _error_words(msgspec.structs.replace(act, status=529), is_anthropic=is_anthropic)
    return (b"event: error\ndata: " if is_anthropic else b"data: ") + msgspec.json.encode(error) + b"\n\n"
