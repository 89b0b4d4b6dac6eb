import asyncio
import threading

import pytest

from serving.parsing.off_loop import joined, off_loop

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("pieces", "loop_goes_on"),
    [([], False), ([b"one"], False), ([b"one", b"two"], False), ([b"a" * MIB] * 4, False), ([b"ab" * MIB] * 3, True)],
)
def test_large_bodies_are_joined_beside_the_loop(pieces, loop_goes_on):
    async def join() -> tuple[bytes, bool]:
        other = asyncio.create_task(asyncio.sleep(0))
        whole = await joined(pieces)
        went_on = other.done()
        await other
        return whole, went_on

    whole, went_on = asyncio.run(join())
    assert whole == b"".join(pieces)
    assert went_on is loop_goes_on


def test_what_is_read_beside_the_loop_takes_turns_there():
    """Each thread that wants the interpreter too makes the loop wait for 5 ms more, at every turn."""
    reading, most, lock = 0, 0, threading.Lock()

    def read() -> int:
        nonlocal reading, most
        with lock:
            reading, most = reading + 1, max(most, reading + 1)
        threading.Event().wait(0.01)
        with lock:
            reading -= 1
        return threading.get_ident()

    async def read_all(*sizes: int) -> list[int]:
        return await asyncio.gather(*(off_loop(read, size) for size in sizes))

    assert len(set(asyncio.run(read_all(*[MIB] * 4)))) == 1
    assert most == 1
    assert len(set(asyncio.run(read_all(MIB, 64 * MIB)))) == 2, "a photo does not wait for a large form"
    assert asyncio.run(read_all(1000)) == [threading.get_ident()]


def test_what_fails_beside_the_loop_fails_here():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(off_loop(lambda: 1 // 0, MIB))
