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

    Items are looked for in a thread, as whoever lists a store waits for it; what is begun goes on meanwhile. If they
    end in an error, that is raised behind the results of those before.
    """
    at_once = min(_FOR_EACH_THREAD * threads(settings), settings.max_queued_images)
    running = deque[asyncio.Task[_Result]]()
    coming = iter(items)
    ended: Exception | None = None
    try:
        while found := await asyncio.to_thread(_next, coming):
            if isinstance(found, Exception):
                ended = found
                break
            running.append(asyncio.ensure_future(work(found[0])))
            if len(running) >= at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
        if ended is not None:
            raise ended
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _next(items: Iterator[_Item]) -> tuple[()] | tuple[_Item] | Exception:
    """One more, unless there is none, or the error that there is in its place."""
    try:
        for item in items:
            return (item,)
    except Exception as error:
        return error
    return ()
