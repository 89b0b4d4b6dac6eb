"""Work that grows with a body: small ones in the event loop, larger ones beside it, and those one at a time.

They hold the interpreter, which one thread has at a time, and whoever waits for it may ask for it after 5 ms. Behind
eight threads that each parsed 40 MB of JSON the loop waited while 130 ms of CPU were taken, though none took its turn
for long.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

_Result = TypeVar("_Result")

SMALL_BYTES = 256 * 1024
"""Read in a millisecond; a thread and back costs a tenth of that, under load far more."""

_LARGE_BYTES = 4 * 1024 * 1024  # copied in a millisecond
_TURN_S = 0.002  # that such work takes of one turn of the loop, and what one piece of it takes besides

_MEDIUM, _LARGE = (ThreadPoolExecutor(1, f"beside-{what}") for what in ("medium", "large"))
"""Two, as a photo is not to wait for another caller's forms of 64 MB."""


async def off_loop(read: Callable[[], _Result], size_bytes: int) -> _Result:
    """Calls ``read``, which works through so many bytes."""
    return await beside_loop(read, size_bytes) if size_bytes > SMALL_BYTES else read()


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


class Turns:
    """Small things that many tasks do in the event loop: after some of them, it turns before the next.

    The 64 photos of one form would else all be looked at in one turn.
    """

    def __init__(self) -> None:
        self._taken_s = 0.0
        self._turn = 0

    async def take(self, read: Callable[[], _Result]) -> _Result:
        """Calls ``read``, once this turn has time for it."""
        while self._taken_s > _TURN_S:
            turn = self._turn
            await asyncio.sleep(0)
            if turn == self._turn:  # nobody has begun the next one yet
                self._turn, self._taken_s = turn + 1, 0.0
        started = perf_counter()
        try:
            return read()
        finally:
            self._taken_s += perf_counter() - started
