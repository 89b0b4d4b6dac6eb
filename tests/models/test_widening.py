"""Reduced on the way or not: the same picture, and for the shipped models the same answers."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import models
from models.cost.cost import ENOUGH, STRIP_PIXELS
from models.images import Size, decode
from models.preprocessing import Preprocessing
from models.repository import ModelRepository
from models.widening import to_rgb
from serving.engine.onnx_model import OnnxModel

SIDES = (3300, 2200)
AT_LEAST = Size(176, 176)


def encode(image: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1, **options)
    return buffer.getvalue()


def kinds(photo: Image.Image) -> dict[str, bytes]:
    large = photo.resize(SIDES, Image.Resampling.BICUBIC)
    grey, alpha = large.convert("L"), large.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(SIDES))
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "grey": encode(grey),
        "16 bits": encode(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)),
        "alpha": encode(alpha),
        "palette": encode(large.convert("P")),
        "turned": encode(large, exif=turned),
    }


@pytest.fixture(scope="module")
def large(photographs) -> list[dict[str, bytes]]:
    return [kinds(Image.open(BytesIO(photographs[name])).convert("RGB")) for name in ("coffee", "rocket")]


def test_it_is_reduced_to_no_less_than_enough(large):
    for name, data in large[0].items():
        if name == "turned":
            assert decode(data, AT_LEAST).size == SIDES[::-1]  # of a single kind of pixels: the models would notice
            continue
        reduced, whole = decode(data, AT_LEAST), decode(data)
        assert reduced.width < whole.width / 1.9, name
        assert min(reduced.size) >= ENOUGH * 176
        box = whole.resize(reduced.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(box, np.int16) - np.asarray(reduced, np.int16)).max() <= 2, name


def test_strips_leave_no_seam():
    """A picture of several strips, whose height is no multiple of theirs, against one that is converted whole."""
    width, height = 1009, 3 * STRIP_PIXELS // 1009 + 7
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    rgba = Image.fromarray(pixels)
    white = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    assert np.array_equal(np.asarray(to_rgb(rgba)), np.asarray(white))
    reduced = to_rgb(rgba, Size(32, 32))
    assert np.abs(np.asarray(white.reduce(5), np.int16) - np.asarray(reduced, np.int16)).max() <= 1


@pytest.fixture(scope="module")
def shipped() -> ModelRepository:
    return ModelRepository(Path(models.__file__).parent)


@pytest.mark.parametrize(("name", "version"), [("orientation", 2), ("selfie", 2)])
def test_the_shipped_models_answer_alike(large, shipped, name, version):
    model = OnnxModel(shipped.path(name, version), "cpu")
    for photos in large:
        for kind, data in photos.items():
            whole, reduced = model.run(_both(data, model.metadata.preprocessing))
            assert np.abs(reduced - whole).max() <= 0.01, kind


def test_selfie_5_is_moved_by_less_than_one_grey_level_of_noise_moves_it(large, shipped):
    """It is less steady than the others: rounding to int8 alone moves what it half believes by more than 0.01."""
    model = OnnxModel(shipped.path("selfie", 5), "cpu")
    rng = np.random.default_rng(0)
    moved, shaken = 0.0, 0.0
    for photos in large:
        for data in photos.values():
            whole, reduced = _both(data, model.metadata.preprocessing)
            noise = (rng.integers(-1, 2, whole.shape) for _ in range(4))
            noisy = [np.clip(whole.astype(np.int16) + one, 0, 255).astype(np.uint8) for one in noise]
            answers = np.stack(model.run([whole, reduced, *noisy]))
            differences = np.abs(answers[1:] - answers[0]).max(axis=1)
            moved, shaken = max(moved, differences[0]), max(shaken, differences[1:].max())
    assert moved <= min(shaken, 0.02)


def _both(data: bytes, preprocessing: Preprocessing) -> list[np.ndarray]:
    """Decoded whole, and reduced on the way."""
    return [preprocessing.apply(decode(data, *wanted)) for wanted in ((), (preprocessing.size,))]
