"""Large answers are written beside the event loop, in pieces, and are what one call of the writer makes."""

import asyncio
from base64 import b64encode
from collections.abc import Callable

import pytest
from pydantic_core import to_json

from serving.engine.classifier import Prediction
from serving.http.schemas import ErrorBody, KeyedError, ModelAnswer, ModelsAnswer, Rows, with_key
from serving.http.written import written
from serving.parsing.off_loop import beside_loop


def prediction(labels: int) -> Prediction:
    return Prediction("ü", 0.25, True, {f'label "{n}"': n / 7 for n in range(labels)}, {"rotate_clockwise": 90})


def answer(labels: int, images: int) -> ModelAnswer:
    bad = ErrorBody(error="it is cut off", error_type="UndecodableImageError")
    return ModelAnswer("a", "1", [prediction(labels), bad, *[with_key(prediction(labels), None)] * (images - 2)])


@pytest.fixture
def beside(monkeypatch) -> list[int]:
    """How much work was done there, each time."""
    sizes = list[int]()

    async def noted(read: Callable[[], object], size: int) -> object:
        sizes.append(size)
        return await beside_loop(read, size)

    monkeypatch.setattr("serving.parsing.off_loop.beside_loop", noted)
    return sizes


@pytest.mark.parametrize(("labels", "images", "times"), [(4, 64, 0), (1000, 2, 0), (1000, 64, 1)])
def test_they_are_the_same(beside, labels, images, times):
    one = answer(labels, images)
    rows = Rows(predictions=[*one.predictions, KeyedError(error="no", error_type="no", key=1e-7)])
    for whole in (one, rows, ModelsAnswer(results={"a": one}), ModelsAnswer(results={})):
        assert asyncio.run(written(whole)) == to_json(whole)
    assert len(beside) == times * 3
    assert asyncio.run(written(ModelsAnswer(results={"a": one, 'b"': one}))) == to_json(
        ModelsAnswer(results={"a": one, 'b"': one})
    )


def test_a_key_copies_no_labels():
    """Of 64 rows and a thousand labels that took 132 ms of the loop."""
    row = prediction(1000)
    assert with_key(row, "a").probabilities is row.probabilities


def test_one_photo_s_answer_is_written_in_the_loop(beside):
    assert asyncio.run(written(ModelAnswer("a", "1", [prediction(9000)]))).startswith(b'{"model":"a"')
    assert beside == []


def test_open_inference_s_answers_are_made_and_written_there_too(client, zoo, monkeypatch, beside):
    """64 photos and the classes of a thousand labels took 52 ms of the loop."""
    wanted = [{"name": "probabilities", "parameters": {"classification": 2}}]
    photos = [b64encode(zoo.png()).decode()] * 2
    call = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": photos}]}
    for body in (call, call | {"outputs": wanted}):
        monkeypatch.setattr("serving.parsing.off_loop.SMALL_BYTES", 1 << 30)
        here = client.post("/v2/models/orientation/infer", json=body).json()
        beside.clear()
        monkeypatch.setattr("serving.parsing.off_loop.SMALL_BYTES", 200)
        assert client.post("/v2/models/orientation/infer", json=body).json() == here
        assert 2 * 4 * 128 in beside  # made
        assert len(here["outputs"][0]["data"]) * 128 in beside  # written
