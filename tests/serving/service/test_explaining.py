"""What an explanation takes of a service that others use too."""

import asyncio

import pytest

from models.errors import DeadlineExceededError, QueueFullError
from serving.service import PredictionService
from serving.service.explaining import COST
from serving.settings import Settings


def explain(service, photo: bytes, timeout_s: float | None = None):
    return service.explaining.explain(
        service.classifiers["orientation"], photo, None, apply_exif=True, timeout_s=timeout_s
    )


def test_as_many_as_there_is_room_for_are_let_in(service, zoo):
    """Each counts as fifty images; of 256 they may hold half, so the third is refused before it is decoded."""

    async def ask() -> list[object]:
        calls = (explain(service, zoo.png()) for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert [type(one) for one in found].count(QueueFullError) == 1
    assert (COST, service.images.taken, service.bodies.taken) == (50, 0, 0)


def test_whoever_has_no_time_gets_none(service, zoo):
    with pytest.raises(DeadlineExceededError):
        asyncio.run(explain(service, zoo.png(), 1e-9))
    assert service.images.taken == 0


def test_nobody_waits_behind_it(models, zoo, monkeypatch):
    """It has a thread of its own: those who come meanwhile expect no more than one photo that is decoded."""
    service = PredictionService.load(Settings(models=models, threads=1))
    monkeypatch.setattr(service.admission.waiting, "_image_s", 1.0)  # learnt from slow photos

    async def expected_s() -> list[float]:
        explained = asyncio.create_task(explain(service, zoo.png()))
        seen = []
        while not explained.done():
            await asyncio.sleep(0)
            seen.append(service.admission.waiting.expected_s())
            if service.images.taken == COST:
                service.refuse_if_full()
        await explained
        return seen

    try:
        assert max(asyncio.run(expected_s())) == 0
    finally:
        service.close()
