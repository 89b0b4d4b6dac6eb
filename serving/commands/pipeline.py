"""Pipeline: many files through few tasks, in order, under a progress bar."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import ImageTooLargeError, UnsupportedImageError
from serving.settings import Settings
from serving.settings.cores import threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_FOR_EACH_THREAD = 4  # files in hand: one is decoded, others are read, judged or written


async def in_order(
    items: Iterable[_Item], work: Callable[[_Item], Awaitable[_Result]], settings: Settings
) -> AsyncIterator[_Result]:
    """Yields ``work(item)`` of each item, in order; so many at once that no thread runs dry, and no more."""
    at_once = min(_FOR_EACH_THREAD * threads(settings), settings.max_queued_images)
    running = deque[asyncio.Task[_Result]]()
    try:
        for item in items:
            running.append(asyncio.ensure_future(work(item)))
            if len(running) >= at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def progress_bar() -> Progress:
    """On stderr, and only where a person looks at it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def read_photo(path: Path, settings: Settings) -> bytes:
    """Reads a file, unless it is larger than an image may be.

    Raises:
        OSError: it cannot be read.
        UnsupportedImageError: it is a pipe, a socket or a device, which could be waited for without an end.
        ImageTooLargeError: it is larger.
    """
    if path.is_dir():
        os.scandir(path).close()  # a folder comes here if it cannot be read; this tells why
    if not S_ISREG(path.stat().st_mode):
        raise UnsupportedImageError("it is no regular file")
    with path.open("rb") as file:
        data = file.read(settings.max_image_bytes + 1)
    if len(data) > settings.max_image_bytes:
        raise ImageTooLargeError(
            f"the image has more than the {settings.max_image_bytes} bytes that are allowed", limit="bytes"
        )
    return data
