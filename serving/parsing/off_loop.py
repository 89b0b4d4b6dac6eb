"""Work that grows with a body: small ones in the event loop, large ones beside it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_SMALL_BYTES = 256 * 1024  # read in a millisecond; a thread and back costs a tenth of that, under load far more


async def off_loop(read: Callable[[], _Result], size_bytes: int) -> _Result:
    """Calls ``read``, which works through so many bytes."""
    return await asyncio.to_thread(read) if size_bytes > _SMALL_BYTES else read()
