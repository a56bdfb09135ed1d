"""Reads one model's stream to its end, whoever listens, and settles what it cost."""

import asyncio
from typing import Final

from pointsman.chat import Reply, StreamReader, StreamWriter, whole_of_stream
from pointsman.errors import PointsmanError, UpstreamError, http_status
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.gateway.keeping import keep
from pointsman.gateway.pipe import Pipe
from pointsman.gateway.till import Held

_NOTHING: Final = Reply("", "unknown", 0, None)
_HUNG_UP: Final = "the caller hung up, and the stream was cut off"


class Pump:
    """Fills a pipe with the stream of one model, in the caller's protocol."""

    def __init__(self, attempting: Attempting, pipe: Pipe, model: str) -> None:
        self.attempting, self.pipe, self.model = attempting, pipe, model
        self.parts, self.course = attempting.parts, attempting.course
        chat, protocol = self.course.asked.chat, self.parts.protocol(model)
        self.reader = StreamReader(protocol)
        self.writer = StreamWriter(protocol, chat.protocol, model=model, wants_usage=chat.wants_usage)
        self.first_ms: float | None = None

    async def run(self) -> bool:
        """Fill the pipe to its end; return whether the answer began, so that the request ends with it."""
        try:
            self.attempting.admit(self.model)
            held = await self.attempting.held(self.model)
            edit = self.attempting.edit(self.model, held)
            body = self.attempting.body(self.model, self.attempting.chat, edit, held)
        except PointsmanError as error:
            await self.pipe.close(error)
            return False
        try:
            return await self._ran(held, body)
        except BaseException:
            self.attempting.till.presume(held)  # no more than a repetition where it was settled before
            raise

    async def _ran(self, held: Held, body: bytes) -> bool:
        started = self.parts.clock()
        failure = await self._flowed(body, started)
        total_ms = (self.parts.clock() - started) * 1000
        self.course.upstream_s += total_ms / 1000
        try:
            reply = self.attempting.believed(self.reader.reply())
        except UpstreamError as error:  # its pieces don't make an answer
            reply, failure = _NOTHING, failure or error
        if failure is not None and self.first_ms is None:
            self._unheard(held, reply, failure)
            await self.pipe.close(failure)
            return False
        self._settle(held, reply, failure, total_ms)
        await self.pipe.put(self._last(failure))
        await self.pipe.close()
        return True

    async def _flowed(self, body: bytes, started: float) -> UpstreamError | None:
        """Hand on what comes; return what cut it short."""
        provider = self.parts.where[self.model].provider
        try:
            async with self.parts.upstreams.stream(provider, body, self.course.asked.headers) as chunks:
                async for chunk in chunks:
                    piece = b"".join([self.writer.write(event) for event in self.reader.feed(chunk)])
                    if self.reader.error is not None:
                        return self.reader.error
                    if piece and self.first_ms is None:
                        self.first_ms = (self.parts.clock() - started) * 1000
                    await self.pipe.put(piece)
        except UpstreamError as error:
            return error
        except asyncio.CancelledError:
            return UpstreamError(_HUNG_UP)
        self.reader.close()
        return self.reader.error

    def _unheard(self, held: Held, reply: Reply, failure: UpstreamError) -> None:
        """Settle a stream of which the caller got nothing: its usage may be known all the same."""
        if reply.usage is None:
            self.attempting.failed(self.model, held, failure)
            return
        paid = self.attempting.pay(self.model, held, reply)
        self.attempting.note(self.model, held, reply, paid, error=failure)
        self.parts.health.failed(self.model, failure)

    def _settle(self, held: Held, reply: Reply, failure: UpstreamError | None, total_ms: float) -> None:
        """Post what the answer cost: its usage where the provider stated it, however the stream ended."""
        protocol = self.parts.protocol(self.model)
        paid = self.attempting.pay(self.model, held, reply)
        self.attempting.note(self.model, held, reply, paid, first_ms=self.first_ms, total_ms=total_ms, error=failure)
        if failure is None:
            self.parts.health.succeeded(self.model)
        elif failure.message != _HUNG_UP:
            self.parts.health.failed(self.model, failure)
        self.course.ended_by(self.model, reply)
        if failure is None and self.parts.answers is not None:
            cost = held.held_nanousd if paid is None else paid
            keep(self.course, Tried(self.model, whole_of_stream(self.reader), protocol, reply, cost))
        if failure is not None:
            self.course.error, self.course.status = failure.code, http_status(failure)

    def _last(self, failure: UpstreamError | None) -> bytes:
        if failure is not None:
            return self.writer.fail(failure)
        return self.writer.finish(self.course.facts(self.parts.clock()))
