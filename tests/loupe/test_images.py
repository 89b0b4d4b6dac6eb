"""Whatever is handed in becomes the same picture."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from loupe.images import encoded, is_one


def shown(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))


@pytest.fixture
def pixels(photograph: Image.Image) -> np.ndarray:
    return np.asarray(photograph.resize((40, 30)))


def test_encoded_bytes_stay_as_they_are(tmp_path: Path, pictures):
    data = pictures("left")
    (tmp_path / "photo.png").write_bytes(data)
    with (tmp_path / "photo.png").open("rb") as file:
        sources = [tmp_path / "photo.png", str(tmp_path / "photo.png"), data, bytearray(data), memoryview(data), file]
        assert [encoded(source) for source in sources] == [data] * 6
        assert all(is_one(source) for source in sources)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "YCbCr", "1"])
def test_a_pillow_image_keeps_what_is_seen(pixels: np.ndarray, mode: str):
    image = Image.fromarray(pixels).convert(mode)
    assert is_one(image)
    np.testing.assert_array_equal(shown(encoded(image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_pillow_image_keeps_its_exif_orientation(pixels: np.ndarray, orientation: int):
    exif, buffer = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    opened = Image.open(BytesIO(buffer.getvalue()))
    np.testing.assert_array_equal(shown(encoded(opened)), shown(buffer.getvalue()))


@pytest.mark.parametrize("part", [np.s_[:], np.s_[..., 0], np.s_[..., :1], np.s_[::2, ::-1]])
def test_arrays_keep_their_pixels(pixels: np.ndarray, part):
    given = pixels[part]
    expected = given if given.ndim == 3 else given[..., None]
    np.testing.assert_array_equal(shown(encoded(given)), np.broadcast_to(expected, (*expected.shape[:2], 3)))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((2, 2, 3), np.float32), r"pixels are uint8.*, not float32\[2, 2, 3\]"),
        (np.zeros((5, 2, 2, 3), np.uint8), r"not uint8\[5, 2, 2, 3\]; several photos are a list"),
        (np.zeros((2, 2, 2), np.uint8), r"not uint8\[2, 2, 2\]"),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        encoded(image)


def test_what_is_no_photo_is_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="not int"):
        encoded(5)
    for data in (b"x", b"\xff\xd8\xff\xe0"):  # a photo is no UTF-8
        (tmp_path / "text").write_bytes(data)
        with (tmp_path / "text").open(encoding="utf-8") as file, pytest.raises(TypeError, match="opened as text"):
            encoded(file)
    assert not is_one([b"a"])
    assert not is_one(Path("x") for _ in range(3))


def test_the_client_loads_neither_pillow_nor_numpy_nor_the_other_rooms():
    rooms = "'PIL', 'numpy', 'pydantic', 'fastapi', 'models', 'serving', 'training'"
    code = f"import sys, loupe.client; print([name for name in ({rooms}) if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_an_array_without_pillow_is_one_sentence():
    code = "import numpy, sys; sys.modules['PIL'] = sys.modules['PIL.Image'] = None; from loupe.images import encoded\n"
    code += "try:\n    encoded(numpy.zeros((2, 2), 'uint8'))\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("an array travels as PNG, which Pillow writes: pip install pillow\n", "")
