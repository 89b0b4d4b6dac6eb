"""A picture gets one answer, however its camera stored it: all eight EXIF orientation values, over HTTP."""

from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

ORIENTATION_TAG = 0x0112
# What a camera that writes this value has done to the upright picture; 6 and 8 undo each other, the others themselves.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "quality": 0, "method": 0}, "TIFF": {}}


def stored(upright: Image.Image, value: int, kind: str, **options) -> bytes:
    image = upright if STORED[value] is None else upright.transpose(STORED[value])
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = value
    buffer = BytesIO()
    image.save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def ask(url: str, model: str, data: bytes, **parameters: str) -> dict:
    response = httpx.post(f"{url}/v1/models/{model}:predict", content=data, params=parameters, timeout=60)
    assert response.status_code == 200, response.text
    [prediction] = response.json()["predictions"]
    return prediction


@pytest.fixture(scope="module")
def upright(photograph: Image.Image) -> Image.Image:
    """A side longer than the other, neither a multiple of a JPEG block."""
    return photograph.crop((30, 10, 450, 331))


@pytest.mark.parametrize("model", ["orientation", "selfie"])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_all_eight_values_give_one_answer(trained, upright, model, kind):
    answers = [ask(trained.url, model, stored(upright, value, kind, **LOSSLESS[kind])) for value in STORED]
    assert all(answer == answers[0] for answer in answers), "the very same pixels reach the model"


@pytest.mark.parametrize("model", ["orientation", "selfie"])
def test_all_eight_values_of_a_jpeg_give_nearly_one_answer(trained, upright, model):
    """JPEG's blocks are cut from another corner each time, hence not quite; as stored, the eight differ far more."""

    def spread(**parameters: str) -> float:
        photos = [stored(upright, value, "JPEG", quality=97) for value in STORED]
        answers = [ask(trained.url, model, photo, **parameters) for photo in photos]
        return float(np.ptp([list(answer["probabilities"].values()) for answer in answers], axis=0).max())

    assert spread() < spread(exif="ignore") / 5


def test_stored_pixels_are_judged_if_asked_for(trained, upright):
    answers = []
    for value in STORED:
        image = upright if STORED[value] is None else upright.transpose(STORED[value])
        buffer = BytesIO()
        image.save(buffer, "PNG")
        answers.append(ask(trained.url, "orientation", buffer.getvalue()))
        assert ask(trained.url, "orientation", stored(upright, value, "PNG"), exif="ignore") == answers[-1]
    assert len({str(answer["probabilities"]) for answer in answers}) == 8
