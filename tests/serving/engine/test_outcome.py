import asyncio
from concurrent.futures import Future
from threading import Timer

import pytest

from serving.engine.outcome import outcome


def test_what_is_done_already_takes_no_turn_of_the_loop():
    done = Future()
    done.set_result(5)
    with pytest.raises(StopIteration) as ended:
        outcome(done).send(None)
    assert ended.value.value == 5


@pytest.mark.parametrize("error", [None, ZeroDivisionError("ours")])
def test_what_another_thread_makes_or_raises_comes_back(error):
    future = Future()
    timer = Timer(0.02, lambda: future.set_exception(error) if error else future.set_result(5))
    timer.start()
    if error is None:
        assert asyncio.run(outcome(future)) == 5
    else:
        with pytest.raises(ZeroDivisionError, match="ours"):
            asyncio.run(outcome(future))
    timer.join()


def test_whoever_is_cancelled_cancels_the_future_and_what_comes_later_disturbs_nobody():
    waiting, running = Future(), Future()
    running.set_running_or_notify_cancel()

    async def leave() -> None:
        for future in (waiting, running):
            task = asyncio.ensure_future(outcome(future))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        running.set_result(5)
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert waiting.cancelled()
    assert running.result() == 5
