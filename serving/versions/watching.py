"""LOUPE_RELOAD=watch: a change in the folder of the models, or at their address, is noticed by itself."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from math import inf
from pathlib import Path
from random import uniform
from time import monotonic

_log = logging.getLogger("loupe.watching")
_LOOK_EVERY_MS = 1000
_AT_LEAST_EVERY_S = 60  # network file systems tell nothing
_ASK_EVERY_S = 30  # one listing; of S3, 1.5 cents a month for a hundred models


@asynccontextmanager
async def watching(folder: Path, changed: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Awaits ``changed`` after every change under the folder, and every minute in any case."""
    stop = asyncio.Event()
    task = asyncio.create_task(_watch(folder, changed, stop))
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def polling(changed: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Awaits ``changed`` every half a minute, as a store tells nothing; not all servers of a service at once."""
    task = asyncio.create_task(_poll(changed))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _poll(changed: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(_ASK_EVERY_S * uniform(0.9, 1.1))  # noqa: S311 - no secret
        await _tell(changed)


async def _watch(folder: Path, changed: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await _watch_these(await _folders(folder), folder, changed, stop)
        except OSError:  # between two links, not mounted again yet, or not readable for now
            await asyncio.sleep(_LOOK_EVERY_MS / 1000)


async def _watch_these(
    folders: frozenset[Path], folder: Path, changed: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> None:
    """Until there are other folders: a model has come or gone, or a link leads elsewhere, as git-sync swaps them."""
    from watchfiles import awatch  # a library of its own, which most servers never need

    notices = awatch(
        *folders,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=_LOOK_EVERY_MS,
        yield_on_timeout=True,
        recursive=False,
    )
    looked = -inf  # what came before the system began to watch is told of by nobody
    async with aclosing(notices):
        async for changes in notices:
            moved = await _folders(folder) != folders
            if changes or moved or monotonic() - looked >= _AT_LEAST_EVERY_S:
                looked = monotonic()
                await _tell(changed)
            if moved:
                return


async def _folders(folder: Path) -> frozenset[Path]:
    return await asyncio.to_thread(_readable, folder)


def _readable(folder: Path) -> frozenset[Path]:
    """The repository's, its models' and their versions'.

    One by one, as a recursive watch of all ends at the first that cannot be read, a volume's ``lost+found`` say.
    """
    real = folder.resolve(strict=True)
    below = (one.resolve() for pattern in ("*/", "*/*/") for one in real.glob(pattern) if os.access(one, os.R_OK))
    return frozenset({real, *below})


async def _tell(changed: Callable[[], Awaitable[None]]) -> None:
    try:
        await changed()
    except Exception:
        _log.exception("looking for changes failed")
