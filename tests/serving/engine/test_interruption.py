"""What ends an awaited piece of work, and what it leaves alone."""

import asyncio

import pytest

from serving.engine.interruption import Interruption, within


class Given(Interruption):
    """Tells whether it was ended from here."""

    def __exit__(self, kind, *_: object) -> bool:
        self.was_it = self.has_ended(kind)
        return self.was_it


def test_it_ends_what_takes_too_long_and_nothing_behind_it():
    async def late() -> str:
        with pytest.raises(TimeoutError), within(0.01):
            await asyncio.sleep(60)
        await asyncio.sleep(0)
        return "and goes on"

    assert asyncio.run(late()) == "and goes on"


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_time_that_is_up_already_lets_nothing_be_awaited(seconds):
    async def late() -> None:
        with within(seconds):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(late())


@pytest.mark.parametrize("seconds", [None, 60])
def test_what_is_done_in_time_is_left_alone(seconds):
    async def done() -> str:
        with within(seconds):
            await asyncio.sleep(0)
            return "done"

    assert asyncio.run(done()) == "done"


def test_another_error_passes():
    async def fail() -> None:
        with within(60):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        asyncio.run(fail())


def test_somebody_else_s_cancellation_stays_one():
    async def cancelled() -> bool:
        async def work() -> None:
            with within(60):
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancelled())


def test_both_at_once_is_a_cancellation():
    async def cancelled() -> bool:
        given = Given()

        async def work() -> None:
            with given:
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        given.end()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancelled())


def test_the_outer_of_two_that_end_is_told():
    async def both() -> tuple[bool, bool]:
        outer, inner = Given(), Given()
        with outer, inner:
            asyncio.get_running_loop().call_soon(outer.end)
            await asyncio.sleep(60)
        return outer.was_it, inner.was_it

    assert asyncio.run(both()) == (True, False)
