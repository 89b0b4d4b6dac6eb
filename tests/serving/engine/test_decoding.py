import asyncio
from io import BytesIO
from math import inf
from time import perf_counter, sleep

import numpy as np
import pytest
from PIL import Image

from models.cost import estimate
from models.errors import DeadlineExceededError, ImageError, ImageTooLargeError
from models.images import ImageLimits, Size
from models.preprocessing import Preprocessing
from serving.engine.decoding import Decoders
from serving.engine.waiting import Waiting
from serving.engine.workshop import Workshop

SMALL = Preprocessing(height=8, width=8)
LARGE = Preprocessing(height=64, width=48, channels=1)


@pytest.fixture
def workshop():
    made = Workshop(threads=1, max_queue=10, max_bytes=2 * 1024**3)
    yield made
    made.close()


@pytest.fixture
def decoders(workshop):
    return Decoders(workshop, ImageLimits(), timeout_s=10, waiting=Waiting(1))


def as_it_is(prepared):
    return prepared


def prepare(decoders, data, *wanted, deadline=inf):
    return asyncio.run(decoders.prepare(data, wanted, as_it_is, apply_exif=True, deadline=deadline))


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


def test_whoever_leaves_while_waiting_holds_no_place(workshop, decoders, zoo):
    busy = zoo.png(size=(5000, 5000))

    async def leave() -> int:
        working = asyncio.create_task(decoders.prepare(busy, [SMALL], as_it_is, apply_exif=True, deadline=inf))
        await asyncio.to_thread(sleep, 0.02)
        waiting = [
            asyncio.create_task(decoders.prepare(busy, [SMALL], as_it_is, apply_exif=True, deadline=inf))
            for _ in range(5)
        ]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        left = workshop.waiting
        await working
        return left

    assert asyncio.run(leave()) == 0


def test_a_process_makes_the_same_pixels_as_a_thread(workshop, photographs):
    """A lossless WebP holds the interpreter while it is decoded, so it is done elsewhere; a PNG is not."""
    picture = Image.open(BytesIO(photographs["china"])).resize((1600, 1200))
    png, webp = BytesIO(), BytesIO()
    picture.save(png, "PNG")
    picture.save(webp, "WEBP", lossless=True, quality=0)
    decoders = Decoders(workshop, ImageLimits(), timeout_s=10, waiting=Waiting(1))
    assert estimate(webp.getvalue()).held_s > 0.05 > estimate(png.getvalue()).held_s
    here, there = (prepare(decoders, one.getvalue(), SMALL, LARGE).pixels for one in (png, webp))
    for preprocessing in (SMALL, LARGE):
        assert np.array_equal(here[preprocessing], there[preprocessing])


def test_a_photo_that_takes_too_long_is_ended_and_named(workshop):
    """2 kB that take 1.7 s of a core."""
    buffer = BytesIO()
    Image.new("RGBA", (7000, 7000)).save(buffer, "WEBP", lossless=True, method=0)
    decoders = Decoders(workshop, ImageLimits(), timeout_s=0.5, waiting=Waiting(1))
    with pytest.raises(ImageTooLargeError, match=r"longer than the 0.5 s of a core"):
        prepare(decoders, buffer.getvalue(), SMALL)


def test_the_event_loop_goes_on_while_a_picture_of_fifty_megapixels_is_decoded(workshop):
    """Lossless WebP held it for as long as it took, 0.8 s and more; the two cores are shared with other tests."""
    buffer = BytesIO()
    Image.new("RGBA", (7000, 7000)).save(buffer, "WEBP", lossless=True, method=0)
    decoders = Decoders(workshop, ImageLimits(), timeout_s=60, waiting=Waiting(1))

    async def longest_pause() -> float:
        working = asyncio.create_task(
            decoders.prepare(buffer.getvalue(), [SMALL], as_it_is, apply_exif=True, deadline=inf)
        )
        longest, last = 0.0, perf_counter()
        while not working.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, perf_counter() - last), perf_counter()
        await working
        return longest

    assert asyncio.run(longest_pause()) < 0.4


def test_dear_pictures_keep_no_ordinary_photo_waiting(workshop, photographs):
    """Eight clients that sent nothing but large PNGs made admission refuse 270 of 278 ordinary photos."""
    buffer = BytesIO()
    Image.new("RGB", (5000, 5000)).save(buffer, "PNG")
    waiting = Waiting(workers=1)
    decoders = Decoders(workshop, ImageLimits(), timeout_s=60, waiting=waiting)

    async def expected() -> list[float]:
        waiting.enter(8)
        waiting._image_s = 1.0
        before = waiting.expected_s()
        tasks = [
            asyncio.create_task(decoders.prepare(buffer.getvalue(), [SMALL], as_it_is, apply_exif=True, deadline=inf))
            for _ in range(8)
        ]
        await asyncio.to_thread(sleep, 0.2)
        beside = waiting.expected_s()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [before, beside, waiting.expected_s()]

    assert asyncio.run(expected()) == [8.0, 0.0, 8.0]


def test_the_loop_turns_between_the_photos_of_a_form(decoders, zoo, monkeypatch):
    """Sixty HEICs of 50 kB in one form were all looked at before anybody else had a turn: 0.4 s."""
    photos, turns = [zoo.png()] * 5, list[int]()

    async def look(most_s: float) -> int:
        monkeypatch.setattr("serving.parsing.off_loop._TURN_S", most_s)
        turns.clear()
        looking = asyncio.gather(*(decoders._estimate(photo, Size(8, 8)) for photo in photos))
        while not looking.done():
            turns.append(len(turns))
            await asyncio.sleep(0)
        assert len(set(await looking)) == 1
        return len(turns)

    at_once, one_by_one = asyncio.run(look(1000)), asyncio.run(look(0))
    assert one_by_one >= at_once + len(photos) - 1


def jpeg_with_comments(zoo, count: int) -> bytes:
    data = zoo.encode(zoo.lit())
    return data[:2] + b"\xff\xfe\0\2" * count + data[2:]


@pytest.mark.parametrize(
    ("made", "elsewhere"),
    [
        (lambda zoo: jpeg_with_comments(zoo, 3), False),
        (lambda zoo: jpeg_with_comments(zoo, 5000), True),
        (lambda zoo: zoo.encode(zoo.lit()) + bytes(300 * 1024), False),
        (lambda zoo: zoo.encode(zoo.lit(), "AVIF"), False),
        (lambda zoo: zoo.encode(zoo.lit(), "AVIF") + bytes(300 * 1024), True),
    ],
    ids=["jpeg", "parts", "longer jpeg", "avif", "longer avif"],
)
def test_a_picture_that_takes_long_is_looked_at_beside_the_loop(decoders, zoo, made, elsewhere):
    """One of 256 KiB had kept everybody waiting for 60 ms."""
    data = made(zoo)

    async def look():
        other = asyncio.create_task(asyncio.sleep(0))
        cost = await decoders._estimate(data, Size(8, 8))
        went_on = other.done()
        await other
        return cost, went_on

    assert asyncio.run(look()) == (estimate(data, Size(8, 8)), elsewhere)
