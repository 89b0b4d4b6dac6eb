"""Work that grows with a body: small ones in the event loop, larger ones beside it, and those one at a time.

They hold the interpreter, which one thread has at a time, and whoever waits for it may ask for it after 5 ms. Behind
eight threads that each parsed 40 MB of JSON the loop waited while 130 ms of CPU were taken, though none took its turn
for long.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")

_LARGE_BYTES = 4 * 1024 * 1024  # copied in a millisecond
_SMALL_BYTES = 256 * 1024  # read in a millisecond; a thread and back costs a tenth of that, under load far more

_MEDIUM, _LARGE = (ThreadPoolExecutor(1, f"beside-{what}") for what in ("medium", "large"))
"""Two, as a photo is not to wait for another caller's forms of 64 MB."""


async def off_loop(read: Callable[[], _Result], size_bytes: int) -> _Result:
    """Calls ``read``, which works through so many bytes."""
    return await beside_loop(read, size_bytes) if size_bytes > _SMALL_BYTES else read()


async def beside_loop(read: Callable[[], _Result], size_bytes: int) -> _Result:
    """As ``off_loop``, however few they are: for what may take long in spite of that."""
    pool = _LARGE if size_bytes > _LARGE_BYTES else _MEDIUM
    return await asyncio.get_running_loop().run_in_executor(pool, read)


async def joined(pieces: Sequence[bytes]) -> bytes:
    """A body's pieces as one; beside the loop where that takes long, and there it leaves the interpreter to others."""
    if len(pieces) == 1:
        return pieces[0]
    large = sum(map(len, pieces)) > _LARGE_BYTES
    return await asyncio.to_thread(b"".join, pieces) if large else b"".join(pieces)
