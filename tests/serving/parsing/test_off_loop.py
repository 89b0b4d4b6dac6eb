import asyncio

import pytest

from serving.parsing.off_loop import joined

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
