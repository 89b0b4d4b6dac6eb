"""Work that grows with a body: small ones in the event loop, large ones beside it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

_Result = TypeVar("_Result")
_LARGE_BYTES = 4 * 1024 * 1024  # copied in a millisecond
_SMALL_BYTES = 256 * 1024  # read in a millisecond; a thread and back costs a tenth of that, under load far more


async def off_loop(read: Callable[[], _Result], size_bytes: int) -> _Result:
    """Calls ``read``, which works through so many bytes."""
    return await asyncio.to_thread(read) if size_bytes > _SMALL_BYTES else read()


async def joined(pieces: Sequence[bytes]) -> bytes:
    """A body's pieces as one; beside the loop where that takes long, and there it leaves the interpreter to others."""
    if len(pieces) == 1:
        return pieces[0]
    large = sum(map(len, pieces)) > _LARGE_BYTES
    return await asyncio.to_thread(b"".join, pieces) if large else b"".join(pieces)
