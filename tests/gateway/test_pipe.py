"""Pieces on their way to callers who read slowly, or have left."""

import asyncio

import pytest

from pointsman.errors import UpstreamError
from pointsman.gateway.pipe import Pipe


async def read(pipe):
    return [piece async for piece in pipe]


def test_pieces_come_in_order_and_end():
    async def run():
        pipe = Pipe()
        reading = asyncio.create_task(read(pipe))
        for number in range(500):
            await pipe.put(b"%d" % number)
        await pipe.close()
        return await reading

    assert asyncio.run(run()) == [b"%d" % number for number in range(500)]


def test_who_takes_nothing_for_too_long_has_left_and_the_writer_goes_on():
    async def run():
        pipe = Pipe(patience_s=0.01)
        for number in range(500):
            await pipe.put(b"%d" % number)
        await pipe.close()
        return pipe.is_abandoned, await read(pipe)

    assert asyncio.run(run()) == (True, [])


def test_a_writer_that_waits_goes_on_when_its_reader_leaves_and_the_reader_ends():
    async def run():
        pipe = Pipe()

        async def write():
            for number in range(500):
                await pipe.put(b"%d" % number)
            await pipe.close()

        writing = asyncio.create_task(write())
        pieces = aiter(pipe)
        first = await anext(pieces)
        pipe.abandon()
        await writing
        return first, len([piece async for piece in pieces]) <= 1

    assert asyncio.run(run()) == (b"0", True)


def test_a_failure_before_the_first_piece_is_told_to_who_waits_for_it():
    async def run():
        pipe = Pipe()
        await pipe.close(UpstreamError("no"))
        with pytest.raises(UpstreamError, match="no"):
            await pipe.begun()

    asyncio.run(run())
