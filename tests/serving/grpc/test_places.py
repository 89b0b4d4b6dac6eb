"""Who has to go when messages do not come: on an event loop, without a server."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from models.errors import RequestTimeoutError
from serving.engine.budget import Caller, caller
from serving.grpc.places import Places

LONG_S, SHORT_S = 100.0, 0.01


async def hold(places: Places, name: str, taken: asyncio.Event) -> None:
    caller.set(Caller(name))
    async with places.one():
        taken.set()
        await asyncio.Event().wait()


async def holding(stack: AsyncExitStack, places: Places, *names: str) -> list[asyncio.Task[None]]:
    """Callers whose messages never come."""
    tasks = []
    for name in names:
        tasks.append(asyncio.create_task(hold(places, name, taken := asyncio.Event())))
        stack.callback(tasks[-1].cancel)
        await taken.wait()
    return tasks


async def entered(places: Places, name: str) -> None:
    caller.set(Caller(name))
    async with places.one():
        pass


def test_a_place_that_nobody_waits_for_is_kept():
    async def kept() -> bool:
        async with AsyncExitStack() as stack:
            [one] = await holding(stack, Places(3, 2, LONG_S, SHORT_S), "a")
            await asyncio.sleep(5 * SHORT_S)
            return not one.done()

    assert asyncio.run(kept())


def test_whoever_waits_gets_the_place_of_a_message_that_does_not_come():
    async def run() -> list[object]:
        places = Places(2, 1, LONG_S, SHORT_S)
        async with AsyncExitStack() as stack:
            silent = await holding(stack, places, "a", "b")
            await asyncio.create_task(entered(places, "c"))
            return await asyncio.gather(*silent, return_exceptions=True)

    errors = asyncio.run(run())
    assert [str(error) for error in errors] == ["the message did not arrive within 0.01 s"] * 2


def test_a_caller_who_waits_for_himself_hurries_nobody_else():
    async def run() -> list[bool]:
        places = Places(9, 2, LONG_S, SHORT_S)
        async with AsyncExitStack() as stack:
            held = await holding(stack, places, "b", "a", "a")
            await asyncio.create_task(entered(places, "a"))
            return [one.done() for one in held[:2]]

    assert asyncio.run(run()) == [False, True]


def test_a_message_that_does_not_come_is_given_up():
    with pytest.raises(RequestTimeoutError, match=r"did not arrive within 0\.01 s"):
        asyncio.run(hold(Places(9, 2, SHORT_S, LONG_S), "a", asyncio.Event()))
