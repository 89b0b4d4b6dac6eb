import asyncio
from math import inf
from time import perf_counter, sleep

import numpy as np
import pytest

from models.errors import DeadlineExceededError, ImageError
from models.images import ImageLimits
from models.preprocessing import Preprocessing
from serving.engine.decoding import Decoders

SMALL = Preprocessing(height=8, width=8)
LARGE = Preprocessing(height=64, width=48, channels=1)


@pytest.fixture
def decoders():
    decoders = Decoders(threads=1, max_queue=10, limits=ImageLimits())
    yield decoders
    decoders.close()


def prepare(decoders, data, *wanted, deadline=inf):
    return asyncio.run(decoders.prepare(data, wanted, apply_exif=True, deadline=deadline))


def test_one_decode_serves_all_that_is_wanted(decoders, photographs):
    prepared = prepare(decoders, photographs["china"], SMALL, LARGE)
    assert {one: pixels.shape for one, pixels in prepared.pixels.items()} == {SMALL: (8, 8, 3), LARGE: (64, 48, 1)}
    assert prepared.decode_s > 0
    assert prepared.preprocess_s > 0
    assert prepared.queue_s >= 0


def test_what_is_late_costs_no_decode(decoders):
    with pytest.raises(DeadlineExceededError):
        prepare(decoders, b"never looked at", SMALL, deadline=perf_counter())
    with pytest.raises(ImageError):
        prepare(decoders, b"looked at", SMALL, deadline=perf_counter() + 600)


def test_what_would_be_late_costs_no_decode_but_somebody_tries_again(decoders, zoo):
    """An answer took an hour: who waits a minute is refused at once, but not for ever."""
    decoders.note_answer(36_000)
    tries = 0
    while True:
        tries += 1
        try:
            prepared = prepare(decoders, zoo.png(), SMALL, deadline=perf_counter() + 60)
            break
        except DeadlineExceededError:
            continue
    assert 10 < tries < 100
    assert np.any(prepared.pixels[SMALL])


def test_whoever_leaves_while_waiting_holds_no_place(decoders, zoo):
    busy = zoo.png(size=(5000, 5000))

    async def leave() -> int:
        working = asyncio.create_task(decoders.prepare(busy, [SMALL], apply_exif=True, deadline=inf))
        await asyncio.to_thread(sleep, 0.02)
        waiting = [
            asyncio.create_task(decoders.prepare(busy, [SMALL], apply_exif=True, deadline=inf)) for _ in range(5)
        ]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        left = decoders.waiting
        await working
        return left

    assert asyncio.run(leave()) == 0
