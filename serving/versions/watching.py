"""LOUPE_RELOAD=watch: a change in the folder of the models is noticed by itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from watchfiles import awatch

_log = logging.getLogger("loupe.watching")
_AT_LEAST_EVERY_MS = 60_000  # network file systems tell nothing


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
    notices = awatch(
        folder,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=_AT_LEAST_EVERY_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,  # a volume's lost+found
    )
    async for _ in notices:
        try:
            await changed()
        except Exception:
            _log.exception("looking for changes failed")
