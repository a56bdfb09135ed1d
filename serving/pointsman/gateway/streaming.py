"""Streams: pieces go to the caller as they come, and the bill is settled when the last has come, whoever is left."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from pointsman.chat import replayed
from pointsman.errors import PointsmanError, UpstreamError, http_status
from pointsman.gateway.asked import Asked
from pointsman.gateway.attempting import Attempting, Tried
from pointsman.gateway.course import Course
from pointsman.gateway.engine import Engine
from pointsman.gateway.falling_back import first_of
from pointsman.gateway.keeping import found
from pointsman.gateway.pipe import Pipe
from pointsman.gateway.pump import Pump


class Streamed(msgspec.Struct, frozen=True):
    """A stream in the caller's protocol, and what can be said of it beforehand; its last event says the rest.

    Whoever learns that the caller hung up calls `leave`: the pieces end, and the model's answer is read to its end, or
    cut off, as it is set.
    """

    pieces: AsyncIterator[bytes]
    facts: dict[str, str]
    leave: Callable[[], None]


async def stream(engine: Engine, asked: Asked) -> Streamed:
    """Return the stream of the chosen model, or of the first fallback that begins one.

    Raises:
        PointsmanError: as `Engine.answer`, before anything was sent.
    """
    course = engine.begun(asked)
    try:
        if course.is_cascade:
            return await _replayed(engine, course, await engine.tried(course))
        if (known := found(course)) is not None:
            return await _replayed(engine, course, known)
        attempting = await engine.decided(course)
        try:
            model, pipe, task = await _begun(engine, attempting)
        finally:
            attempting.till.close()
    except PointsmanError as error:
        course.error, course.status = error.code, http_status(error)
        engine.ended(course)
        raise
    is_cut = engine.parts.streams.on_disconnect == "abort"
    facts = {"model": model, "cache": course.cache, **course.known()}

    def leave() -> None:
        pipe.abandon()
        if is_cut:
            task.cancel()

    return Streamed(_pieces(pipe, leave), facts, leave)


async def _replayed(engine: Engine, course: Course, tried: Tried) -> Streamed:
    """Return a whole answer as a stream."""
    facts = course.facts(engine.parts.clock())
    pieces = replayed(tried.body, tried.protocol, course.asked.chat, facts, created_s=course.at_us // 1_000_000)
    engine.ended(course)

    async def said() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Streamed(said(), facts, lambda: None)


async def _begun(engine: Engine, attempting: Attempting) -> tuple[str, Pipe, "asyncio.Task[None]"]:
    """Return the first model that begins a stream, with its pipe and the task that fills it."""

    async def begun(model: str) -> tuple[str, Pipe, "asyncio.Task[None]"]:
        pipe = Pipe()
        task = engine.later.do(_filled(engine, Pump(attempting, pipe, model)))
        await pipe.begun()
        return model, pipe, task

    return await first_of(attempting.decision, begun)


async def _filled(engine: Engine, pump: Pump) -> None:
    try:
        if await pump.run():
            engine.ended(pump.course)
    except BaseException:
        await pump.pipe.close(UpstreamError("The gateway failed unexpectedly; its log says why."))
        raise


async def _pieces(pipe: Pipe, leave: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield the pieces; where whoever iterates them ends early, the caller has left."""
    is_whole = False
    try:
        async for piece in pipe:
            yield piece
        is_whole = True
    finally:
        if not is_whole:
            leave()
