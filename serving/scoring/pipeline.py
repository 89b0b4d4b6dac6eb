"""Pipeline: many items through few tasks, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from serving.settings import Settings
from serving.settings.cores import threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_FOR_EACH_THREAD = 4  # files in hand: one is decoded, others are read, judged or written


async def in_order(
    items: Iterable[_Item], work: Callable[[_Item], Awaitable[_Result]], settings: Settings
) -> AsyncGenerator[_Result, None]:
    """Yields ``work(item)`` of each item, in order; so many at once that no thread runs dry, and no more.

    Items are looked for in a thread, as whoever lists a store waits for it; what is begun goes on meanwhile.
    """
    at_once = min(_FOR_EACH_THREAD * threads(settings), settings.max_queued_images)
    running = deque[asyncio.Task[_Result]]()
    coming = iter(items)
    try:
        while found := await asyncio.to_thread(_next, coming):
            running.append(asyncio.ensure_future(work(found[0])))
            if len(running) >= at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _next(items: Iterator[_Item]) -> tuple[()] | tuple[_Item]:
    """One more, unless there is none; a thread cannot raise StopIteration into a coroutine."""
    for item in items:
        return (item,)
    return ()
