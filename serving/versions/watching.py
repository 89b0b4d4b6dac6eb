"""LOUPE_RELOAD=watch: a change in the folder of the models is noticed by itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from time import monotonic

from watchfiles import awatch

_log = logging.getLogger("loupe.watching")
_LOOK_EVERY_MS = 1000
_AT_LEAST_EVERY_S = 60  # network file systems tell nothing


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


async def _watch(folder: Path, changed: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await _watch_one(folder, changed, stop)
        except FileNotFoundError:  # between two links, or not mounted again yet
            await asyncio.sleep(_LOOK_EVERY_MS / 1000)


async def _watch_one(folder: Path, changed: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Until a link on the way to the folder leads elsewhere, as git-sync swaps them: the system tells of neither."""
    real, looked = await _real(folder), monotonic()
    notices = awatch(
        real,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=_LOOK_EVERY_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,  # a volume's lost+found
    )
    async with aclosing(notices):
        async for changes in notices:
            moved = await _real(folder) != real
            if changes or moved or monotonic() - looked >= _AT_LEAST_EVERY_S:
                looked = monotonic()
                await _tell(changed)
            if moved:
                return


async def _real(folder: Path) -> Path:
    return await asyncio.to_thread(folder.resolve)


async def _tell(changed: Callable[[], Awaitable[None]]) -> None:
    try:
        await changed()
    except Exception:
        _log.exception("looking for changes failed")
