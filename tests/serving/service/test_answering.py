"""Whole requests through decoders, batches and back: order, identity, and what must not matter."""

import asyncio
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.engine.observer import Observer
from serving.service import PredictionService
from serving.service.answering import together
from serving.settings import Settings

SCALE_TOLERANCE = 0.05
"""What another model that is asked too may change in a probability, as it may call for a larger JPEG scale."""


class Batches(Observer):
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch_ran(self, model: str, version: str, images: int) -> None:
        self.sizes.append(images)


@pytest.fixture(scope="module")
def batches() -> Batches:
    return Batches()


@pytest.fixture(scope="module")
def service(models, batches):
    loaded = PredictionService.load(Settings(models=models, max_batch_images=8), batches)
    yield loaded
    loaded.close()


@given(requests=st.lists(st.lists(st.sampled_from(range(4)), min_size=1, max_size=12), min_size=1, max_size=8))
@settings(deadline=None, max_examples=25)
def test_requests_of_mixed_sizes_get_their_own_answers_in_order(service, batches, zoo, requests):
    photos = [zoo.png(side, (40, 30)) for side in zoo.sides]

    async def ask():
        return await asyncio.gather(
            *(service.predict(["orientation"], [photos[index] for index in sides]) for sides in requests)
        )

    batches.sizes.clear()
    for sides, answers in zip(requests, asyncio.run(ask()), strict=True):
        assert [answer["orientation"].label for answer in answers.images] == [zoo.sides[index] for index in sides]
    assert sum(batches.sizes) == sum(map(len, requests))
    assert max(batches.sizes) <= 8


def test_fifty_images_are_split_and_answered_in_order(service, batches, zoo):
    batches.sizes.clear()
    sides = [zoo.sides[number * 7 % 4] for number in range(50)]
    answers = asyncio.run(service.predict(["orientation"], [zoo.png(side) for side in sides]))
    assert [answer["orientation"].label for answer in answers.images] == sides
    assert sum(batches.sizes) == 50
    assert max(batches.sizes) <= 8


def test_other_models_change_an_answer_by_no_more_than_the_tolerance(zoo, photographs, tmp_path):
    """One that takes 400 x 400 pixels makes decoders read a JPEG at a larger scale than the others need."""
    large = {"height": 400, "width": 400, "channels": 3}
    root = zoo.publish(tmp_path, zoo.orientation(), zoo.selfie(), zoo.of_shape("large", **large))
    service = PredictionService.load(Settings(models=root))
    differences = []
    for data in photographs.values():
        photo = Image.open(BytesIO(data)).convert("RGB")
        jpeg = zoo.encode(photo.resize((2 * photo.width, 2 * photo.height)), quality=90)
        for name in ("orientation", "selfie"):
            alone = asyncio.run(service.predict([name], [jpeg])).images[0][name].probabilities
            beside = asyncio.run(service.predict([name, "large"], [jpeg])).images[0][name].probabilities
            differences += [abs(alone[label] - beside[label]) for label in alone]
    service.close()
    assert max(differences) <= SCALE_TOLERANCE
    assert max(differences) > 0, "the scale was the same, so nothing was tested"


def test_where_one_fails_the_others_are_given_up():
    ended = []

    async def wait() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("given up")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(together([wait(), fail(), wait()]))
    assert ended == ["given up"] * 2
