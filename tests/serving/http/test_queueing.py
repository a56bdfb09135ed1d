import asyncio

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import Overloaded
from pointsman.http.queueing import PLACE, Queue, step_aside


def test_a_place_beyond_the_last_is_refused_and_one_that_is_left_is_given_again():
    queue = Queue(1, 1)
    with queue.place(), queue.place():
        with pytest.raises(Overloaded, match="2 requests run or wait, which is all that may") as refusal, queue.place():
            pass
        assert refusal.value.retry_after_s == 1
    with queue.place():
        assert queue.inside == 1
    assert queue.inside == 0


def test_whoever_steps_aside_gives_place_and_turn_to_others_once():
    queue = Queue(1, 0)
    with queue.place() as place:
        assert queue.try_turn()
        place.has_turn = True
        step_aside({PLACE: place})
        step_aside({PLACE: place})
        assert queue.inside == 0
        with queue.place() as other:
            assert queue.try_turn()
            other.has_turn = True
            assert not queue.try_turn()
    assert (queue.inside, queue.try_turn()) == (0, True)


def test_turns_come_in_the_order_in_which_they_were_asked_for():
    async def ask():
        queue, order = Queue(1, 10), []

        async def one(number):
            await queue.turn()
            order.append(number)
            await asyncio.sleep(0)
            queue.give_back()

        await asyncio.gather(*(one(number) for number in range(6)))
        return order

    assert anyio.run(ask) == list(range(6))


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "end", "look"]), st.integers(0, 9)), max_size=40)


@given(st.integers(1, 3), STEPS)
def test_whatever_comes_no_more_run_than_may_and_no_turn_is_lost(most, steps):
    async def play():
        queue, running, tasks, ended = Queue(most, 100), [], [], []

        async def one():
            await queue.turn()
            running.append(asyncio.current_task())
            try:
                await asyncio.Event().wait()
            finally:
                running.remove(asyncio.current_task())
                queue.give_back()

        for step, number in steps:
            if step == "ask":
                tasks.append(asyncio.create_task(one()))
            elif step == "end" and tasks:
                ended.append(tasks.pop(number % len(tasks)))
                ended[-1].cancel()
            elif step == "look":  # else the next step comes before anyone has noticed the last
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(running) == min(most, len(tasks))
            assert len(running) <= most
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, *ended, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found)
        assert [queue.try_turn() for _ in range(most + 1)] == [True] * most + [False]

    anyio.run(play)
